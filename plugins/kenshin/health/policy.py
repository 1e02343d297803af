"""When a circuit breaker opens, how long it stays open, and what closes it again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from kenshin.errors import InvalidPolicy

WindowKind = Literal["time", "count"]


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """The thresholds of a breaker.

    A long answer makes a call long, too: `slow_call_s` should lie well above what the longest answers take. Of a stream
    only the time to its first token counts.

    Args:
        window: whether the calls of the last seconds count, or the last calls.
        window_size: how many seconds, or how many calls.
        minimum_calls: with fewer calls in the window nothing is decided.
        failure_rate: share of faults at which the breaker opens, above 0 up to 1.
        slow_call_s: from so many seconds on a call is slow.
        slow_call_rate: share of slow calls at which the breaker opens, above 0 up to 1.
        open_s: how long it stays open, in seconds.
        jitter: that time is longer or shorter by up to this share, so that a fleet does not come back in one moment.
        probes: how many calls decide, once it is half open.
        permits: how many of them may run at the same time.
        probe_timeout_s: after so many seconds half open without a verdict, probes that never came back are written off.
        throttles: so many throttled calls in a row let the model rest, where another can be called.
        rest_s: how long it rests, in seconds, with the same jitter.
    """

    window: WindowKind = "time"
    window_size: int = 30
    minimum_calls: int = 10
    failure_rate: float = 0.5
    slow_call_s: float = 30.0
    slow_call_rate: float = 0.8
    open_s: float = 15.0
    jitter: float = 0.2
    probes: int = 3
    permits: int = 3
    probe_timeout_s: float = 120.0
    throttles: int = 3
    rest_s: float = 2.0

    def __post_init__(self) -> None:
        if self.window not in {"time", "count"}:
            raise _refused("window", self.window, "is unknown", "Use time or count.")
        for name in ("window_size", "minimum_calls", "probes", "permits", "throttles"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise _refused(name, value, "is no count", "Give a whole number from 1.")
        for name in ("failure_rate", "slow_call_rate"):
            if not 0 < _number(self, name) <= 1:
                raise _refused(name, getattr(self, name), "is no share", "Give a number above 0, up to 1.")
        for name in ("slow_call_s", "open_s", "probe_timeout_s", "rest_s"):
            if not _number(self, name) > 0:
                raise _refused(name, getattr(self, name), "is no time", "Give seconds above 0.")
        if not 0 <= _number(self, "jitter") < 1:
            raise _refused("jitter", self.jitter, "is no share", "Give a number from 0, below 1.")
        if self.window == "count" and self.minimum_calls > self.window_size:
            raise _refused(
                "minimum_calls",
                self.minimum_calls,
                f"is more than the {self.window_size} calls of the window, so the breaker would never open",
                "Make the window larger or the minimum smaller.",
            )
        if self.permits > self.probes:
            raise _refused(
                "permits", self.permits, f"is more than the {self.probes} probes", "Give at most as many."
            )


def _number(policy: BreakerPolicy, name: str) -> float:
    value = getattr(policy, name)
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known else math.nan


def _refused(name: str, value: object, reason: str, mend: str) -> InvalidPolicy:
    return InvalidPolicy(value=f"{name}={value!r}", reason=f"{name} {reason}", mend=mend)
