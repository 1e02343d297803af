"""What a call is made in: where its record goes, which breaker lets it through, what is known of its model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from kenshin.errors import InvalidPolicy
from kenshin.health.breaker import CircuitBreaker
from kenshin.health.quota import Quotas
from kenshin.signals.context import CallListener
from kenshin.signals.record import Record


def _unknown(model_id: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The collaborators of a call.

    Args:
        record: takes the record of a finished call.
        breaker: the breaker of a model in a region.
        clock: answers the present instant, aware, for the record.
        tier: a model's tier by its id, if known.
        quotas: declared quotas; None: there is no head-room to tell.
        listeners: hear of each finished call; their exceptions are logged.
        capture: whether prompts and answers go into the record.
        timer: seconds by a clock that never goes back.
    """

    record: Callable[[Record], None]
    breaker: Callable[[str, str | None], CircuitBreaker]
    clock: Callable[[], datetime]
    tier: Callable[[str], str | None] = _unknown
    quotas: Quotas | None = None
    listeners: tuple[CallListener, ...] = ()
    capture: bool = False
    timer: Callable[[], float] = time.perf_counter


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What a caller wants of a request beyond boto3's own arguments.

    Args:
        intent: what the request is about; empty: as the trace in force says.
        deadline: seconds that the request may take, all its tries and models together; None: as long as it takes.
        fallbacks: models that are called instead, in this order, if the one before is open or throttled.
        fallback_on_fault: also when a model failed by a fault of the service.
        fallback_least_s: with less time than this left, in seconds, no fallback is begun.
    """

    intent: str = ""
    deadline: float | None = None
    fallbacks: tuple[str, ...] = ()
    fallback_on_fault: bool = False
    fallback_least_s: float = 1.0

    def __post_init__(self) -> None:
        fallbacks: object = self.fallbacks
        if isinstance(fallbacks, str) or not isinstance(fallbacks, Iterable):
            raise _refused(
                "fallbacks", fallbacks, "is no list of model ids", "Give several, e.g. ('a', 'b')."
            )
        object.__setattr__(self, "fallbacks", tuple(self.fallbacks))
        if not all(isinstance(each, str) and each for each in self.fallbacks):
            raise _refused("fallbacks", self.fallbacks, "names something else than models", "Give model ids.")
        if self.deadline is not None and not _seconds(self.deadline) > 0:
            raise _refused("deadline", self.deadline, "is no time", "Give seconds above 0, or None.")
        if not _seconds(self.fallback_least_s) >= 0:
            raise _refused("fallback_least_s", self.fallback_least_s, "is no time", "Give seconds from 0.")


def _seconds(value: object) -> float:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known else -1.0  # type: ignore[arg-type]


def _refused(name: str, value: object, reason: str, mend: str) -> InvalidPolicy:
    return InvalidPolicy(value=f"{name}={value!r}", reason=f"{name} {reason}", mend=mend)
