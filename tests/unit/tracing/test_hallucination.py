from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.errors import InvalidInput
from kenshin.tracing.hallucination import hallucination_risk
from kenshin.tracing.trace import PromptTrace

CONTEXT = "『蟲師』10巻 660円 SKU MG-42 https://mangaya.example/mushishi"


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        ("10巻は770円です。", "number", "770円"),
        ("Order MG-43 now.", "id", "mg-43"),
        ("https://mangaya.example/aria をどうぞ", "link", "https://mangaya.example/aria"),
        ("『虫奉行』はいかがでしょう。", "title", "虫奉行"),
    ],
)
def test_an_unsupported_claim_is_evidence_and_flagged(answer, kind, text):
    trace = PromptTrace()
    finding = hallucination_risk(answer, CONTEXT, trace=trace)
    assert finding
    assert [(sign.kind, sign.text) for sign in finding.evidence] == [(kind, text)]
    assert (trace.hallucination_risk, trace.hallucination_score) == (True, finding.score)


@pytest.mark.parametrize(
    "answer", ["『蟲師』10巻は６６０円です。", "こんにちは！", "", "「はい」とお答えください。"]
)
def test_what_is_supported_or_merely_said_is_not_flagged(answer):
    trace = PromptTrace()
    assert not hallucination_risk(answer, [CONTEXT, "以上"], trace=trace)
    assert trace.hallucination_risk is False
    assert trace.hallucination_score < 0.5


def test_signs_add_up_and_the_threshold_and_the_weights_are_the_callers():
    one = hallucination_risk("770円", CONTEXT)
    two = hallucination_risk("770円か880円", CONTEXT)
    assert 0 < one.score < two.score < 1
    assert not hallucination_risk("770円", CONTEXT, threshold=0.9)
    assert not hallucination_risk("770円", CONTEXT, weights={"link": 1.0})


def test_a_judges_score_counts():
    heard = []

    def judge(answer: str, context: str) -> float:
        heard.append((answer, context))
        return 0.25

    finding = hallucination_risk("770円", ["a", "b"], judge=judge)
    assert (finding.score, finding.flagged, finding.source) == (0.25, False, "judge")
    assert finding.evidence
    assert heard == [("770円", "a\nb")]


def failing(*_: object) -> float:
    raise TimeoutError("password=hunter2")


@pytest.mark.parametrize(
    "judge", [failing, lambda *_: 1.5, lambda *_: "high", lambda *_: float("nan"), lambda *_: True]
)
def test_a_judge_that_fails_leaves_the_heuristic_and_a_note(judge):
    finding = hallucination_risk("770円", CONTEXT, judge=judge)
    assert finding.source == "heuristic"
    assert finding.flagged
    assert "judge" in finding.note
    assert "hunter2" not in finding.note


@pytest.mark.parametrize("threshold", [0, -1, 1.5, "high", None])
def test_a_threshold_that_is_none_is_refused(threshold):
    with pytest.raises(InvalidInput, match="threshold"):
        hallucination_risk("a", "b", threshold=threshold)


@given(st.text(), st.text())
def test_any_texts_have_a_score_and_an_answer_supports_itself(answer, context):
    assert 0 <= hallucination_risk(answer, context).score <= 1
    assert hallucination_risk(answer, answer).score == 0


def test_long_texts_take_a_moment():
    digits = "".join(f"{number} 1,234 x 5cm ¥6 " for number in range(50_000))[:1_000_000]
    finding = hallucination_risk(digits, "何もありません。" * 100_000)
    assert finding.flagged
    assert len(finding.evidence) == 50


@pytest.mark.parametrize("weight", [2, -0.1, float("nan"), "1"])
def test_a_weight_that_is_none_is_refused(weight):
    with pytest.raises(InvalidInput, match="weight"):
        hallucination_risk("17 yen", "", weights={"number": weight})
