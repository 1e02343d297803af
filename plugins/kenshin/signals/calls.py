"""The record of one call of a model API (POC 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Literal

from kenshin.signals.bedrock import OVERFLOW, model_name
from kenshin.signals.record import Logged

CallStatus = Literal["success", "error", "throttled", "timeout"]
CircuitState = Literal["closed", "half_open", "open"]

CIRCUIT_CODES: Mapping[str, int] = {"closed": 0, "half_open": 1, "open": 2}
UNKNOWN_ERROR = "Unknown"
REFUSED = "CircuitOpen"
"""Error code of a call that its breaker kept back: nothing was sent."""

UNSTAMPED = datetime.min.replace(tzinfo=UTC)
"""The instant of a record that was made without a clock; `kenshin.health.emit_health_metrics` stamps it."""


@dataclass(frozen=True, slots=True)
class BedrockHealthMetrics(Logged):
    """One call, its retries included; counts and identifiers, its text only where `content` is captured.

    Args:
        model_id: model, inference profile or ARN that was called.
        intent: what the request was about.
        latency_ms: from the call to the end of its answer, by a clock that never goes back, in milliseconds.
        status: how it ended; of a call that the client gave up, ``success`` beside `cancelled`.
        error_code: the service's code; None: no error, or one without a code.
        input_tokens: tokens of the prompt that were not read from a cache.
        output_tokens: tokens of the answer.
        retry_count: how often botocore tried again.
        circuit_state: the breaker's state after the call.
        operation: e.g. ``converse``; the name of the client's method.
        first_token_ms: from the call to the first token of a stream, in milliseconds.
        cache_read_tokens: tokens of the prompt that were read from a cache.
        cache_write_tokens: tokens of the prompt that were written to a cache.
        region: where the model was called.
        tier: the model's tier in the registry.
        error_class: class of the exception.
        stop_reason: why the answer ended.
        guardrail_intervened: whether a guardrail did.
        cancelled: whether the client gave up; not a fault of the service.
        fallback_of: the model in whose stead this one was called.
        request_headroom_pct: share of the requests-a-minute quota that is left, in percent.
        token_headroom_pct: share of the tokens-a-minute quota that is left, in percent.
        request_id: the service's id of the request.
        trace_id: the trace in which it happened, 32 hex digits.
        span_id: the span of that trace in which it happened, 16 hex digits.
        content: texts by name (``prompt``, ``response``); the recorder drops them unless capture is switched on.
        at: when the call ended.
    """

    record_type: ClassVar[str] = "bedrock_health"

    model_id: str
    intent: str
    latency_ms: float
    status: CallStatus
    error_code: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    retry_count: int = 0
    circuit_state: CircuitState = "closed"
    operation: str | None = None
    first_token_ms: float | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    region: str | None = None
    tier: str | None = None
    error_class: str | None = None
    stop_reason: str | None = None
    guardrail_intervened: bool = False
    cancelled: bool = False
    fallback_of: str | None = None
    request_headroom_pct: float | None = None
    token_headroom_pct: float | None = None
    request_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    content: Mapping[str, str] | None = None
    at: datetime = UNSTAMPED

    @property
    def model(self) -> str:
        """The model's name as a dimension."""
        return model_name(self.model_id)

    @property
    def sent_latency_ms(self) -> float | None:
        """The latency of a call that was sent; None of one that its breaker refused, which waited for nothing."""
        return None if self.error_code == REFUSED else self.latency_ms

    @property
    def calls(self) -> int:
        """One: the denominator of every rate."""
        return 1

    @property
    def successes(self) -> int | None:
        """One if the call succeeded; one that the client gave up counts neither as a success nor as an error."""
        return 1 if self.status == "success" and not self.cancelled else None

    @property
    def throttles(self) -> int | None:
        """One if the service throttled it."""
        return 1 if self.status == "throttled" else None

    @property
    def errors(self) -> int | None:
        """One if it failed or timed out."""
        return 1 if self.status in {"error", "timeout"} else None

    @property
    def timeouts(self) -> int | None:
        """One if it timed out."""
        return 1 if self.status == "timeout" else None

    @property
    def error_kind(self) -> str | None:
        """The error's code as a dimension, ``Unknown`` where it has none; None if there was no error."""
        return (self.error_code or UNKNOWN_ERROR) if self.errors else None

    @property
    def retries(self) -> int | None:
        """How often it was tried again, if at all."""
        return self.retry_count or None

    @property
    def circuit_code(self) -> int:
        """The breaker's state as a number."""
        return CIRCUIT_CODES.get(self.circuit_state, 0)

    @property
    def interventions(self) -> int | None:
        """One if a guardrail intervened."""
        return 1 if self.guardrail_intervened else None

    @property
    def cancellations(self) -> int | None:
        """One if the client gave up."""
        return 1 if self.cancelled else None

    @property
    def overflows(self) -> int | None:
        """One if the prompt did not fit the context window."""
        return 1 if self.stop_reason == OVERFLOW else None
