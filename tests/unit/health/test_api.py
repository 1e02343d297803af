from __future__ import annotations

import asyncio
import json
import os
import time
from datetime import UTC, datetime

import pytest
from model_calls import CONVERSED, HAIKU, HELLO, SONNET, FakeClient, ServiceError, conversed

import kenshin
from kenshin import health
from kenshin.current import use
from kenshin.errors import CircuitOpen, InvalidPolicy
from kenshin.health import (
    AsyncBedrockClientWrapper,
    BedrockClientWrapper,
    BedrockHealthMetrics,
    BreakerPolicy,
    Breakers,
    QuotaPolicy,
    api,
    emit_health_metrics,
    instrument,
    own_breakers,
)
from kenshin.runtime import Runtime
from kenshin.settings import Settings

AT = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)


def made(tmp_path, **settings):
    environment = {
        "KENSHIN_HOME": str(tmp_path),
        "KENSHIN_SIGNALS": "memory:",
        "KENSHIN_SIGNALS_MODE": "sync",
    }
    return Runtime(Settings.from_env({**environment, **settings}), clock=lambda: AT)


@pytest.fixture
def runtime(tmp_path):
    runtime = made(tmp_path)
    with use(runtime):
        yield runtime
    runtime.close()


def records(runtime):
    return runtime.recorder.sinks[0].records


def test_a_call_is_recorded_in_the_runtime_with_its_tier(runtime):
    BedrockClientWrapper(FakeClient([conversed()]), intent="greeting").converse(modelId=SONNET)
    [record] = records(runtime)
    assert isinstance(record, BedrockHealthMetrics)
    assert (record.model_id, record.intent, record.at) == (SONNET, "greeting", AT)
    assert record.tier == runtime.models.find(SONNET).tier is not None


def test_the_runtime_in_force_counts_not_the_one_at_the_beginning(runtime, tmp_path):
    wrapper = BedrockClientWrapper(FakeClient([conversed()]))
    wrapper.converse(modelId=HAIKU)
    other = made(tmp_path / "other")
    with use(other):
        wrapper.converse(modelId=HAIKU)
        assert len(records(other)) == 1
        assert [each.name for each in other.breakers.known()] == [HAIKU]
    wrapper.converse(modelId=HAIKU)
    assert len(records(runtime)) == 2
    other.close()


def test_texts_leave_only_where_the_runtime_captures_them(runtime, tmp_path):
    wrapper = BedrockClientWrapper(FakeClient([conversed()]))
    wrapper.converse(modelId=HAIKU, messages=HELLO)
    assert records(runtime)[0].content is None
    capturing = made(tmp_path / "other", KENSHIN_CAPTURE_CONTENT="yes")
    with use(capturing):
        wrapper.converse(modelId=HAIKU, messages=HELLO)
    assert records(capturing)[0].content == {"prompt": "hello there", "response": "Good day."}
    capturing.close()


def test_everything_can_be_given(runtime):
    kept, heard = [], []
    wrapper = BedrockClientWrapper(
        FakeClient([conversed()]),
        breakers=own_breakers(
            BreakerPolicy(minimum_calls=1), by_model={HAIKU: BreakerPolicy(minimum_calls=2)}
        ),
        quotas={HAIKU: QuotaPolicy(10, 1000)},
        record=kept.append,
        tier=lambda model: "mine",
        listeners=[lambda record, prompt: heard.append(record)],
        capture=True,
        clock=lambda: datetime(2027, 1, 1, tzinfo=UTC),
        deadline=5,
    )
    wrapper.converse(modelId=HAIKU, messages=HELLO)
    [record] = kept
    assert (record.tier, record.request_headroom_pct, record.at.year) == ("mine", 90.0, 2027)
    assert record.content is not None
    assert heard == kept
    assert records(runtime) == []
    assert runtime.breakers.known() == []
    with pytest.raises(InvalidPolicy, match="deadline"):
        BedrockClientWrapper(FakeClient(), deadline=0)
    with pytest.raises(InvalidPolicy, match=r"1000.: is no quota"):
        BedrockClientWrapper(FakeClient(), quotas={HAIKU: 1000})


def test_the_runtimes_listeners_hear_of_calls(runtime, monkeypatch):
    heard = []
    monkeypatch.setattr(Runtime, "call_listeners", (lambda *told: heard.append(told),))
    BedrockClientWrapper(FakeClient([conversed()])).converse(modelId=HAIKU)
    assert [(record.model_id, prompt) for record, prompt in heard] == [(HAIKU, None)]


def test_reported_usage_teaches_the_token_estimates(runtime):
    checked = kenshin.check_budget(user_message="hello there " * 50, model_id=HAIKU)
    wrapper = BedrockClientWrapper(FakeClient([conversed(usage={"inputTokens": 150, "outputTokens": 4})]))
    for _ in range(2):
        wrapper.converse(modelId=HAIKU, messages=HELLO)
    observed = [each for each in records(runtime) if each.record_type == "usage_observed"]
    assert [each.actual_tokens for each in observed] == [150], (
        "the second call had no prompt that was checked"
    )
    assert observed[0].estimated_tokens > 0
    assert checked.status == "normal"
    name = runtime.models.find(HAIKU).name
    assert runtime.token_calibration.correction(name, "latin").calls == 1


def test_the_async_twin(runtime, bedrock_client):
    async def go():
        return await AsyncBedrockClientWrapper(bedrock_client, intent="x").converse(
            modelId=HAIKU, messages=HELLO
        )

    assert asyncio.run(go())["stopReason"] == CONVERSED["stopReason"]
    assert [(each.operation, each.intent) for each in records(runtime)] == [("converse", "x")]


def test_instrument_once_and_undo(runtime, bedrock_client):
    made_once = instrument(bedrock_client, intent="x")
    assert instrument(bedrock_client) is made_once
    bedrock_client.converse(modelId=HAIKU, messages=HELLO)
    with made_once:
        bedrock_client.converse(modelId=HAIKU, messages=HELLO)
    bedrock_client.converse(modelId=HAIKU, messages=HELLO)
    assert [each.intent for each in records(runtime)] == ["x", "x"]


def test_health_metrics_alone_get_the_present_instant(runtime):
    emit_health_metrics(BedrockHealthMetrics("m", "greeting", 12.5, "error", "Boom", 1, 2, 3, "half_open"))
    emit_health_metrics(BedrockHealthMetrics("m", "greeting", 12.5, "success", at=AT.replace(year=2025)))
    first, second = records(runtime)
    assert (first.error_code, first.retry_count, first.circuit_state, first.at) == (
        "Boom",
        3,
        "half_open",
        AT,
    )
    assert second.at.year == 2025


def test_health_metrics_never_raise(runtime, caplog):
    emit_health_metrics({"model_id": "m"})
    assert "could not be recorded" in caplog.text


def test_an_override_reaches_a_running_wrapper(runtime):
    client = FakeClient([conversed()])
    breakers = Breakers(documents=lambda: runtime.documents, interval_s=0.02)
    wrapper = BedrockClientWrapper(client, breakers=breakers)
    wrapper.converse(modelId=HAIKU)
    api.override_breaker(f"arn:x/{HAIKU}", "open", by="vera")
    assert [each.as_dict() for each in api.breaker_overrides()] == [
        {"model": HAIKU, "mode": "open", "region": None, "by": "vera", "at": "2026-11-26T09:00:00+00:00"}
    ]

    def called_again_and_again():
        end = time.monotonic() + 20
        while time.monotonic() < end:
            wrapper.converse(modelId=HAIKU)
            time.sleep(0.01)

    with pytest.raises(CircuitOpen):
        called_again_and_again()
    other = own_breakers()
    assert other.refresh()
    assert other.of(HAIKU).overridden == "open"
    for each in (breakers, other):
        each.close()
    assert api.clear_breaker(HAIKU)
    assert api.breaker_overrides() == []


def test_every_public_name_is_there():
    for name in health.__all__:
        assert getattr(health, name) is not None
    for name in (
        "BedrockClientWrapper",
        "emit_health_metrics",
        "CircuitBreaker",
        "CircuitOpen",
        "instrument",
    ):
        assert getattr(kenshin, name) is getattr(health, name)
    assert set(health.__all__) <= set(dir(health))
    with pytest.raises(AttributeError):
        _ = health.nothing_of_this_name


def test_a_forked_worker_records_its_own_calls_and_no_others(tmp_path):
    settings = {
        "KENSHIN_HOME": str(tmp_path),
        "KENSHIN_SIGNALS": f"emf://{tmp_path}/signals",
        "KENSHIN_SIGNALS_MODE": "background",
    }
    with use(Runtime(Settings.from_env(settings))) as parent:
        wrapper = BedrockClientWrapper(
            FakeClient([ServiceError("InternalServerException", 500), conversed()])
        )
        with pytest.raises(ServiceError):
            wrapper.converse(modelId=HAIKU)
        child = os.fork()
        if not child:
            done = 1
            try:
                with use(Runtime(Settings.from_env(settings))) as own:
                    for _ in range(5):
                        wrapper.converse(modelId=SONNET)
                    own.close()
                done = 0
            finally:
                os._exit(done)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        wrapper._around()
        parent.close()
    lines = [
        json.loads(line) for file in tmp_path.rglob("*.jsonl*") for line in file.read_text().splitlines()
    ]
    told = [(line["model_id"], line["status"]) for line in lines if line.get("log_type") == "bedrock_health"]
    assert sorted(told) == [(SONNET, "success")] * 5 + [(HAIKU, "error")]


def test_a_forked_worker_counts_its_own_calls_against_the_quota(tmp_path):
    settings = Settings.from_env({"KENSHIN_HOME": str(tmp_path), "KENSHIN_SIGNALS": "memory:"})
    kept = []
    wrapper = BedrockClientWrapper(
        FakeClient([conversed()]), quotas={HAIKU: QuotaPolicy(10)}, record=kept.append
    )
    with use(Runtime(settings)) as parent:
        wrapper.converse(modelId=HAIKU, messages=HELLO)
        child = os.fork()
        if not child:
            done = 1
            try:
                with use(Runtime(settings)):
                    wrapper.converse(modelId=HAIKU, messages=HELLO)
                done = int([each.request_headroom_pct for each in kept] != [90.0, 90.0])
            finally:
                os._exit(done)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        wrapper.converse(modelId=HAIKU, messages=HELLO)
        parent.close()
    assert [each.request_headroom_pct for each in kept] == [90.0, 80.0]
