"""The comparison sees what differs: it is shown signals that are right, and signals that are not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kenshin.backends.local.emf import EmfFiles
from kenshin.experiments.observation import ABObservation
from kenshin.runtime import utc_now
from kenshin.signals.budgets import BudgetChecked
from kenshin.signals.calls import BedrockHealthMetrics
from kenshin.signals.emf import EmfRenderer
from kenshin.signals.guard import DimensionGuard
from kenshin.signals.traces import PromptTraced, SpanTimed
from orchestrator.calls import told
from orchestrator.load.comparison import added_time, beside_journal, beside_signals, beside_store, signals_of
from orchestrator.load.outcomes import Outcome, counted, share

FAILED = "InternalServerException"
NOTHING: dict[str, Any] = {"input_tokens": 0, "output_tokens": 0}
MODEL = "anthropic.claude-3-5-sonnet-20241022-v2:0"


def call(trace: str, **more: Any) -> BedrockHealthMetrics:
    said: dict[str, Any] = {
        "status": "success",
        "input_tokens": 10,
        "output_tokens": 3,
        "request_id": f"r-{trace}",
    }
    return BedrockHealthMetrics(MODEL, "limits", 100.0, **(said | more), trace_id=trace, at=utc_now())


def outcome(
    trace: str, *calls: BedrockHealthMetrics, elapsed_ms: float = 120.0, status: int = 200
) -> Outcome:
    body = {
        "trace_id": trace,
        "calls": [told(each) for each in calls],
        "arm": "A",
        "quality": {"score": 1.0},
        "elapsed_ms": elapsed_ms,
        "model_ms": sum(each.latency_ms for each in calls),
    }
    return Outcome(0.0, "http", status, 130.0, body)


CALLS = [
    call("a" * 32),
    call("b" * 32, **NOTHING, status="error", error_code=FAILED, retry_count=1, circuit_state="open"),
    call("b" * 32, request_id="r-c"),
    call("c" * 32, status="throttled", error_code="ThrottlingException", **NOTHING),
]  # fmt: skip
OUTCOMES = [
    outcome("a" * 32, CALLS[0]),
    outcome("b" * 32, *CALLS[1:3]),
    outcome("c" * 32, CALLS[3], status=503),
]


def span(*, success: bool) -> SpanTimed:
    return SpanTimed("response_delivery", 1.0, success=success)


def written(
    folder: Path, calls: list[BedrockHealthMetrics], traces: str = "abc", delivered: str = "ab"
) -> Path:
    files = EmfFiles(folder, EmfRenderer("MangaAssist", DimensionGuard(100)))
    assert files.write(calls) == 0
    made = [
        PromptTraced(utc_now(), each * 32, "s", "limits", "t", "1", 1.0, [span(success=each in delivered)])
        for each in traces
    ]
    checks = [
        BudgetChecked(utc_now(), MODEL, "normal", 1.0, 1.0, 1, 1, 9, {}, "rag_context", 1, trace_id=each * 32)
        for each in traces
    ]
    assert files.write([*made, *checks]) == 0
    return folder


def ids() -> set[str]:
    return {str(each.trace_id) for each in OUTCOMES}


def test_right_signals_are_the_same_in_every_row(tmp_path: Path) -> None:
    signals = signals_of(written(tmp_path, CALLS), ids(), MODEL)
    rows = beside_signals(OUTCOMES, signals)
    assert all(own == other for _, own, other in rows)
    found = {name: own for name, own, _ in rows}
    assert found["traces"] == found["budget checks"] == 3
    assert found["traces without a failed span"] == 2
    assert found["InvocationCount"] == found[f"InvocationCount of {MODEL}"] == 4
    assert found["SuccessCount"] == 2
    assert found["ErrorCount InternalServerException"] == found["ErrorCount"] == 1
    assert (found["ThrottleCount"], found["RetryCount"], found["InputTokens"]) == (1, 1, 20)
    assert signals.foreign == 0
    assert {state for _, state in signals.circuit} == {0, 2}


@pytest.mark.parametrize("calls", [CALLS[1:], [*CALLS, CALLS[0]], [CALLS[0], *CALLS[2:]], []])
def test_a_lost_or_doubled_call_is_seen(tmp_path: Path, calls: list[BedrockHealthMetrics]) -> None:
    rows = beside_signals(OUTCOMES, signals_of(written(tmp_path, calls), ids(), MODEL))
    assert any(own != other for _, own, other in rows)


def test_a_call_with_a_wrong_status_is_seen(tmp_path: Path) -> None:
    wrong = [replace(CALLS[0], status="error", error_code=FAILED), *CALLS[1:]]
    rows = beside_signals(OUTCOMES, signals_of(written(tmp_path, wrong), ids(), MODEL))
    assert {name for name, own, other in rows if own != other} >= {"SuccessCount", "ErrorCount"}


@pytest.mark.parametrize(
    ("traces", "delivered", "row"),
    [
        ("ab", "ab", "traces"),
        ("abcc", "ab", "traces"),
        ("abc", "a", "traces without a failed span"),
        ("abc", "abc", "traces without a failed span"),
    ],
)
def test_a_lost_doubled_or_wrong_trace_is_seen(tmp_path: Path, traces: str, delivered: str, row: str) -> None:
    signals = signals_of(written(tmp_path, CALLS, traces, delivered), ids(), MODEL)
    assert row in {name for name, own, other in beside_signals(OUTCOMES, signals) if own != other}


def test_a_strangers_line_is_seen(tmp_path: Path) -> None:
    assert signals_of(written(tmp_path, [*CALLS, call("d" * 32)]), ids(), MODEL).foreign == 1


def observation(trace: str, arm: str = "A", score: float = 1.0) -> ABObservation:
    at = utc_now()
    return ABObservation(
        f"{trace}-1", "e", "s", arm, "1", at, at, at.date(), trace_id=trace, quality_score=score
    )


STORED = [observation("a" * 32), observation("b" * 32)]


def test_the_store_holds_one_observation_of_each_answer() -> None:
    assert all(own == other == 2 for _, own, other in beside_store(OUTCOMES, STORED))


@pytest.mark.parametrize(
    "stored",
    [
        STORED[1:],
        [*STORED, STORED[0]],
        [STORED[0], STORED[0]],
        [STORED[0], observation("b" * 32, arm="B")],
        [STORED[0], observation("b" * 32, score=0.5)],
        [STORED[0], observation("c" * 32)],
    ],
)
def test_a_lost_doubled_or_wrong_observation_is_seen(stored: list[ABObservation]) -> None:
    assert any(own != other for _, own, other in beside_store(OUTCOMES, stored))


def entry(request_id: str, invocation: str, **more: Any) -> dict[str, Any]:
    made = {
        "request_id": request_id,
        "invocation_id": invocation,
        "attempt": 1,
        "status": 200,
        "complete": True,
        "code": None,
    }
    return {**made, "input_tokens": 10, "output_tokens": 3, "elapsed_ms": 90.0, **more}


JOURNAL = [
    entry("r-" + "a" * 32, "i-1"),
    entry("r-first", "i-2", status=500, code="InternalServerException", **NOTHING, elapsed_ms=1.0),
    entry("r-" + "b" * 32, "i-2", attempt=2, status=500, code=FAILED, **NOTHING, elapsed_ms=2.0),
    entry("r-c", "i-3"),
    entry("r-" + "c" * 32, "i-4", status=429, code="ThrottlingException", **NOTHING),
]  # fmt: skip


def test_the_journal_says_the_same_of_tries_answers_and_tokens() -> None:
    rows = beside_journal(OUTCOMES, JOURNAL)
    assert all(own == other for _, own, other in rows)
    assert {name: own for name, own, _ in rows} == {
        "calls": 4,
        "tries": 5,
        "whole answers": 2,
        "input tokens": 20,
        "output tokens": 6,
        "calls that failed": 2,
        "calls that failed with InternalServerException": 1,
        "calls that failed with ThrottlingException": 1,
    }
    assert any(own != other for _, own, other in beside_journal(OUTCOMES, JOURNAL[1:]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "success"},
        {"status": "error", "error_code": "ServiceUnavailableException"},
        {"retry_count": 0},
        {"status": "success", "input_tokens": 7},
    ],
)
def test_a_record_that_was_never_true_is_seen_beside_the_journal(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    calls = [CALLS[0], replace(CALLS[1], **wrong), *CALLS[2:]]
    outcomes = [OUTCOMES[0], outcome("b" * 32, *calls[1:3]), OUTCOMES[2]]
    # The service tells what its records say, so that beside the signals nothing is seen.
    signals = signals_of(written(tmp_path, calls), ids(), MODEL)
    assert all(own == other for _, own, other in beside_signals(outcomes, signals))
    assert any(own != other for _, own, other in beside_journal(outcomes, JOURNAL))


def test_added_time_leaves_out_what_the_model_server_took() -> None:
    seen, plain, every, own = added_time(OUTCOMES, JOURNAL)
    assert (seen.requests, seen.p50) == (1, 40.0)
    assert (plain.requests, plain.p50) == (1, 30.0)
    assert every.requests == 2
    assert every.p50 == every.p99 == 30.0
    *_, own = added_time([outcome("a" * 32, CALLS[0], elapsed_ms=103.0)], JOURNAL)
    assert own.p50 == 3.0


def test_a_share_of_values() -> None:
    values = [float(each) for each in range(100)]
    assert (share(values, 0.5), share(values, 0.99), share([], 0.5), share([7.0], 0.99)) == (
        50.0,
        99.0,
        0.0,
        7.0,
    )


def test_what_a_call_is_counted_as_can_be_told_as_json() -> None:
    assert json.loads(json.dumps(told(CALLS[1])))["error_code"] == "InternalServerException"
    assert counted([told(CALLS[1])])["ErrorCount"] == 1
