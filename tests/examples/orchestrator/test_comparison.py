"""The comparison sees what differs: it is shown signals that are right, and signals that are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kenshin.backends.local.emf import EmfFiles
from kenshin.runtime import utc_now
from kenshin.signals.budgets import BudgetChecked
from kenshin.signals.calls import BedrockHealthMetrics
from kenshin.signals.emf import EmfRenderer
from kenshin.signals.guard import DimensionGuard
from kenshin.signals.traces import PromptTraced
from orchestrator.calls import told
from orchestrator.comparison import added_time, beside_journal, beside_signals, own_time, signals_of
from orchestrator.outcomes import Outcome, counted, share

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


def written(folder: Path, calls: list[BedrockHealthMetrics], traces: str = "abc") -> Path:
    files = EmfFiles(folder, EmfRenderer("MangaAssist", DimensionGuard(100)))
    assert files.write(calls) == 0
    made = [PromptTraced(utc_now(), each * 32, "s", "limits", "t", "1", 1.0) for each in traces]
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


def test_a_lost_trace_and_a_strangers_line_are_seen(tmp_path: Path) -> None:
    signals = signals_of(written(tmp_path, [*CALLS, call("d" * 32)], traces="ab"), ids(), MODEL)
    assert signals.traces == signals.checks == 2
    assert signals.foreign == 1


def entry(request_id: str, invocation: str, **more: Any) -> dict[str, Any]:
    made = {
        "request_id": request_id,
        "invocation_id": invocation,
        "status": 200,
        "complete": True,
        "code": None,
    }
    return {**made, "input_tokens": 10, "output_tokens": 3, "elapsed_ms": 90.0, **more}


JOURNAL = [
    entry("r-" + "a" * 32, "i-1"),
    entry("r-first", "i-2", status=500, code="InternalServerException", **NOTHING, elapsed_ms=1.0),
    entry("r-" + "b" * 32, "i-2", status=500, code="InternalServerException", **NOTHING, elapsed_ms=2.0),
    entry("r-c", "i-3"),
    entry("r-" + "c" * 32, "i-4", status=429, code="ThrottlingException", **NOTHING),
]  # fmt: skip


def test_the_journal_says_the_same_of_tries_answers_and_tokens() -> None:
    rows = beside_journal(OUTCOMES, JOURNAL)
    assert all(own == other for _, own, other in rows)
    assert {name: own for name, own, _ in rows} == {
        "tries": 5,
        "whole answers": 2,
        "input tokens": 20,
        "output tokens": 6,
        "throttled at the end": 1,
    }
    assert any(own != other for _, own, other in beside_journal(OUTCOMES, JOURNAL[1:]))


def test_added_time_leaves_out_what_the_model_server_took() -> None:
    plain, every = added_time(OUTCOMES, JOURNAL)
    assert (plain.requests, plain.p50) == (1, 30.0)
    assert every.requests == 2
    assert every.p50 == every.p99 == 30.0
    own = own_time([outcome("a" * 32, CALLS[0], elapsed_ms=103.0)])
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
