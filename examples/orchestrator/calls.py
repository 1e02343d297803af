"""Which model calls a request made: collected from the wrapper's records, so that the answer can tell of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kenshin.signals.calls import BedrockHealthMetrics
    from kenshin.signals.context import PromptMeasured

_made: ContextVar[list[BedrockHealthMetrics] | None] = ContextVar("orchestrator_calls", default=None)


@contextmanager
def collected() -> Iterator[list[BedrockHealthMetrics]]:
    """The calls that are made within the block, in the order in which they end."""
    calls: list[BedrockHealthMetrics] = []
    token = _made.set(calls)
    try:
        yield calls
    finally:
        _made.reset(token)


def remember(metrics: BedrockHealthMetrics, measured: PromptMeasured | None) -> None:
    """A listener of model calls: the request that made the call keeps its record."""
    calls = _made.get()
    if calls is not None:
        calls.append(metrics)


def told(metrics: BedrockHealthMetrics) -> dict[str, object]:
    """A call as the service's answer tells it."""
    return {
        "model_id": metrics.model_id,
        "status": metrics.status,
        "error_code": metrics.error_code,
        "retry_count": metrics.retry_count,
        "circuit_state": metrics.circuit_state,
        "latency_ms": round(metrics.latency_ms, 2),
        "first_token_ms": None if metrics.first_token_ms is None else round(metrics.first_token_ms, 2),
        "input_tokens": metrics.input_tokens,
        "output_tokens": metrics.output_tokens,
        "stop_reason": metrics.stop_reason,
        "fallback_of": metrics.fallback_of,
        "request_id": metrics.request_id,
    }
