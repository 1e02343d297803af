"""Circuit breaker: stops calling a model that fails, tries a few calls after a while, and goes on once they succeed.

The whole machine is the table `TRANSITIONS`. Only the service's own faults and slow calls count: the caller's mistakes
and cancellations end a permit without a verdict, and throttling is a signal of its own (`resting`). An outcome that
comes after the state has changed belongs to a time that is over: it is counted as late and decides nothing.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

from kenshin.errors import CircuitOpen
from kenshin.health.policy import BreakerPolicy
from kenshin.health.window import window_of
from kenshin.signals.calls import CircuitState

logger = logging.getLogger(__name__)

Outcome = Literal["success", "fault", "throttled", "ignored"]
"""How a call ended for a breaker; ``ignored``: a mistake of the caller, or a cancellation."""

Override = Literal["open", "closed"]
Event = Literal["rates_reached", "wait_over", "probes_passed", "probes_failed", "probes_lost", "overridden"]

TRANSITIONS: Mapping[tuple[CircuitState, Event], CircuitState] = {
    ("closed", "rates_reached"): "open",
    ("open", "wait_over"): "half_open",
    ("half_open", "probes_passed"): "closed",
    ("half_open", "probes_failed"): "open",
    ("half_open", "probes_lost"): "half_open",
}
"""All changes of state but those by hand, which lead to closed with an empty window; see `CircuitBreaker.override`."""

COUNTED = ("success", "fault", "throttled", "ignored", "slow", "refused", "late")


@dataclass(frozen=True, slots=True)
class BreakerChanged:
    """What listeners hear.

    Args:
        breaker: its name.
        before: the state that is over, as seen by callers.
        after: the state that begins.
        why: what happened.
    """

    breaker: str
    before: CircuitState
    after: CircuitState
    why: Event


Listener = Callable[[BreakerChanged], object]


class Permit:
    """Leave to make one call; it has to be ended once, and later endings have no effect."""

    __slots__ = ("_breaker", "_generation")

    def __init__(self, breaker: CircuitBreaker, generation: int) -> None:
        self._breaker: CircuitBreaker | None = breaker
        self._generation = generation

    def end(self, outcome: Outcome, seconds: float = 0.0) -> None:
        """Say how the call ended.

        Args:
            outcome: what it was for the service.
            seconds: how long it took, of a stream until its first token.
        """
        breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker._end(self._generation, outcome, seconds)

    def abandon(self, outcome: Outcome = "ignored", seconds: float = 0.0) -> None:
        """End it without a lock, for finalizers, which may run in the middle of anything.

        The breaker takes note of it at its next call.
        """
        breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker._abandoned.append((self._generation, outcome, seconds))


class CircuitBreaker:
    """One breaker, for threads and event loops alike: nothing here ever waits but for its own lock.

    Args:
        name: what it protects.
        policy: its thresholds.
        clock: monotonic seconds.
        rng: draws the jitter.
        listeners: hear of each change of state, in the thread that caused it; their exceptions are logged.
    """

    def __init__(
        self,
        name: str = "",
        policy: BreakerPolicy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: Random | None = None,
        listeners: Iterable[Listener] = (),
    ) -> None:
        self.name = name
        self.policy = policy or BreakerPolicy()
        self._clock = clock
        self._rng = rng or Random()  # noqa: S311
        self._listeners = tuple(listeners)
        self._lock = threading.Lock()
        self._override: Override | None = None
        self._generation = 0
        self._counts: dict[str, int] = dict.fromkeys(COUNTED, 0)
        self._abandoned: deque[tuple[int, Outcome, float]] = deque()
        self._changes: deque[BreakerChanged] = deque()
        self._throttled_in_a_row = 0
        self._rests_until = 0.0
        self._enter("closed")
        _breakers.add(self)

    @property
    def state(self) -> CircuitState:
        """The state as callers see it, an override included; an open one whose time is over waits for a call."""
        return self._override or self._state

    @property
    def resting(self) -> bool:
        """Whether the service has throttled so much lately that another model should be called if there is one."""
        return self._rests_until > 0 and self._clock() < self._rests_until

    @property
    def overridden(self) -> Override | None:
        """What was set by hand."""
        return self._override

    @property
    def counts(self) -> dict[str, int]:
        """Calls so far by outcome, and how many were ``slow``, ``refused``, or ``late`` (they decided nothing)."""
        with self._lock:
            self._take_back()
            counts = {name: count for name, count in self._counts.items() if count}
        if self._changes:
            self._tell()
        return counts

    def acquire(self) -> Permit | None:
        """Leave to make a call; None: not now."""
        # In this order no lock is needed: a change in between leads the long way, or makes the permit late.
        generation = self._generation
        if self._passes and not self._abandoned:
            return Permit(self, generation)
        with self._lock:
            self._take_back()
            allowed = self._allows()
            permit = Permit(self, self._generation) if allowed else None
            if not allowed:
                self._counts["refused"] += 1
        if self._changes:
            self._tell()
        return permit

    def admit(self) -> Permit:
        """Leave to make a call.

        Raises:
            CircuitOpen: not now.
        """
        permit = self.acquire()
        if permit is None:
            raise self.refusal()
        return permit

    def refusal(self) -> CircuitOpen:
        """The error that says why no call goes through."""
        if self._override == "open":
            return CircuitOpen(
                value=self.name,
                reason="its breaker is open by hand",
                mend="kenshin health breakers show says where and by whom; clear it for that model and region.",
            )
        left = max(self._open_until - self._clock(), 0.0)
        when = f"in {left:.1f} s" if self._state == "open" else "once its probes are back"
        return CircuitOpen(
            value=self.name,
            reason="too many of its calls failed or were slow",
            mend=f"It is tried again {when}; name fallbacks to call another model meanwhile.",
        )

    def override(self, wanted: Override | None) -> None:
        """Hold it open or closed by hand, or let it decide again, with an empty window.

        Args:
            wanted: ``open``: every call is refused; ``closed``: every call goes through; None: neither.
        """
        with self._lock:
            if wanted == self._override:
                return
            before, self._override = self.state, wanted
            self._enter("closed")
            self._changes.append(BreakerChanged(self.name, before, self.state, "overridden"))
        self._tell()

    def _allows(self) -> bool:
        if self._passes or self._override is not None:
            return self._passes
        if self._state == "open":
            if self._clock() < self._open_until:
                return False
            self._change("wait_over")
        elif self._clock() >= self._half_open_until:
            self._change("probes_lost")
        policy = self.policy
        if self._running >= policy.permits or self._running + self._probed >= policy.probes:
            return False
        self._running += 1
        return True

    def _end(self, generation: int, outcome: Outcome, seconds: float) -> None:
        with self._lock:
            if self._abandoned:
                self._take_back()
            self._ended(generation, outcome, seconds)
        if self._changes:
            self._tell()

    def _ended(self, generation: int, outcome: Outcome, seconds: float) -> None:
        self._counts[outcome] += 1
        slow = seconds >= self.policy.slow_call_s
        if slow:
            self._counts["slow"] += 1
        if outcome == "success":
            self._throttled_in_a_row = 0
        elif outcome == "throttled":
            self._throttle()
        if generation != self._generation:
            self._counts["late"] += 1
        elif self._state == "half_open":
            self._probe_ended(outcome, slow)
        elif outcome == "success" or outcome == "fault":
            self._count(outcome == "fault", slow)

    def _count(self, fault: bool, slow: bool) -> None:
        window, policy = self._window, self.policy
        window.add(fault, slow, self._clock())
        if (fault or slow) and window.calls >= policy.minimum_calls and self._override is None:
            calls = window.calls
            if window.faults >= calls * policy.failure_rate or window.slows >= calls * policy.slow_call_rate:
                self._change("rates_reached")

    def _probe_ended(self, outcome: Outcome, slow: bool) -> None:
        self._running -= 1
        if outcome != "success" and outcome != "fault":
            return
        policy = self.policy
        self._probed += 1
        self._probe_faults += outcome == "fault"
        self._probe_slows += slow
        if (
            self._probe_faults >= policy.probes * policy.failure_rate
            or self._probe_slows >= policy.probes * policy.slow_call_rate
        ):
            self._change("probes_failed")
        elif self._probed >= policy.probes:
            self._change("probes_passed")

    def _throttle(self) -> None:
        self._throttled_in_a_row += 1
        if self._throttled_in_a_row >= self.policy.throttles:
            self._rests_until = self._clock() + self._jittered(self.policy.rest_s)
            self._throttled_in_a_row = 0

    def _change(self, why: Event) -> None:
        before = self._state
        after = TRANSITIONS[before, why]
        self._enter(after)
        if after != before:
            self._changes.append(BreakerChanged(self.name, before, after, why))

    def _enter(self, state: CircuitState) -> None:
        # First nobody passes, then the number changes, and last it is open to all or not: see `acquire`.
        self._passes = False
        self._generation += 1
        self._state: CircuitState = state
        self._running = self._probed = self._probe_faults = self._probe_slows = 0
        self._open_until = self._half_open_until = 0.0
        if state == "closed":
            self._window = window_of(self.policy)
        elif state == "open":
            self._open_until = self._clock() + self._jittered(self.policy.open_s)
        else:
            self._half_open_until = self._clock() + self.policy.probe_timeout_s
        self._passes = self.state == "closed"

    def _jittered(self, seconds: float) -> float:
        share = self.policy.jitter
        return seconds * self._rng.uniform(1 - share, 1 + share)

    def _take_back(self) -> None:
        while self._abandoned:
            self._ended(*self._abandoned.popleft())

    def _tell(self) -> None:
        while self._changes:
            try:
                change = self._changes.popleft()
            except IndexError:
                return
            logger.log(
                logging.WARNING if change.after == "open" else logging.INFO,
                "Breaker of %s: %s, was %s (%s)",
                change.breaker,
                change.after,
                change.before,
                change.why,
            )
            for listener in self._listeners:
                try:
                    listener(change)
                except Exception:
                    logger.exception("A listener of the breaker of %s failed", self.name)

    def _after_fork(self) -> None:
        """In the child: the parent's calls are its own; what was seen of the service stays known."""
        self._lock = threading.Lock()
        self._abandoned.clear()
        self._changes.clear()
        self._rng = Random()  # noqa: S311 - or all children would draw the same times
        self._generation += 1
        self._running = 0
        self._passes = self.state == "closed"


_breakers: weakref.WeakSet[CircuitBreaker] = weakref.WeakSet()


def _after_fork() -> None:
    for breaker in list(_breakers):
        breaker._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
