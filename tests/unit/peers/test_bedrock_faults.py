"""What botocore makes of each fault, and that the journal tells the same story."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EventStreamError,
    ReadTimeoutError,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from peers.bedrock import BedrockPeer, Fault, FaultPlan, client
from urllib3.exceptions import ProtocolError

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
SONNET = "anthropic.claude-3-5-sonnet-20241022-v2:0"
HELLO = [{"role": "user", "content": [{"text": "hello there"}]}]


def converse(asking: Any, model: str = HAIKU) -> dict[str, Any]:
    answer: dict[str, Any] = asking.converse(modelId=model, messages=HELLO)
    return answer


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 429),
        ("ServiceUnavailableException", 503),
        ("InternalServerException", 500),
        ("ModelTimeoutException", 408),
        ("ModelNotReadyException", 429),
        ("ModelErrorException", 424),
        ("ValidationException", 400),
        ("AccessDeniedException", 403),
        ("ResourceNotFoundException", 404),
    ],
)
@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
def test_an_error_becomes_the_clients_exception(
    bedrock: BedrockPeer, bedrock_client: Any, code: str, status: int, operation: str
) -> None:
    bedrock.set_faults([Fault("error", code=code)])
    with pytest.raises(getattr(bedrock_client.exceptions, code)) as caught:
        getattr(bedrock_client, operation)(modelId=HAIKU, messages=HELLO)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    [entry] = bedrock.log
    assert (entry.fault, entry.status, entry.code) == (f"error:{code}", status, code)
    assert entry.request_id == caught.value.response["ResponseMetadata"]["RequestId"]


@pytest.mark.parametrize(
    ("code", "retried"),
    [
        ("ThrottlingException", True),
        ("ServiceUnavailableException", True),
        ("InternalServerException", True),
        ("ModelNotReadyException", True),
        ("ModelTimeoutException", False),
        ("ValidationException", False),
        ("AccessDeniedException", False),
    ],
)
def test_botocore_tries_again_where_it_may_help(bedrock: BedrockPeer, code: str, retried: bool) -> None:
    bedrock.set_faults([Fault("error", code=code, times=1)])
    asking = client(bedrock.url, retries=2)
    if retried:
        assert converse(asking)["ResponseMetadata"]["RetryAttempts"] == 1
        first, second = bedrock.log
        assert first.invocation_id == second.invocation_id
        assert (first.attempt, second.attempt) == (1, 2)
        assert (first.status, second.status) == (bedrock.service.errors[code], 200)
    else:
        with pytest.raises(ClientError):
            converse(asking)
        assert len(bedrock.log) == 1


def test_retries_end_where_they_were_told_to(bedrock: BedrockPeer) -> None:
    bedrock.set_faults([Fault("error", code="ThrottlingException")])
    asking = client(bedrock.url, retries=1)
    with pytest.raises(asking.exceptions.ThrottlingException) as caught:
        converse(asking)
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 1
    assert len(bedrock.log) == 2


def test_a_reset_connection_is_seen_and_tried_again(bedrock: BedrockPeer, bedrock_client: Any) -> None:
    bedrock.set_faults([Fault("reset", times=2)])
    with pytest.raises(ConnectionClosedError):
        converse(bedrock_client)
    assert converse(client(bedrock.url, retries=1))["ResponseMetadata"]["RetryAttempts"] == 1
    assert [(entry.fault, entry.status) for entry in bedrock.log] == [
        ("reset", None),
        ("reset", None),
        (None, 200),
    ]


def test_a_hang_outlasts_the_clients_patience(bedrock: BedrockPeer) -> None:
    bedrock.set_faults([Fault("hang", times=1)])
    asking = client(bedrock.url, read_timeout_s=0.2)
    with pytest.raises(ReadTimeoutError):
        converse(asking)
    assert bedrock.log[0].status is None
    assert converse(asking)["stopReason"] == "end_turn"


def test_a_slow_answer_is_an_answer(bedrock: BedrockPeer, bedrock_client: Any) -> None:
    bedrock.set_faults([Fault("slow", delay_s=0.15)])
    answer = converse(bedrock_client)
    assert answer["metrics"]["latencyMs"] >= 150
    assert bedrock.log[0].elapsed_ms >= 150
    assert (bedrock.log[0].fault, bedrock.log[0].status) == ("slow", 200)


@pytest.mark.parametrize("after", [0, 1, 3, 99])
def test_a_broken_stream_ends_in_the_middle_of_a_frame(
    bedrock: BedrockPeer, bedrock_client: Any, after: int
) -> None:
    whole = list(bedrock_client.converse_stream(modelId=HAIKU, messages=HELLO)["stream"])
    bedrock.set_faults([Fault("broken_stream", after_events=after)])
    events: list[Any] = []
    stream = bedrock_client.converse_stream(modelId=HAIKU, messages=HELLO)["stream"]
    with pytest.raises(ProtocolError, match="IncompleteRead"):
        events.extend(stream)
    assert [next(iter(event)) for event in events] == [next(iter(event)) for event in whole[:after]]
    entry = bedrock.log[1]
    assert (entry.fault, entry.status, entry.complete) == ("broken_stream", 200, False)
    assert entry.input_tokens == 0


@pytest.mark.parametrize(
    "code",
    [
        "ModelStreamErrorException",
        "ThrottlingException",
        "InternalServerException",
        "ServiceUnavailableException",
        "ValidationException",
    ],
)
def test_a_stream_can_end_with_an_exception(bedrock: BedrockPeer, bedrock_client: Any, code: str) -> None:
    bedrock.set_faults([Fault("stream_error", code=code, after_events=2)])
    events: list[Any] = []
    stream = bedrock_client.converse_stream(modelId=HAIKU, messages=HELLO)["stream"]
    with pytest.raises(EventStreamError) as caught:
        events.extend(stream)
    assert len(events) == 2
    assert caught.value.response["Error"]["Code"].lower() == code.lower()
    assert (bedrock.log[0].status, bedrock.log[0].code) == (200, code)


def test_an_invoke_stream_breaks_too(bedrock: BedrockPeer, bedrock_client: Any) -> None:
    bedrock.set_faults([Fault("stream_error", code="ModelTimeoutException", operation="InvokeModel*")])
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "a"}],
    }
    answer = bedrock_client.invoke_model_with_response_stream(modelId=HAIKU, body=json.dumps(body))
    stream = answer["body"]
    with pytest.raises(EventStreamError, match="modelTimeoutException"):
        list(stream)


def test_faults_of_streams_leave_other_operations_alone(bedrock: BedrockPeer, bedrock_client: Any) -> None:
    bedrock.set_faults([Fault("broken_stream", times=1)])
    assert converse(bedrock_client)["stopReason"] == "end_turn"
    assert bedrock.faults.state()[0]["struck"] == 0


def test_a_rule_strikes_its_operation_and_model_alone(bedrock: BedrockPeer, bedrock_client: Any) -> None:
    bedrock.set_faults([Fault("error", operation="Converse", model="*sonnet*")])
    assert converse(bedrock_client)["stopReason"] == "end_turn"
    bedrock_client.converse_stream(modelId=SONNET, messages=HELLO)
    with pytest.raises(ClientError):
        converse(bedrock_client, SONNET)


def test_an_invalid_input_uses_up_no_fault(bedrock: BedrockPeer) -> None:
    bedrock.set_faults([Fault("error", times=1)])
    asking = client(bedrock.url, parameter_validation=False)
    with pytest.raises(asking.exceptions.ValidationException):
        asking.converse(modelId=HAIKU, messages=[{"role": "robot", "content": []}])
    with pytest.raises(asking.exceptions.ThrottlingException):
        converse(asking)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("error", code="NoSuchException"),
        Fault("stream_error", code="AccessDeniedException"),
        Fault("stream_error", code="ModelTimeoutException"),
    ],
)
def test_a_code_that_cannot_be_sent_is_refused(bedrock: BedrockPeer, fault: Fault) -> None:
    with pytest.raises(ValueError, match=r"code|carries"):
        bedrock.set_faults([fault])


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_window_opens_and_closes() -> None:
    clock = Clock()
    plan = FaultPlan([Fault("error", from_s=10, to_s=20)], clock=clock)
    struck = []
    for second in (0, 9.9, 10, 19.9, 20, 100):
        clock.now = second
        struck.append(plan.draw("Converse", HAIKU, streams=False) is not None)
    assert struck == [False, False, True, True, False, False]
    plan.set([Fault("error", to_s=1)])
    assert plan.draw("Converse", HAIKU, streams=False) is not None


def test_the_first_rule_that_strikes_decides() -> None:
    plan = FaultPlan([Fault("reset", times=1), Fault("hang", times=1)])
    drawn = [plan.draw("Converse", HAIKU, streams=False) for _ in range(3)]
    assert [fault and fault.kind for fault in drawn] == ["reset", "hang", None]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 1), st.integers(1, 200))
def test_the_same_seed_strikes_the_same_requests(seed: int, rate: float, count: int) -> None:
    def struck() -> list[bool]:
        plan = FaultPlan([Fault("reset", rate=rate)], seed=seed)
        return [plan.draw("Converse", HAIKU, streams=False) is not None for _ in range(count)]

    first = struck()
    assert first == struck()
    if rate in {0.0, 1.0}:
        assert set(first) == {bool(rate)}


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"kind": "flood"},
        {"kind": "error", "rate": 2},
        {"kind": "error", "what": 1},
        {"kind": "slow", "delay_s": -1},
        {"kind": "error", "rate": "much"},
    ],
)
def test_a_rule_that_means_nothing_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"kind|rate|keys|delay|not supported"):
        Fault.of(said)
