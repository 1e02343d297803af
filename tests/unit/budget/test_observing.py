from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from kenshin.budget.calibration import Calibration, Correction
from kenshin.budget.check import check
from kenshin.budget.estimate import estimate_text
from kenshin.budget.models import DEFAULT_MODEL, Models
from kenshin.budget.observing import UsageObserver, measure_of
from kenshin.errors import InvalidInput
from kenshin.signals.context import PromptMeasured
from kenshin.signals.memory import MemorySink
from kenshin.signals.recorder import Recorder
from kenshin.signals.records import BedrockHealthMetrics, UsageObserved

AT = datetime(2026, 11, 1, tzinfo=UTC)
NAME = "claude-3-5-sonnet"
PROMPT = PromptMeasured(NAME, 1_000, 1_100, "japanese")
MODELS = Models.load()


class Observed:
    """An observer with everything around it in memory."""

    def __init__(self) -> None:
        self.calibration, self.sink = Calibration(), MemorySink()
        recorder = Recorder([self.sink], synchronous=True)
        self.observer = UsageObserver(MODELS, self.calibration, lambda: recorder, lambda: AT)

    @property
    def records(self) -> list[Any]:
        return self.sink.records


@pytest.fixture
def observed() -> Observed:
    return Observed()


def call(**changes: Any) -> BedrockHealthMetrics:
    values = {"model_id": DEFAULT_MODEL, "intent": "", "latency_ms": 9.0, "status": "success", **changes}
    return BedrockHealthMetrics(**values)


def test_what_check_budget_answered_can_be_given_as_it_is(observed: Observed) -> None:
    result = check(MODELS.find(DEFAULT_MODEL), user_message="何日で届きますか" * 40)
    observed.observer.observe(DEFAULT_MODEL, result, {"inputTokens": 2 * result.measured.tokens})
    assert observed.calibration.correction(NAME, "japanese").shift == pytest.approx(math.log(2))


def test_a_corrected_estimate_teaches_by_its_uncorrected_one(observed: Observed) -> None:
    raw = estimate_text("How long does shipping to Osaka take?" * 20, "claude-3")
    corrected = Correction(calls=20, shift=0.5).applied(raw)
    assert measure_of(corrected, "m") == measure_of(raw, "m") == PromptMeasured("m", raw, raw.upper, "latin")


def test_the_record_tells_the_estimate_before_this_call_taught_it(observed: Observed) -> None:
    observed.observer.observe(DEFAULT_MODEL, PROMPT, {"inputTokens": 2_000})
    observed.observer.observe(DEFAULT_MODEL, PROMPT, {"inputTokens": 2_000})
    first, second = observed.records
    assert (first.estimated_tokens, first.corrected_tokens, first.actual_tokens) == (1_000, 1_000, 2_000)
    assert (first.error_pct, first.misses) == (50.0, 1)
    assert (second.estimated_tokens, second.corrected_tokens) == (1_000, 2_000)
    assert (second.error_pct, second.misses, second.model) == (0.0, None, NAME)


def test_tokens_of_the_cache_count_and_an_overflow_is_a_miss(observed: Observed) -> None:
    usage = {"inputTokens": 10, "cacheReadInputTokens": 900, "cacheWriteInputTokens": 90}
    observed.observer.observe(DEFAULT_MODEL, PROMPT, usage)
    observed.observer.observe(DEFAULT_MODEL, PROMPT, {}, stop_reason="model_context_window_exceeded")
    first, second = observed.records
    assert (first.actual_tokens, first.misses) == (1_000, None)
    assert (second.actual_tokens, second.error_pct, second.misses) == (0, None, 1)
    assert observed.calibration.correction(NAME, "japanese").overflows == 1


def test_a_call_teaches_by_what_was_measured_before_it(observed: Observed) -> None:
    observed.observer.heard(call(input_tokens=100, cache_read_tokens=1_900, trace_id="0" * 32), PROMPT)
    (record,) = observed.records
    assert (record.actual_tokens, record.script, record.trace_id) == (2_000, "japanese", "0" * 32)


@pytest.mark.parametrize(
    ("finished", "prompt"),
    [
        (call(input_tokens=100), None),
        (call(status="error", error_code="InternalServerException"), PROMPT),
        (call(cancelled=True), PROMPT),
        (call(model_id="amazon.nova-lite-v1:0", fallback_of=DEFAULT_MODEL, input_tokens=900), PROMPT),
    ],
    ids=["unmeasured", "failed", "cancelled", "fallback"],
)
def test_a_call_that_tells_nothing_teaches_nothing(
    observed: Observed, finished: BedrockHealthMetrics, prompt: PromptMeasured | None
) -> None:
    observed.observer.heard(finished, prompt)
    assert observed.records == []
    assert observed.calibration.corrections() == {}


def test_a_call_that_overflowed_without_usage_is_a_miss(observed: Observed) -> None:
    observed.observer.heard(call(stop_reason="model_context_window_exceeded"), PROMPT)
    assert observed.records[0].misses == 1


@pytest.mark.parametrize(
    ("model", "estimate", "script"),
    [
        (DEFAULT_MODEL, 900, None),
        (DEFAULT_MODEL, "text", None),
        (DEFAULT_MODEL, PromptMeasured(NAME, -1, 5, "latin"), None),
        (DEFAULT_MODEL, PromptMeasured(NAME, 9, 5, "latin"), None),
        (DEFAULT_MODEL, PromptMeasured(NAME, "9", "10", "latin"), None),  # type: ignore[arg-type]
        (DEFAULT_MODEL, PromptMeasured(NAME, 9, math.inf, "latin"), None),  # type: ignore[arg-type]
        (DEFAULT_MODEL, PromptMeasured(NAME, 9, 10**400, "latin"), None),
        ("amazon.nova-lite-v1:0", PROMPT, None),
        (DEFAULT_MODEL, PROMPT, "klingon"),
    ],
)
def test_what_is_no_estimate_of_this_prompt_is_refused(
    observed: Observed, model: str, estimate: Any, script: Any
) -> None:
    with pytest.raises(InvalidInput):
        observed.observer.observe(model, estimate, {"inputTokens": 1}, script=script)
    assert observed.records == []


def test_a_recorder_that_cannot_be_made_costs_the_record_only(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Recorder:
        raise OSError("no disk")

    calibration = Calibration()
    observer = UsageObserver(MODELS, calibration, broken, lambda: AT)
    observer.observe(DEFAULT_MODEL, PROMPT, {"inputTokens": 2_000})
    assert calibration.correction(NAME, "japanese").calls == 1
    assert "could not be recorded" in caplog.text


def test_the_record_is_a_line_with_its_own_keys() -> None:
    record = UsageObserved(AT, NAME, "latin", 900, 990, 910, 980, 1000)
    assert record.log_fields()["log_type"] == "usage_observed"
    assert (record.observations, record.error_pct, record.misses) == (1, 9.0, 1)
