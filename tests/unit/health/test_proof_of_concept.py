"""Every field, metric and log key of the proof of concept's health metrics, as they stand in an EMF line."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import replace

import pytest
from model_calls import HAIKU, HELLO
from peers.bedrock import Fault, client

from kenshin.backends.local.emf import EmfFiles
from kenshin.current import use
from kenshin.health import (
    BedrockClientWrapper,
    BedrockHealthMetrics,
    BreakerPolicy,
    emit_health_metrics,
    own_breakers,
)
from kenshin.runtime import Runtime
from kenshin.settings import Settings

ARN = f"arn:aws:bedrock:ap-northeast-1:123456789012:inference-profile/{HAIKU}"
INTENT = "product_recommendation"
COMMON = [[], ["ModelId"], ["ModelId", "Intent"]]
EMITTED = BedrockHealthMetrics(ARN, INTENT, 812.5, "success", None, 900, 120, 0, "closed")


@pytest.fixture
def told(tmp_path):
    """Every EMF line that a piece of code causes."""
    environment = {"KENSHIN_HOME": str(tmp_path), "KENSHIN_SIGNALS_MODE": "sync"}
    runtime = Runtime(Settings.from_env(environment))

    def lines(code):
        with use(runtime):
            code()
        runtime.close()
        assert isinstance(runtime.recorder.sinks[0], EmfFiles)
        files = sorted((tmp_path / "signals").rglob("*.jsonl*"))
        read = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
        return [line for line in read if line.get("log_type") == "bedrock_health"]

    return lines


def metrics(line):
    """By name: value, unit and dimension sets."""
    found = {}
    for directive in line["_aws"]["CloudWatchMetrics"]:
        assert directive["Namespace"] == "MangaAssist/BedrockHealth"
        for metric in directive["Metrics"]:
            value, unit, sets = found.get(metric["Name"], (line[metric["Name"]], metric["Unit"], []))
            found[metric["Name"]] = (value, unit, [*sets, *directive["Dimensions"]])
    return found


def one(told, **changes):
    [line] = told(lambda: emit_health_metrics(replace(EMITTED, **changes)))
    return line


FIELDS = {
    "model_id": ARN,
    "intent": INTENT,
    "latency_ms": 812.5,
    "status": "success",
    "input_tokens": 900,
    "output_tokens": 120,
    "retry_count": 0,
    "circuit_state": "closed",
}


def test_the_class_takes_its_fields_in_their_order():
    made = BedrockHealthMetrics(ARN, INTENT, 812.5, "error", "Boom", 900, 120, 2, "open")
    assert (made.error_code, made.retry_count, made.circuit_state) == ("Boom", 2, "open")
    least = BedrockHealthMetrics(model_id="m", intent="i", latency_ms=1.0, status="success")
    assert (least.error_code, least.input_tokens, least.retry_count, least.circuit_state) == (
        None,
        0,
        0,
        "closed",
    )


@pytest.mark.parametrize("name", FIELDS)
def test_each_field_is_a_key_of_the_log_line(told, name):
    assert one(told)[name] == FIELDS[name]


def test_the_error_code_is_a_key_where_there_is_one(told):
    assert one(told, status="error", error_code="Boom")["error_code"] == "Boom"


@pytest.mark.parametrize(
    ("name", "value", "unit"),
    [
        ("InvocationLatency", 812.5, "Milliseconds"),
        ("InvocationCount", 1, "Count"),
        ("InputTokens", 900, "Count"),
        ("OutputTokens", 120, "Count"),
        ("SuccessCount", 1, "Count"),
    ],
)
def test_each_metric_with_its_unit_and_dimensions(told, name, value, unit):
    found = metrics(one(told))
    sets = [*COMMON, ["Tier"]] if name == "InvocationCount" else COMMON
    assert found[name][:2] == (value, unit)
    assert [each for each in sets if each != ["Tier"]] == [
        each for each in found[name][2] if each != ["Tier"]
    ]


def test_a_throttled_call(told):
    found = metrics(one(told, status="throttled", error_code="ThrottlingException"))
    assert found["ThrottleCount"] == (1, "Count", COMMON)
    assert not {"SuccessCount", "ErrorCount"} & set(found)


@pytest.mark.parametrize("status", ["error", "timeout"])
@pytest.mark.parametrize(("code", "dimension"), [("Boom", "Boom"), (None, "Unknown")])
def test_an_error_counts_on_the_common_dimensions_and_by_its_code(told, status, code, dimension):
    line = one(told, status=status, error_code=code)
    value, unit, sets = metrics(line)["ErrorCount"]
    assert (value, unit) == (1, "Count")
    assert sorted(sets) == sorted([*COMMON, ["ModelId", "ErrorCode"]])
    assert line["ErrorCode"] == dimension


def test_retries_only_where_there_were_any(told):
    assert metrics(one(told, retry_count=2))["RetryCount"] == (2, "Count", COMMON)


def test_no_retry_is_no_metric(told):
    assert "RetryCount" not in metrics(one(told))


@pytest.mark.parametrize(("state", "code"), [("closed", 0), ("half_open", 1), ("open", 2)])
def test_the_breaker_is_a_number_by_model(told, state, code):
    value, unit, sets = metrics(one(told, circuit_state=state))["CircuitBreakerState"]
    assert (value, unit) == (code, "None")
    assert ["ModelId"] in sets
    assert not any("Intent" in each for each in sets)


def test_a_model_is_the_last_segment_of_its_arn(told):
    line = one(told)
    assert (line["ModelId"], line["Intent"]) == (HAIKU, INTENT)


def test_real_calls_say_the_same(told, bedrock):
    bedrock.set_faults([Fault("error", code="InternalServerException", times=2)])

    def call():
        wrapper = BedrockClientWrapper(
            client(bedrock.url, retries=1),
            intent=INTENT,
            breakers=own_breakers(BreakerPolicy(minimum_calls=1, failure_rate=1.0, jitter=0.0, open_s=0.01)),
        )
        for _ in range(2):
            with suppress(Exception):
                wrapper.converse(modelId=HAIKU, messages=HELLO)
            time.sleep(0.02)

    failed, answered = told(call)
    assert (failed["status"], failed["error_code"], failed["retry_count"]) == (
        "error",
        "InternalServerException",
        1,
    )
    assert metrics(failed)["CircuitBreakerState"][0] == 2
    assert metrics(failed)["RetryCount"][0] == 1
    assert (answered["status"], answered["circuit_state"]) == ("success", "half_open")
    assert metrics(answered)["InputTokens"][0] == bedrock.log[-1].input_tokens
    assert answered["Tier"]
    assert "content" not in answered
