from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kenshin
from kenshin.budget import api
from kenshin.budget.check import REQUEST_FRAME, BudgetPolicy
from kenshin.budget.models import DEFAULT_MODEL
from kenshin.current import use
from kenshin.errors import InvalidInput, UnknownModel
from kenshin.runtime import Runtime
from kenshin.settings import Settings
from kenshin.signals.context import PromptMeasured, TraceContext, prompt_measured, trace_in_force

SENTENCE = "The order was shipped to Osaka on Monday. "
TRACE = "0af7651916cd43dd8448eb211c80319c"
WARNED = {"rag_context": SENTENCE * 270}
CRITICAL = {"conversation_history": [{"role": "user", "content": SENTENCE * 400}]}


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    own = tmp_path / "own.json"
    own.write_text(
        '{"models": [{"name": "marvel", "window": 9000, "family": "claude-4.7"}]}', encoding="utf-8"
    )
    environment = {
        "KENSHIN_HOME": str(tmp_path / "home"),
        "KENSHIN_MODELS": str(own),
        "KENSHIN_SIGNALS": "memory:",
        "KENSHIN_SIGNALS_MODE": "sync",
    }
    made = Runtime(Settings.from_env(environment))
    with use(made):
        yield made
    made.close()


def records(runtime: Runtime) -> list[Any]:
    return runtime.recorder.sinks[0].records  # type: ignore[attr-defined]


def line(runtime: Runtime, **prompt: Any) -> dict[str, Any]:
    kenshin.check_budget(**prompt)
    return dict(records(runtime)[-1].log_fields())


def test_the_model_chooses_the_family(runtime: Runtime) -> None:
    text = "Unquestionably idiosyncratic phrasing"
    assert kenshin.estimate_tokens(text).family == "claude-3"
    assert kenshin.estimate_tokens(text, "marvel").family == "claude-4.7"
    with pytest.raises(UnknownModel):
        kenshin.estimate_tokens(text, "nobody-knows", strict=True)


def test_reported_usage_corrects_the_estimates_that_follow(runtime: Runtime) -> None:
    raw = kenshin.estimate_tokens(SENTENCE)
    kenshin.observe_usage(f"us.{DEFAULT_MODEL}", raw, {"inputTokens": 2 * raw})
    corrected = kenshin.estimate_tokens(SENTENCE)
    assert (corrected, corrected.uncorrected) == (2 * raw, raw)
    assert kenshin.estimate_tokens("何日で届きますか").uncorrected is None
    again = kenshin.observe_usage(DEFAULT_MODEL, corrected, {"inputTokens": 2 * raw})
    assert again.shift == pytest.approx(math.log(2))


def test_reported_usage_corrects_the_checks_that_follow(runtime: Runtime) -> None:
    before = kenshin.check_budget(**WARNED)
    kenshin.observe_usage(DEFAULT_MODEL, before, {"inputTokens": round(1.5 * before.measured.tokens)})
    after = kenshin.check_budget(**WARNED)
    assert (before.calibrated, after.calibrated) == (False, True)
    assert after.measured == before.measured
    assert after.total_tokens - 1_500 == pytest.approx(1.5 * before.measured.tokens, abs=3)
    assert sum(after.sections.values()) == after.total_tokens <= after.upper_tokens
    assert (before.status, after.status) == ("warning", "critical")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("log_type", "budget_check"),
        ("status", "normal"),
        ("utilization_pct", 30.1),
        ("total_tokens", 1_507),
        ("budget_limit", 5_000),
        (
            "sections",
            {
                "system_prompt": 0,
                "conversation_history": 0,
                "rag_context": 0,
                "user_message": REQUEST_FRAME["claude-3"],
                "output_reserve": 1_500,
            },
        ),
    ],
)
def test_the_log_line_has_the_proof_of_concepts_key(runtime: Runtime, key: str, value: object) -> None:
    assert line(runtime)[key] == value


def test_the_log_line_has_the_recommendation_that_the_caller_gets(runtime: Runtime) -> None:
    assert "recommendation" not in line(runtime)
    result = kenshin.check_budget(**WARNED)
    assert records(runtime)[-1].log_fields()["recommendation"] == result.recommendation


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("total_tokens", 1_507),
        ("budget_limit", 5_000),
        ("utilization_pct", 30.1),
        ("status", "normal"),
        ("largest_section", "user_message"),
        ("largest_section_tokens", REQUEST_FRAME["claude-3"]),
        ("recommendation", None),
    ],
)
def test_the_result_has_the_proof_of_concepts_field(runtime: Runtime, field: str, value: object) -> None:
    assert getattr(kenshin.check_budget(), field) == value


@pytest.mark.parametrize(
    ("prompt", "opening", "ending"),
    [
        (WARNED, "WARNING: ", "Consider compressing 'rag_context' section."),
        (
            CRITICAL,
            "CRITICAL: ",
            "Largest section 'conversation_history' ({tokens} tokens). "
            "Compress conversation history or reduce RAG context.",
        ),
    ],
    ids=["warning", "critical"],
)
def test_a_recommendation_has_the_proof_of_concepts_words(
    runtime: Runtime, prompt: dict[str, Any], opening: str, ending: str
) -> None:
    result = kenshin.check_budget(**prompt)
    used = f"{result.total_tokens / result.budget_limit:.0%} of budget used"
    assert result.recommendation is not None
    assert result.recommendation.startswith(opening + used)
    assert result.recommendation.endswith(ending.format(tokens=result.largest_section_tokens))


def test_every_check_is_one_record_with_the_trace_it_is_part_of(runtime: Runtime) -> None:
    token = trace_in_force.set(TraceContext(TRACE))
    try:
        assert line(runtime)["trace_id"] == TRACE
    finally:
        trace_in_force.reset(token)
    assert "trace_id" not in line(runtime)
    assert len(records(runtime)) == 2


def test_the_uncorrected_measure_is_left_for_the_call_that_follows(runtime: Runtime) -> None:
    kenshin.observe_usage(DEFAULT_MODEL, kenshin.estimate_tokens(SENTENCE), {"inputTokens": 99})
    result = kenshin.check_budget(user_message=SENTENCE)
    measured = prompt_measured.get()
    assert (
        measured
        == result.measured
        == PromptMeasured("claude-3-5-sonnet", measured.tokens, measured.upper, "latin")
    )
    assert measured.tokens + 1_500 != result.total_tokens


def test_a_listener_of_calls_closes_the_circle(runtime: Runtime) -> None:
    from kenshin.signals.records import BedrockHealthMetrics

    kenshin.check_budget(user_message=SENTENCE)
    measured = prompt_measured.get()
    assert measured is not None
    call = BedrockHealthMetrics(DEFAULT_MODEL, "", 9.0, "success", input_tokens=3 * measured.tokens)
    for listener in runtime.call_listeners:
        listener(call, measured)
    assert runtime.token_calibration.correction("claude-3-5-sonnet", "latin").shift == pytest.approx(
        math.log(3)
    )
    assert kenshin.check_budget(user_message=SENTENCE).calibrated


def test_what_was_learnt_decides_what_is_fitted_and_what_came_out_is_measured(runtime: Runtime) -> None:
    history = [
        {"role": ("user", "assistant")[at % 2], "content": f"{at}: {SENTENCE * 3}"} for at in range(60)
    ]
    before = kenshin.fit_budget(conversation_history=history)
    assert before.action == "none"
    kenshin.observe_usage(DEFAULT_MODEL, before.after, {"inputTokens": 2 * before.after.measured.tokens})
    fitted = kenshin.fit_budget(conversation_history=history)
    assert (fitted.action, fitted.before.status, fitted.after.status) == ("trimmed", "critical", "normal")
    assert prompt_measured.get() == fitted.after.measured
    assert fitted.after.measured.tokens < before.after.measured.tokens


def test_the_reserve_is_what_the_policy_says(runtime: Runtime) -> None:
    found = kenshin.check_budget(policy=BudgetPolicy(output_reserve=700))
    assert (found.sections["output_reserve"], found.total_tokens) == (700, 707)


def test_a_person_reads_one_line_where_the_prompt_is_too_large(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    kenshin.check_budget()
    assert caplog.messages == []
    result = kenshin.check_budget(**WARNED)
    assert caplog.messages == [f"Prompt for 'claude-3-5-sonnet': {result.recommendation}"]
    assert caplog.records[0].levelno == logging.WARNING


def test_an_unknown_model_is_named_once(
    runtime: Runtime, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "_named", set())
    for model in ("acme.roadrunner-v1:0", "acme.roadrunner-v1:0", "acme.coyote-v1:0"):
        assert kenshin.check_budget(model_id=model).known_model is False
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "The registry does not know the model 'acme.roadrunner'",
        "The registry does not know the model 'acme.coyote'",
    ]


def test_a_recorder_that_cannot_be_opened_costs_the_record_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "_failures", set())
    broken = Runtime(Settings.from_env({"KENSHIN_HOME": str(tmp_path), "KENSHIN_SIGNALS": "gopher://x"}))
    with use(broken):
        for _ in range(3):
            assert kenshin.check_budget().status == "normal"
    assert len(caplog.records) == 1


def test_a_refused_prompt_leaves_neither_record_nor_measure(runtime: Runtime) -> None:
    prompt_measured.set(None)
    with pytest.raises(InvalidInput):
        kenshin.check_budget(user_message=object())
    assert (records(runtime), prompt_measured.get()) == ([], None)
