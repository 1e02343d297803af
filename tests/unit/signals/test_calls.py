from __future__ import annotations

import pytest

from kenshin.signals.bedrock import model_name
from kenshin.signals.calls import CIRCUIT_CODES
from kenshin.signals.guard import DimensionGuard
from kenshin.signals.points import points_of

SEED_FIELDS = {
    "model_id": "m",
    "intent": "i",
    "latency_ms": 1.5,
    "status": "error",
    "error_code": "X",
    "input_tokens": 1,
    "output_tokens": 2,
    "retry_count": 3,
    "circuit_state": "half_open",
}


def points(record) -> dict[str, float]:
    return {name: values[0] for _, name, values in points_of(record, DimensionGuard())}


def test_the_log_line_has_every_field_of_the_proof_of_concept(call_record):
    line = call_record(**SEED_FIELDS).log_fields()
    assert {name: line[name] for name in SEED_FIELDS} == SEED_FIELDS
    assert line["log_type"] == "bedrock_health"


@pytest.mark.parametrize(
    ("status", "counted"),
    [
        ("success", {"SuccessCount"}),
        ("throttled", {"ThrottleCount"}),
        ("error", {"ErrorCount"}),
        ("timeout", {"ErrorCount", "TimeoutCount"}),
    ],
)
def test_a_call_counts_once_and_once_under_its_status(call_record, status, counted):
    found = points(call_record(status=status))
    assert found["InvocationCount"] == 1
    outcomes = {"SuccessCount", "ThrottleCount", "ErrorCount", "TimeoutCount"}
    assert outcomes & set(found) == counted


def test_a_call_that_was_never_sent_counts_and_has_no_latency(call_record):
    found = points(call_record(status="error", error_code="CircuitOpen", latency_ms=0.02))
    assert (found["InvocationCount"], found["ErrorCount"]) == (1, 1)
    assert "InvocationLatency" not in found
    assert points(call_record(status="error", error_code="X", latency_ms=0.02))["InvocationLatency"] == 0.02


def test_retries_are_told_only_where_there_were_any(call_record):
    assert "RetryCount" not in points(call_record())
    assert points(call_record(retry_count=2))["RetryCount"] == 2


@pytest.mark.parametrize(("state", "code"), [("closed", 0), ("half_open", 1), ("open", 2)])
def test_the_breaker_is_a_number(call_record, state, code):
    assert CIRCUIT_CODES[state] == points(call_record(circuit_state=state))["CircuitBreakerState"] == code


def test_a_model_is_the_last_segment_of_its_arn():
    assert model_name("arn:aws:bedrock:x:1:inference-profile/apac.claude") == "apac.claude"
    assert model_name("anthropic.claude-v2:0") == "anthropic.claude-v2:0"


def test_an_overflow_is_told_by_the_reason_for_stopping(call_record):
    assert points(call_record(stop_reason="model_context_window_exceeded"))["ContextOverflowCount"] == 1
    assert "ContextOverflowCount" not in points(call_record(stop_reason="end_turn"))
