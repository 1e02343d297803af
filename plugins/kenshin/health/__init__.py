"""Health of the model API: each call recorded, and stopped where it would fail.

- `api`: the conveniences, bound to the process's current runtime.
- `wrapper`, `async_wrapper`: a client that is watched; `threads` brings boto3 to asyncio.
- `instrumentation`: a client that somebody else holds, watched by its events.
- `request`: which models may answer, in which order; `call`: one of them called, from its beginning to its record.
- `answer`, `reading`, `body`, `texts`: what answers, streams and bodies say of themselves; `failure`: what errors mean.
- `stream`: events as they pass; `tries`: the client's own retries and the deadline.
- `breaker`, `window`, `policy`: the circuit breaker; `breakers`: those of a process; `overrides`: set by hand for all.
- `quota`: what is left of declared quotas.
- `surroundings`: the collaborators of a call, and what a caller wants of it.

Importing the package loads the standard library alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kenshin.errors import CircuitOpen, DeadlineExceeded
    from kenshin.health.api import (
        AsyncBedrockClientWrapper,
        BedrockClientWrapper,
        emit_health_metrics,
        instrument,
        own_breakers,
    )
    from kenshin.health.breaker import BreakerChanged, CircuitBreaker
    from kenshin.health.breakers import Breakers
    from kenshin.health.policy import BreakerPolicy
    from kenshin.health.quota import QuotaPolicy
    from kenshin.health.threads import InThreads
    from kenshin.signals.calls import BedrockHealthMetrics

__all__ = [
    "AsyncBedrockClientWrapper",
    "BedrockClientWrapper",
    "BedrockHealthMetrics",
    "BreakerChanged",
    "BreakerPolicy",
    "Breakers",
    "CircuitBreaker",
    "CircuitOpen",
    "DeadlineExceeded",
    "InThreads",
    "QuotaPolicy",
    "emit_health_metrics",
    "instrument",
    "own_breakers",
]

_HOMES = {
    "AsyncBedrockClientWrapper": "kenshin.health.api",
    "BedrockClientWrapper": "kenshin.health.api",
    "BedrockHealthMetrics": "kenshin.signals.calls",
    "BreakerChanged": "kenshin.health.breaker",
    "BreakerPolicy": "kenshin.health.policy",
    "Breakers": "kenshin.health.breakers",
    "CircuitBreaker": "kenshin.health.breaker",
    "CircuitOpen": "kenshin.errors",
    "DeadlineExceeded": "kenshin.errors",
    "InThreads": "kenshin.health.threads",
    "QuotaPolicy": "kenshin.health.quota",
    "emit_health_metrics": "kenshin.health.api",
    "instrument": "kenshin.health.api",
    "own_breakers": "kenshin.health.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kenshin.health' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
