from __future__ import annotations

import pytest
from model_calls import BODY, FAULTS, HAIKU, HELLO, OPERATIONS, STREAMS, FakeClient, called, patience_s
from peers.bedrock import Fault, client

from kenshin.errors import CircuitOpen, InvalidInput
from kenshin.health.instrumentation import Instrument, instrumented
from kenshin.health.surroundings import CallOptions

WHEN = ("at", "latency_ms", "first_token_ms", "request_id")


def figures(record):
    return {name: getattr(record, name) for name in record.__dataclass_fields__ if name not in WHEN}


@pytest.fixture
def instrument(ward):
    def make(asking, **more):
        return Instrument(asking, ward.around, CallOptions(intent="greeting"), **more)

    return make


@pytest.mark.parametrize("operation", OPERATIONS)
def test_it_records_what_the_wrapper_records(ward, bedrock, bedrock_client, instrument, operation):
    with instrument(bedrock_client):
        called(bedrock_client, operation)
    called(ward.wrapped(bedrock_client, intent="greeting"), operation)
    by_events, by_wrapper = ward.records
    assert figures(by_events) == figures(by_wrapper)
    assert by_events.request_id == bedrock.log[0].request_id
    assert (by_events.first_token_ms is not None) == (operation in STREAMS)


@pytest.mark.parametrize(("fault", "status", "code", "outcome"), FAULTS, ids=lambda value: str(value)[:40])
def test_it_records_faults_as_the_wrapper_does(ward, bedrock, instrument, fault, status, code, outcome):
    bedrock.set_faults([fault])
    asking = client(bedrock.url, read_timeout_s=patience_s(fault), retries=1)
    with instrument(asking), pytest.raises(Exception):  # noqa: B017, PT011 - of ten kinds
        asking.converse(modelId=HAIKU, messages=HELLO)
    with pytest.raises(Exception):  # noqa: B017, PT011 - of ten kinds
        ward.wrapped(asking, intent="greeting").converse(modelId=HAIKU, messages=HELLO)
    by_events, by_wrapper = ward.records
    assert figures(by_events) == figures(by_wrapper)
    assert (by_events.status, by_events.error_code) == (status, code)
    assert by_events.retry_count == len(bedrock.log) / 2 - 1
    assert ward.breakers.of(HAIKU, "ap-northeast-1").counts == {outcome: 2}


@pytest.mark.parametrize("operation", STREAMS)
def test_a_broken_stream_is_seen(ward, bedrock, bedrock_client, instrument, operation):
    bedrock.set_faults([Fault("broken_stream")])
    with instrument(bedrock_client), pytest.raises(Exception):  # noqa: B017, PT011 - urllib3's
        called(bedrock_client, operation)
    assert (ward.record.status, ward.record.error_code) == ("error", "ProtocolError")


def test_a_wrappers_call_is_recorded_once(ward, bedrock_client, instrument):
    with instrument(bedrock_client):
        for operation in OPERATIONS:
            called(ward.wrapped(bedrock_client), operation)
    assert [each.operation for each in ward.records] == list(OPERATIONS)


def test_undone_it_is_gone(ward, bedrock_client, instrument):
    instrument(bedrock_client).undo()
    called(bedrock_client, "converse")
    assert ward.records == []


def test_a_client_has_one_instrument_at_a_time(ward, bedrock_client, instrument):
    made = instrumented(bedrock_client, lambda: instrument(bedrock_client))
    assert instrumented(bedrock_client, lambda: instrument(bedrock_client)) is made
    called(bedrock_client, "converse")
    assert len(ward.records) == 1
    made.undo()
    assert instrumented(bedrock_client, lambda: instrument(bedrock_client)) is not made


def test_it_watches_an_open_breaker_or_lets_it_refuse(ward, bedrock, bedrock_client, instrument):
    ward.breakers.of(HAIKU, "ap-northeast-1").override("open")
    with instrument(bedrock_client):
        called(bedrock_client, "converse")
    with instrument(bedrock_client, refuses=True), pytest.raises(CircuitOpen):
        called(bedrock_client, "converse")
    assert [each.error_code for each in ward.records] == [None, "CircuitOpen"]
    assert len(bedrock.log) == 1


def test_a_request_that_never_leaves_is_no_call(ward, bedrock_client, instrument):
    with instrument(bedrock_client), pytest.raises(Exception, match="Parameter validation"):
        bedrock_client.converse(modelId=HAIKU, messages="none")
    assert ward.records == []
    assert ward.breakers.of(HAIKU, "ap-northeast-1").counts == {}


def test_other_operations_are_none_of_its_business(ward, bedrock_client, instrument):
    with instrument(bedrock_client):
        bedrock_client.apply_guardrail(
            guardrailIdentifier="g1", guardrailVersion="1", source="INPUT", content=[{"text": {"text": "x"}}]
        )
    assert ward.records == []


def test_the_body_is_handed_on(bedrock_client, instrument):
    with instrument(bedrock_client):
        assert b"usage" in bedrock_client.invoke_model(modelId=HAIKU, body=BODY)["body"].read()


def test_only_a_client_of_boto3_has_events(instrument):
    with pytest.raises(InvalidInput, match="FakeClient"):
        instrument(FakeClient())
