"""What goes wrong, and when: rules with rates, windows and counts, drawn from a seed.

The first rule that strikes a request decides what happens to it. Each rule draws from its own generator, in the order
of the requests that it covers, so that of n such requests the same number is struck in every run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from random import Random
from typing import Any, Literal, get_args

Kind = Literal["error", "slow", "hang", "reset", "broken_stream", "stream_error"]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule.

    Args:
        kind: ``error`` answers `code` with its status; ``slow`` answers after `delay_s`; ``hang`` says nothing for
            `delay_s` and closes; ``reset`` resets the connection; ``broken_stream`` closes it in the middle of the
            frame after `after_events`; ``stream_error`` ends the stream after so many events with the exception
            `code`. On operations that do not stream, the last two never strike.
        code: the error's name in the service's model.
        operation: the operation's name, or a pattern of it (``Converse*``).
        model: the model's id, or a pattern of it (``*haiku*``).
        rate: the share of the covered requests that is struck.
        times: at most so many; None: no limit.
        from_s: from so many seconds after the rules were set.
        to_s: until then; None: no end.
        delay_s: see `kind`, in seconds.
        after_events: see `kind`.

    Raises:
        ValueError: a field means nothing.
    """

    kind: Kind
    code: str = "ThrottlingException"
    operation: str = "*"
    model: str = "*"
    rate: float = 1.0
    times: int | None = None
    from_s: float = 0.0
    to_s: float | None = None
    delay_s: float = 30.0
    after_events: int = 2

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r}; known: {', '.join(KINDS)}")
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate {self.rate!r} is no share")
        if self.delay_s < 0 or self.after_events < 0:
            raise ValueError("a delay and a number of events count from 0")

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Fault:
        """A rule from JSON.

        Raises:
            ValueError: an unknown key, or a field that means nothing.
        """
        unknown = set(said) - {field.name for field in fields(cls)}
        if unknown or "kind" not in said:
            raise ValueError(f"unknown keys {sorted(unknown)}" if unknown else "a fault needs a kind")
        try:
            return cls(**said)
        except TypeError as error:
            raise ValueError(str(error)) from error

    def as_dict(self) -> dict[str, Any]:
        """The rule as JSON."""
        return asdict(self)


class _Rule:
    def __init__(self, fault: Fault, seed: str) -> None:
        self.fault = fault
        self.struck = 0
        self._random = Random(seed)

    def strikes(self, operation: str, model: str, streams: bool, age_s: float) -> bool:
        fault = self.fault
        if fault.times is not None and self.struck >= fault.times:
            return False
        if age_s < fault.from_s or (fault.to_s is not None and age_s >= fault.to_s):
            return False
        if not streams and fault.kind in {"broken_stream", "stream_error"}:
            return False
        if not (fnmatchcase(operation, fault.operation) and fnmatchcase(model, fault.model)):
            return False
        if self._random.random() >= fault.rate:
            return False
        self.struck += 1
        return True


class FaultPlan:
    """The rules in force.

    Args:
        faults: in order of precedence.
        seed: of the draws.
        clock: monotonic, in seconds.
    """

    def __init__(
        self, faults: Iterable[Fault] = (), *, seed: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self.set(faults, seed=seed)

    def set(self, faults: Iterable[Fault], *, seed: int = 0) -> None:
        """Put other rules in force; their windows begin now."""
        rules = [_Rule(fault, f"{seed}/{place}") for place, fault in enumerate(faults)]
        with self._lock:
            self._since, self._rules = self._clock(), rules

    def draw(self, operation: str, model: str, *, streams: bool) -> Fault | None:
        """What happens to this request; None: nothing."""
        with self._lock:
            age_s = self._clock() - self._since
            for rule in self._rules:
                if rule.strikes(operation, model, streams, age_s):
                    return rule.fault
        return None

    def state(self) -> list[dict[str, Any]]:
        """The rules, and how often each has struck."""
        with self._lock:
            return [{**rule.fault.as_dict(), "struck": rule.struck} for rule in self._rules]
