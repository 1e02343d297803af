from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.tracing.confusion import confusion_detected
from kenshin.tracing.trace import PromptTrace


def kinds(messages: list[object], answer: str) -> set[str]:
    return {sign.kind for sign in confusion_detected(messages, answer).evidence}


@pytest.mark.parametrize(
    ("messages", "answer", "kind"),
    [
        (["Do you sell gift cards?", "So do you sell any gift cards?"], "See our shop.", "asked again"),
        (["ギフト券は売っていますか", "ギフト券って売っていますか？"], "こちらをどうぞ。", "asked again"),
        (["Where is it?", "That's not what I asked."], "Here.", "correcting"),
        (["どこですか", "そうではなくて店の場所です"], "はい。", "correcting"),
        (["I don't understand."], "It is simple.", "puzzled"),
        (["よくわかりません"], "簡単です。", "puzzled"),
        (["the other one"], "Sorry, could you rephrase that?", "lost"),
        (["あれ"], "ご質問の意味がわかりかねます。", "lost"),
        (["which?"], "It's hard to say.", "evasive"),
    ],
)
def test_a_sign_is_found(messages, answer, kind):
    assert kind in kinds(messages, answer)


@pytest.mark.parametrize(
    ("messages", "answer"),
    [
        (["Cancel order 1 please", "Cancel order 2 please"], "Order 2 is cancelled."),
        (["注文1をキャンセル", "注文2をキャンセル"], "注文2をキャンセルしました。"),
        (["Is it in stock?"], "I'm sorry, it is sold out."),
        (["在庫はありますか"], "申し訳ございません、品切れです。"),
        ([], "Hello!"),
        ([""], ""),
    ],
)
def test_no_sign_where_there_is_none(messages, answer):
    assert kinds(messages, answer) == set()


def test_a_repeated_answer_is_a_sign_in_the_shapes_of_both_apis():
    answer = "Please choose a shipping option at checkout."
    for content in (answer, [{"text": answer}], [{"type": "text", "text": answer}]):
        messages = [
            {"role": "user", "content": [{"text": "Do you ship to Canada?"}]},
            {"role": "assistant", "content": content},
            {"role": "user", "content": "To Toronto, I live there"},
        ]
        finding = confusion_detected(messages, answer)
        assert [sign.kind for sign in finding.evidence] == ["repeated"]
        assert finding.flagged


def test_the_trace_is_set():
    trace = PromptTrace()
    finding = confusion_detected(["huh??"], "Could you clarify?", trace=trace)
    assert (trace.confusion_detected, trace.confusion_score) == (True, finding.score)


def test_the_judge_is_asked_and_its_failure_told():
    messages = ["a"]
    assert (
        confusion_detected(messages, "b", judge=lambda *given: float(given == (messages, "b"))).score == 1.0
    )
    failed = confusion_detected(messages, "b", judge=lambda *_: 1 / 0)
    assert (failed.score, failed.source) == (0, "heuristic")
    assert "ZeroDivisionError" in failed.note


ODD = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "text", "toolUse"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.lists(ODD, max_size=5), st.text())
def test_any_messages_have_a_score(messages, answer):
    assert 0 <= confusion_detected(messages, answer).score <= 1


def test_of_long_texts_and_conversations_a_part_is_looked_at():
    text = "どちらですか?" * 150_000
    assert 0 <= confusion_detected([text] * 1_000, text).score <= 1


def test_one_message_alone_may_be_given_as_text():
    assert confusion_detected("I don't understand.", "Well.") == confusion_detected(
        ["I don't understand."], "Well."
    )
