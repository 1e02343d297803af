"""A lane: one sink with a bounded queue in front of it and a thread of its own, so that no sink waits for another."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from kenshin.lifetime import watch_worker, working
from kenshin.signals.content import ContentPolicy
from kenshin.signals.losses import LossReason, RecordsLost
from kenshin.signals.record import Record
from kenshin.signals.sink import Sink

logger = logging.getLogger(__name__)

BATCH = 500


@dataclass(frozen=True, slots=True)
class Pace:
    """How a lane carries records.

    Args:
        synchronous: in the caller of `put`, instead of by a thread.
        capacity: how many records may wait; one more is lost.
        interval_s: how long a record waits at most before the thread takes it, in seconds.
        flush_every_s: how long a sink may hold back what it was given, in seconds.
    """

    synchronous: bool = False
    capacity: int = 10_000
    interval_s: float = 0.5
    flush_every_s: float = 10.0


class Lane:
    """Carries records to one sink.

    Args:
        sink: where they go.
        pace: how.
        policy: what of their content may go.
        clock: answers the present instant, aware; for the records that tell of losses.
    """

    _closed: bool
    _wake: threading.Event

    def __init__(self, sink: Sink, pace: Pace, policy: ContentPolicy, clock: Callable[[], datetime]) -> None:
        self.sink = sink
        self.name = type(sink).__name__
        self._pace = pace
        self._policy = policy
        self._clock = clock
        self.begin()

    def begin(self) -> None:
        """Start afresh; in the child of a fork, what the parent has queued is the parent's, or both would carry it."""
        self._closed = False
        self._queue: deque[Record] = deque()
        self._in_hand = 0
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._turn = threading.Condition()
        self._asked = self._answered = 0
        self._until = 0.0
        self._flush_at: float | None = None
        # Re-entrant: a sink, or a signal that interrupts it, may record again.
        self._carrying = threading.RLock()
        self._counting = threading.RLock()
        self._lost: Counter[LossReason] = Counter()
        self._told: Counter[LossReason] = Counter()
        self._failing = False

    @property
    def lost(self) -> dict[LossReason, int]:
        """How many records did not reach the sink, by reason."""
        with self._counting:
            return dict(self._lost)

    @property
    def waiting(self) -> int:
        """How many records are queued or on their way."""
        return len(self._queue) + self._in_hand

    def put(self, record: Record) -> None:
        """Queue a record; in the synchronous mode also carry it."""
        waiting = len(self._queue)
        if waiting >= self._pace.capacity or self._closed:
            self._lose("closed" if self._closed else "queue_full", 1)
            return
        self._queue.append(record)
        if self._pace.synchronous:
            self._cycle()
        elif self._thread is None:
            self._start()
        elif waiting * 2 >= self._pace.capacity and not self._wake.is_set():
            self._wake.set()
        if self._closed:
            self._abandon()

    def ask(self, end: float) -> int:
        """Ask for everything queued so far to be carried; the answer is what `wait` wants to know.

        Without a thread (in the synchronous mode, or where none can be started any more) it is carried here.

        Args:
            end: until when, by the monotonic clock.
        """
        if self._pace.synchronous or (self._thread is None and not (self._queue and self._start())):
            self._cycle(end)
            return 0
        with self._turn:
            self._asked += 1
            self._until = end
            self._wake.set()
            return self._asked

    def wait(self, asked: int, end: float) -> bool:
        """Wait until what was asked for is done, until the instant `end` of the monotonic clock; whether it is done."""
        with self._turn:
            return self._turn.wait_for(
                lambda: self._answered >= asked, timeout=max(end - time.monotonic(), 0)
            )

    def close(self) -> int:
        """Stop; records that are still queued are lost. Answers how many are lost in all."""
        self._closed = True
        self._wake.set()
        self._abandon()
        lost = sum(self.lost.values()) + self._in_hand
        try:
            self.sink.close()
        except Exception:
            logger.exception("A sink failed to close: %s", self.name)
        return lost

    def _start(self) -> bool:
        with self._carrying:
            if self._thread is None and not self._closed:
                thread = threading.Thread(target=self._run, name=f"kenshin-signals-{self.name}", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    # No thread can be started, e.g. since the interpreter is about to end: flush carries the queue.
                    return False
                self._thread = thread
                watch_worker()
        return self._thread is not None

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(self._pace.interval_s)
            self._wake.clear()
            asked = self._asked
            with working():
                self._cycle(self._until if asked > self._answered else None)
            with self._turn:
                self._answered = asked
                self._turn.notify_all()

    def _cycle(self, flush_by: float | None = None) -> None:
        """Carry what is queued now; what comes meanwhile waits for the next cycle.

        Args:
            flush_by: let the sink hand on what it holds back, until this instant of the monotonic clock.
        """
        with self._carrying:
            left = len(self._queue)
            while left > 0 and (batch := self._take(min(left, BATCH))):
                left -= len(batch)
                self._carry(batch)
            self._tell()
            now = time.monotonic()
            if flush_by is None and self._flush_at is not None and now >= self._flush_at:
                flush_by = now + self._pace.flush_every_s
            if flush_by is not None and self._flush_at is not None:
                self._flush_at = None
                self._flush_sink(max(flush_by - now, 0.0))

    def _take(self, most: int) -> list[Record]:
        batch: list[Record] = []
        try:
            while len(batch) < most:
                batch.append(self._queue.popleft())
        except IndexError:
            pass
        return batch

    def _carry(self, batch: Sequence[Record]) -> None:
        self._in_hand = len(batch)
        admitted = self._admitted(batch)
        lost = len(batch) - len(admitted)
        try:
            lost += self.sink.write(admitted)
        except Exception:
            lost = len(batch)
            logger.exception("A sink failed to write: %s", self.name)
        self._in_hand = 0
        if self._flush_at is None:
            self._flush_at = time.monotonic() + self._pace.flush_every_s
        if lost:
            self._lose("sink", lost)
        if lost and not self._failing:
            logger.warning("%s cannot take records; they are lost and counted", self.name)
        elif self._failing and not lost:
            logger.warning("%s takes records again", self.name)
        self._failing = bool(lost)

    def _admitted(self, batch: Sequence[Record]) -> list[Record]:
        """The records as they may leave the process; one whose content cannot be read does not."""
        admitted = []
        for record in batch:
            try:
                admitted.append(self._policy.applied(record))
            except Exception:
                logger.exception("A record's content cannot be read: %s", type(record).__name__)
        return admitted

    def _flush_sink(self, deadline_s: float) -> None:
        try:
            lost = self.sink.flush(deadline_s)
        except Exception:
            logger.exception("A sink failed to flush: %s", self.name)
        else:
            if lost:
                self._lose("sink", lost)

    def _tell(self) -> None:
        """Let the sink itself carry how many records it misses; while it fails, they add up."""
        for reason, lost in self.lost.items():
            if lost > self._told[reason]:
                record = RecordsLost(self._clock(), self.name, reason, lost - self._told[reason])
                try:
                    if self.sink.write([record]):
                        return
                except Exception:
                    logger.debug("%s cannot take the count of its losses", self.name, exc_info=True)
                    return
                self._told[reason] = lost

    def _lose(self, reason: LossReason, count: int) -> None:
        with self._counting:
            self._lost[reason] += count

    def _abandon(self) -> None:
        while lost := len(self._take(BATCH)):
            self._lose("closed", lost)
