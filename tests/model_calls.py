"""Doubles of what a model call meets: clients, streams, clocks, and what a test wants to see of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from peers.bedrock import Fault

from kenshin.errors import BackendUnavailable, Conflict
from kenshin.health.breaker import BreakerChanged
from kenshin.health.breakers import Breakers
from kenshin.health.policy import BreakerPolicy
from kenshin.health.surroundings import CallOptions, Surroundings
from kenshin.health.wrapper import ClientWrapper
from kenshin.ports import Versioned
from kenshin.signals.calls import BedrockHealthMetrics

AT = datetime(2026, 11, 5, 18, 0, tzinfo=UTC)
HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
SONNET = "anthropic.claude-3-5-sonnet-20241022-v2:0"
HELLO = [{"role": "user", "content": [{"text": "hello there"}]}]

CONVERSED: dict[str, Any] = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Good day."}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 11, "outputTokens": 4, "totalTokens": 15},
    "metrics": {"latencyMs": 5},
    "ResponseMetadata": {"RequestId": "req-1", "HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0},
}
STREAMED: list[dict[str, Any]] = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"text": "Good "}, "contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"text": "day."}, "contentBlockIndex": 0}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"messageStop": {"stopReason": "end_turn"}},
    {"metadata": {"usage": {"inputTokens": 11, "outputTokens": 4}, "metrics": {"latencyMs": 5}}},
]


class FakeClock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


class ServiceError(Exception):
    """What botocore raises for an error of the service, as far as anybody looks."""

    def __init__(self, code: str, status: int = 400, retries: int = 0) -> None:
        super().__init__(code)
        self.response = {
            "Error": {"Code": code, "Message": "no"},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RetryAttempts": retries,
                "RequestId": "req-e",
            },
        }


class FakeStream:
    """Events, and perhaps an exception after them, as botocore's stream gives them."""

    def __init__(self, *events: dict[str, Any] | BaseException) -> None:
        self._events = iter(events)
        self.closed = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for event in self._events:
            if isinstance(event, BaseException):
                raise event
            yield event

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeClient:
    """A client that answers what it is given, in order; then it goes on with the last. Exceptions are raised."""

    answers: list[Any] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def _answer(self, **arguments: Any) -> Any:
        self.asked.append(arguments)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer = answer() if callable(answer) else answer
        if isinstance(answer, BaseException):
            raise answer
        return answer

    converse = converse_stream = invoke_model = invoke_model_with_response_stream = count_tokens = _answer

    def apply_guardrail(self, **arguments: Any) -> str:
        return "guarded"


def conversed(**changes: Any) -> Callable[[], dict[str, Any]]:
    return lambda: {**CONVERSED, "ResponseMetadata": dict(CONVERSED["ResponseMetadata"]), **changes}


def streaming(*events: dict[str, Any] | BaseException) -> Callable[[], dict[str, Any]]:
    return lambda: {
        "stream": FakeStream(*(events or STREAMED)),
        "ResponseMetadata": {"RequestId": "req-s", "RetryAttempts": 0},
    }


@dataclass
class Ward:
    """What a test looks at: records, changes of breakers, a clock, and the surroundings made of them."""

    clock: FakeClock = field(default_factory=FakeClock)
    records: list[BedrockHealthMetrics] = field(default_factory=list)
    changes: list[BreakerChanged] = field(default_factory=list)
    policy: BreakerPolicy = field(default_factory=lambda: BreakerPolicy(minimum_calls=4, jitter=0.0))
    more: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.breakers = Breakers(self.policy, clock=self.clock, listeners=[self.changes.append])

    def around(self) -> Surroundings:
        given: dict[str, Any] = {"timer": self.clock, **self.more}
        return Surroundings(self.records.append, self.breakers.of, lambda: AT, **given)

    def wrapped(self, client: Any, **options: Any) -> ClientWrapper:
        return ClientWrapper(client, self.around, CallOptions(**options))

    @property
    def record(self) -> BedrockHealthMetrics:
        [only] = self.records
        return only


BODY = json.dumps(
    {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "hello there"}],
    }
)
OPERATIONS = {
    "converse": {"messages": HELLO},
    "converse_stream": {"messages": HELLO},
    "invoke_model": {"body": BODY},
    "invoke_model_with_response_stream": {"body": BODY},
    "count_tokens": {"input": {"converse": {"messages": HELLO}}},
}
STREAMS = {"converse_stream": "stream", "invoke_model_with_response_stream": "body"}


def called(asking, operation, model=HAIKU):
    """Call an operation and take all that it answers."""
    answer = getattr(asking, operation)(modelId=model, **OPERATIONS[operation])
    return list(answer[STREAMS[operation]]) if operation in STREAMS else answer


FAULTS = [
    (Fault("error", code="ThrottlingException"), "throttled", "ThrottlingException", "throttled"),
    (Fault("error", code="ServiceUnavailableException"), "error", "ServiceUnavailableException", "fault"),
    (Fault("error", code="InternalServerException"), "error", "InternalServerException", "fault"),
    (Fault("error", code="ModelTimeoutException"), "timeout", "ModelTimeoutException", "fault"),
    (Fault("error", code="ModelErrorException"), "error", "ModelErrorException", "fault"),
    (Fault("error", code="ValidationException"), "error", "ValidationException", "ignored"),
    (Fault("error", code="AccessDeniedException"), "error", "AccessDeniedException", "ignored"),
    (Fault("error", code="ResourceNotFoundException"), "error", "ResourceNotFoundException", "ignored"),
    (Fault("hang", delay_s=5), "timeout", "ReadTimeoutError", "fault"),
    (Fault("reset"), "error", "ConnectionClosedError", "fault"),
]


def patience_s(fault: Fault) -> float:
    """A client's read time-out: short where nothing will come, long where a busy machine may keep an answer waiting."""
    return 0.2 if fault.kind == "hang" else 10.0


class FakeDocuments:
    """Documents in a dictionary, with versions; `broken` makes every question fail."""

    def __init__(self) -> None:
        self.kept: dict[str, Versioned[Mapping[str, object]]] = {}
        self.broken = False
        self.conflicts = 0

    def get(self, key: str) -> Versioned[Mapping[str, object]] | None:
        if self.broken:
            raise BackendUnavailable(value="registry", reason="gone", mend="Wait.")
        return self.kept.get(key)

    def put(self, key: str, body: Mapping[str, object], *, expected: int | None) -> int:
        held = self.kept.get(key)
        if self.conflicts or (held.version if held else None) != expected:
            self.conflicts = max(self.conflicts - 1, 0)
            raise Conflict(value=key, reason="somebody else wrote first", mend="Read again.")
        self.kept[key] = Versioned(body, (expected or 0) + 1)
        return (expected or 0) + 1
