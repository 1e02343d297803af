"""Sliding windows: how many of the latest calls failed, and how many were slow.

Both keep running sums and take from them what falls out, so that adding a call costs the same at any size.
"""

from __future__ import annotations

import math
from typing import Protocol

from kenshin.health.policy import BreakerPolicy


class Window(Protocol):
    """What a breaker decides on. It belongs to one breaker and is used under its lock."""

    calls: int
    faults: int
    slows: int

    def add(self, fault: bool, slow: bool, now: float) -> None:
        """Count a call that ended now, by the monotonic clock; earlier ones may fall out."""
        ...


class CountWindow:
    """The last `size` calls."""

    def __init__(self, size: int) -> None:
        self.calls = self.faults = self.slows = 0
        self._ring: list[tuple[bool, bool]] = []
        self._size = size
        self._next = 0

    def add(self, fault: bool, slow: bool, now: float) -> None:
        """Count a call; the oldest one falls out of a full window."""
        if self.calls < self._size:
            self._ring.append((fault, slow))
            self.calls += 1
        else:
            was_fault, was_slow = self._ring[self._next]
            self._ring[self._next] = (fault, slow)
            self._next = (self._next + 1) % self._size
            self.faults -= was_fault
            self.slows -= was_slow
        self.faults += fault
        self.slows += slow


class TimeWindow:
    """The calls of the last `size` seconds, in steps of one second."""

    def __init__(self, size: int) -> None:
        self.calls = self.faults = self.slows = 0
        self._buckets = [[0, 0, 0] for _ in range(size)]
        self._size = size
        self._second: int | None = None
        self._until = -math.inf
        self._now = self._buckets[0]

    def add(self, fault: bool, slow: bool, now: float) -> None:
        """Count a call; seconds that are over fall out."""
        if now >= self._until:
            self._go_on(math.floor(now))
        bucket = self._now
        bucket[0] += 1
        self.calls += 1
        if fault:
            bucket[1] += 1
            self.faults += 1
        if slow:
            bucket[2] += 1
            self.slows += 1

    def _go_on(self, second: int) -> None:
        passed = self._size if self._second is None else min(second - self._second, self._size)
        for each in range(second - passed + 1, second + 1):
            bucket = self._buckets[each % self._size]
            self.calls -= bucket[0]
            self.faults -= bucket[1]
            self.slows -= bucket[2]
            bucket[:] = (0, 0, 0)
        self._second, self._until = second, second + 1.0
        self._now = self._buckets[second % self._size]


def window_of(policy: BreakerPolicy) -> Window:
    """An empty window as a policy wants it."""
    kind = TimeWindow if policy.window == "time" else CountWindow
    return kind(policy.window_size)
