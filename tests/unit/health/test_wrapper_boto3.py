"""The wrapper around a real boto3 client, against the stand-in: each operation, and each fault of it."""

from __future__ import annotations

import json
from collections import Counter
from threading import Thread

import pytest
from botocore.response import StreamingBody
from model_calls import BODY, FAULTS, HAIKU, HELLO, OPERATIONS, SONNET, STREAMS, called, patience_s
from peers.bedrock import Fault, Pace, client

from kenshin.errors import CircuitOpen


@pytest.fixture
def wrapper(ward, bedrock_client):
    return ward.wrapped(bedrock_client)


def same(answer, other):
    """Whether two answers agree in all that does not depend on the moment."""
    hide = ("ResponseMetadata", "metrics", "body", "id")
    if isinstance(answer, dict):
        return {key: value for key, value in answer.items() if key not in hide} == {
            key: value for key, value in other.items() if key not in hide
        }
    return [next(iter(event)) for event in answer] == [next(iter(event)) for event in other]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_answers_what_boto3_answers_and_is_recorded(
    ward, wrapper, bedrock, bedrock_client, operation
):
    answer = called(wrapper, operation)
    [entry] = bedrock.log
    record = ward.record
    assert (record.operation, record.status, record.retry_count) == (operation, "success", 0)
    assert (record.model_id, record.region, record.request_id) == (HAIKU, "ap-northeast-1", entry.request_id)
    if operation != "count_tokens":
        assert (record.input_tokens, record.output_tokens) == (entry.input_tokens, entry.output_tokens)
        assert record.stop_reason == "end_turn"
        assert record.input_tokens > 0
    assert (record.first_token_ms is not None) == (operation in STREAMS)
    assert same(answer, called(bedrock_client, operation))


def test_the_body_of_invoke_model_is_handed_on(ward, wrapper, bedrock_client):
    body = wrapper.invoke_model(modelId=HAIKU, body=BODY)["body"]
    assert isinstance(body, StreamingBody)
    answer, plain = json.load(body), json.load(bedrock_client.invoke_model(modelId=HAIKU, body=BODY)["body"])
    assert answer["content"] == plain["content"]
    assert ward.record.input_tokens == answer["usage"]["input_tokens"]


def test_embeddings_count_what_their_headers_say(ward, wrapper, bedrock):
    titan = "amazon.titan-embed-text-v2:0"
    body = wrapper.invoke_model(modelId=titan, body=json.dumps({"inputText": "three little words"}))["body"]
    assert len(json.load(body)["embedding"]) == 1024
    assert ward.record.input_tokens == bedrock.log[0].input_tokens > 0


def test_cached_tokens_are_told_apart(ward, wrapper, bedrock):
    system = [{"text": "All that there is to know. " * 400}, {"cachePoint": {"type": "default"}}]
    for _ in range(2):
        wrapper.converse(modelId=HAIKU, system=system, messages=HELLO)
    written, read = ward.records
    assert written.cache_write_tokens == bedrock.log[0].cache_write_tokens > 1000
    assert read.cache_read_tokens == bedrock.log[1].cache_read_tokens == written.cache_write_tokens


@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
def test_a_guardrail_that_intervenes_is_seen(ward, wrapper, operation):
    messages = [{"role": "user", "content": [{"text": "say the forbidden-word"}]}]
    config = {"guardrailIdentifier": "g1", "guardrailVersion": "1", "trace": "enabled"}
    answer = getattr(wrapper, operation)(modelId=HAIKU, messages=messages, guardrailConfig=config)
    if operation == "converse_stream":
        list(answer["stream"])
    assert ward.record.guardrail_intervened
    assert (ward.record.status, ward.record.interventions) == ("success", 1)


@pytest.mark.parametrize(("fault", "status", "code", "outcome"), FAULTS, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("operation", ["converse", "converse_stream", "invoke_model"])
def test_each_fault_is_recorded_as_what_it_is(ward, bedrock, operation, fault, status, code, outcome):
    bedrock.set_faults([fault])
    with pytest.raises(Exception) as raised:  # noqa: PT011 - of ten kinds
        called(ward.wrapped(client(bedrock.url, read_timeout_s=patience_s(fault))), operation)
    record = ward.record
    assert (record.status, record.error_code, record.error_class) == (
        status,
        code,
        type(raised.value).__name__,
    )
    assert ward.breakers.of(HAIKU, "ap-northeast-1").counts == {outcome: 1}


@pytest.mark.parametrize("operation", STREAMS)
@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault("stream_error", code="ModelStreamErrorException"), "error", "ModelStreamErrorException"),
        (Fault("stream_error", code="ThrottlingException"), "throttled", "ThrottlingException"),
        (Fault("broken_stream"), "error", "ProtocolError"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_stream_that_breaks_is_recorded_as_what_it_is(
    ward, wrapper, bedrock, operation, fault, status, code
):
    bedrock.set_faults([fault])
    with pytest.raises(Exception) as raised:  # noqa: PT011 - botocore's, and urllib3's
        called(wrapper, operation)
    record = ward.record
    assert (record.status, record.error_code) == (status, code)
    assert record.error_class == type(raised.value).__name__
    assert not record.cancelled


def test_a_stream_that_is_slow_to_go_on_times_out(ward, bedrock, wrapper):
    bedrock.pace = Pace(token_s=5.0)
    asking = ward.wrapped(client(bedrock.url, read_timeout_s=1.0))
    with pytest.raises(Exception, match=r"[Tt]imed out"):
        called(asking, "converse_stream")
    assert (ward.record.status, ward.record.error_code) == ("timeout", "ReadTimeoutError")


def test_it_opens_falls_back_and_recovers(ward, bedrock):
    bedrock.set_faults([Fault("error", code="ServiceUnavailableException", model="*sonnet*")])
    asking = ward.wrapped(client(bedrock.url), fallbacks=[HAIKU], fallback_on_fault=True)

    def answered_by():
        answer = asking.converse(modelId=SONNET, messages=HELLO)
        return answer["ResponseMetadata"]["KenshinModelId"]

    assert {answered_by() for _ in range(6)} == {HAIKU}
    asked = [entry.model_id for entry in bedrock.log]
    assert asked.count(SONNET) == 4, "then it was open"
    assert asked.count(HAIKU) == 6
    bedrock.set_faults([])
    ward.clock.pass_(15)
    assert [answered_by() for _ in range(3)] == [SONNET] * 3
    assert [each.after for each in ward.changes] == ["open", "half_open", "closed"]
    assert len(ward.records) == len(bedrock.log)
    ward.breakers.of(SONNET, "ap-northeast-1").override("open")
    with pytest.raises(CircuitOpen):
        asking.with_options(fallbacks=[]).converse(modelId=SONNET, messages=HELLO)


def test_under_load_with_everything_going_wrong_each_try_is_told_once(ward, bedrock):
    bedrock.set_faults(
        [
            Fault("error", code="ThrottlingException", rate=0.1),
            Fault("error", code="InternalServerException", rate=0.1),
            Fault("hang", rate=0.03, delay_s=3),
            Fault("reset", rate=0.05),
            Fault("broken_stream", rate=0.1),
            Fault("stream_error", code="ModelStreamErrorException", rate=0.1),
        ],
        seed=7,
    )
    asking = ward.wrapped(client(bedrock.url, read_timeout_s=1.5), fallbacks=[HAIKU], fallback_on_fault=True)
    outcomes: Counter[str] = Counter()

    def caller(number):
        for turn in range(20):
            ward.clock.pass_(1)
            operation = "converse_stream" if (number + turn) % 2 else "converse"
            try:
                called(asking, operation, SONNET)
            except Exception as error:
                outcomes[type(error).__name__] += 1
            else:
                outcomes["answered"] += 1

    threads = [Thread(target=caller, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [record for record in ward.records if record.error_code != "CircuitOpen"]
    assert len(told) == len(bedrock.log)
    assert sum(outcomes.values()) == 120
    assert outcomes["CircuitOpen"] == len(ward.records) - len(told)
    assert outcomes["answered"] == sum(record.status == "success" for record in told)

    answered = {entry.request_id: entry for entry in bedrock.log if entry.fault in {None, "slow"}}
    for record in told:
        if record.status == "success":
            entry = answered.pop(record.request_id)
            assert (record.model_id, record.output_tokens) == (entry.model_id, entry.output_tokens)
    assert not answered
    struck = Counter(entry.fault.partition(":")[0] for entry in bedrock.log if entry.fault)
    assert set(struck) == {"error", "hang", "reset", "broken_stream", "stream_error"}
    assert sum(record.status == "throttled" for record in told) == sum(
        entry.fault == "error:ThrottlingException" for entry in bedrock.log
    )
    assert sum(record.status == "timeout" for record in told) == struck["hang"]
    assert sum(counts for counts in struck.values()) == sum(record.status != "success" for record in told)
    breakers = [ward.breakers.of(model, "ap-northeast-1").counts for model in (SONNET, HAIKU)]
    ended = sum(
        sum(each.get(name, 0) for name in ("success", "fault", "throttled", "ignored")) for each in breakers
    )
    assert ended == len(told)


def test_a_stream_that_fails_before_its_first_event_falls_back(ward, bedrock):
    bedrock.set_faults([Fault("stream_error", code="ThrottlingException", model="*sonnet*", after_events=0)])
    asking = ward.wrapped(client(bedrock.url), fallbacks=[HAIKU])
    answer = asking.converse_stream(modelId=SONNET, messages=HELLO)
    assert {"messageStop", "metadata"} <= {next(iter(event)) for event in answer["stream"]}
    assert answer["ResponseMetadata"]["KenshinModelId"] == HAIKU
    assert answer["ResponseMetadata"]["RequestId"] == bedrock.log[1].request_id
    assert [each.status for each in ward.records] == ["throttled", "success"]
