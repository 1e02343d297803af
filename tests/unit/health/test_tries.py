"""Botocore's own tries: counted as they are, none added, and none begun after the deadline."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import pytest
from model_calls import HAIKU, HELLO, FakeClient
from peers.bedrock import Fault, client

from kenshin.errors import DeadlineExceeded
from kenshin.health.tries import attach

CODES = [
    "ServiceUnavailableException",
    "InternalServerException",
    "ThrottlingException",
    "ValidationException",
]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("error", code="InternalServerException"),
        Fault("error", code="InternalServerException", times=1),
        Fault("error", code="ValidationException"),
        Fault("reset"),
        Fault("hang", delay_s=5),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.code}-{fault.times}",
)
@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
def test_the_record_says_what_the_service_has_seen(ward, bedrock, fault, operation):
    bedrock.set_faults([fault])
    patience_s = 0.1 if fault.kind == "hang" else 10
    asking = ward.wrapped(client(bedrock.url, retries=2, read_timeout_s=patience_s))
    with suppress(Exception):
        list(getattr(asking, operation)(modelId=HAIKU, messages=HELLO).get("stream") or [])
    assert ward.record.retry_count == len(bedrock.log) - 1
    assert len({entry.invocation_id for entry in bedrock.log}) == 1


def test_over_many_calls_the_sums_agree(ward, bedrock):
    bedrock.set_faults([Fault("error", code=code, rate=0.25) for code in CODES[:2]], seed=3)
    asking = ward.wrapped(client(bedrock.url, retries=1))
    for _ in range(30):
        try:
            asking.converse(modelId=HAIKU, messages=HELLO)
        except Exception:
            ward.clock.pass_(60)
    tries: Counter[str] = Counter(entry.invocation_id for entry in bedrock.log)
    made = [each for each in ward.records if each.error_code != "CircuitOpen"]
    assert [each.retry_count + 1 for each in made] == list(tries.values())
    assert sum(each.retry_count for each in made) > 0


def test_no_try_is_begun_after_the_deadline(ward, bedrock):
    bedrock.set_faults([Fault("error", code="InternalServerException")])
    asking = ward.wrapped(client(bedrock.url, retries=9), deadline=2.5)
    asking.meta.events.register("before-send.bedrock-runtime", lambda **_: ward.clock.pass_(1))
    with pytest.raises(DeadlineExceeded, match=r"2\.5 s are over, after 3 tries"):
        asking.converse(modelId=HAIKU, messages=HELLO)
    assert len(bedrock.log) == 3
    record = ward.record
    assert (record.status, record.error_code, record.retry_count) == ("timeout", "DeadlineExceeded", 2)
    assert ward.breakers.of(HAIKU, "ap-northeast-1").counts == {"fault": 1}, "the tries before had failed"


def test_with_time_enough_nothing_changes(ward, bedrock):
    bedrock.set_faults([Fault("error", code="InternalServerException", times=1)])
    asking = ward.wrapped(client(bedrock.url, retries=2), deadline=20)
    assert asking.converse(modelId=HAIKU, messages=HELLO)["stopReason"] == "end_turn"
    assert ward.record.retry_count == 1


def test_a_client_is_listened_to_once(ward, bedrock, bedrock_client):
    attach(bedrock_client)
    attach(bedrock_client)
    wrapper = ward.wrapped(ward.wrapped(bedrock_client).client)
    wrapper.converse(modelId=HAIKU, messages=HELLO)
    assert ward.record.retry_count == 0


def test_a_client_without_events_is_left_alone():
    attach(FakeClient())
