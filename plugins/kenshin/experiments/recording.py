"""The observation recorder: takes an observation in microseconds and sees that it reaches the store once.

`record` neither blocks nor raises: it queues. One thread, the shipper, takes batches to the store and replays what was
spilled; another, the guard, spills what waits too long because the store is down, stuck or slow. docs/observations.md
says what is guaranteed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from itertools import count
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from kenshin.errors import BackendUnavailable, InvalidObservation, KenshinError
from kenshin.experiments.carrier import Carrier
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.gate import Gate
from kenshin.experiments.observation import ABObservation
from kenshin.experiments.observing import observed
from kenshin.experiments.spill import Spill
from kenshin.experiments.store import ObservationStore
from kenshin.experiments.tally import RecorderStats, Tally
from kenshin.lifetime import watch, watch_worker, working

logger = logging.getLogger(__name__)

Carry = Literal["background", "on_flush", "at_once"]


class ObservationRecorder:
    """A bounded queue in front of the observation store, with a spill beside it.

    Args:
        store: where observations go; only the recorder's threads call it.
        spill_folder: where they wait while the store is down; made when it is first needed.
        clock: answers the present instant, aware.
        zone: whose dates the days are.
        find: reads an experiment's definition from the registry; None: there is none.
        known: answers what this process knows of it without any I/O; None: what `find` has answered already.
        carry: by threads in the background; only on `flush`, in its caller; or at once, in the caller of `record`.
        strict: `record` raises what it would count, admits in the caller, and waits where it would drop.
        capacity: how many observations may wait in memory, or be on their way; one more is dropped.
        batch_size: how many go to the store or the disk at once.
        interval_s: how long an observation waits in memory while the store works, in seconds.
        patience_s: how long the store may take for a batch before others are spilled, in seconds.
        backoff_s: how long the store is left alone after a failure, in seconds; doubled with each.
        backoff_most_s: at most so long.
        adopt_every_s: how often segments of dead processes are looked for, in seconds.
        exit_deadline_s: how long the process waits at its end for the store, in seconds.
        spill_limit_bytes: how much this process spills at most.
        fsync: whether a spilled batch waits for the disk; see `Spill`.
        seconds: a clock that never goes back, in seconds.
    """

    _closed: bool
    _wake: threading.Event
    _stop: threading.Event

    def __init__(
        self,
        store: ObservationStore,
        spill_folder: Path,
        clock: Callable[[], datetime],
        *,
        zone: tzinfo,
        find: Callable[[str], Experiment | None] = lambda experiment_id: None,
        known: Callable[[str], Experiment | None] | None = None,
        carry: Carry = "background",
        strict: bool = False,
        capacity: int = 50_000,
        batch_size: int = 500,
        interval_s: float = 0.2,
        patience_s: float = 1.0,
        backoff_s: float = 0.25,
        backoff_most_s: float = 10.0,
        adopt_every_s: float = 30.0,
        exit_deadline_s: float = 5.0,
        spill_limit_bytes: int = 1 << 30,
        fsync: bool = True,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._zone = zone
        self._carry = carry
        self._strict = strict
        self._capacity = capacity
        self._batch_size = batch_size
        self._interval_s = interval_s
        self._patience_s = patience_s
        self._adopt_every_s = adopt_every_s
        self._exit_deadline_s = exit_deadline_s
        self._seconds = seconds
        self._gate = Gate(find, clock=seconds)
        self._known = known or self._gate.known
        self._tally = Tally()
        self._carrier = Carrier(
            store,
            self._gate,
            Spill(spill_folder, limit_bytes=spill_limit_bytes, fsync=fsync),
            self._tally,
            seconds=seconds,
            backoff=(backoff_s, backoff_most_s),
        )
        self._begin()
        watch(self)

    def record(self, observation: ABObservation) -> None:
        """Queue an observation.

        Raises:
            InvalidObservation: it cannot be counted (only if strict).
            BackendUnavailable: there is no room for it (only if strict).
        """
        if not isinstance(observation, ABObservation):
            self._refuse(TypeError(f"an ABObservation is needed, not {type(observation).__name__}"))
            return
        if self._strict:
            self._gate.admit(observation, since=self._seconds())
        waiting = len(self._queue) + self._moving
        if (self._closed or waiting >= self._capacity) and not self._has_room():
            return
        self._queue.append(observation)
        if self._carry == "background":
            if not self._running:
                self._start()
            elif waiting >= self._batch_size and not self._wake.is_set():
                self._wake.set()
        elif self._carry == "at_once":
            with self._shipping:
                self._ship(probe=False)

    def observe(self, **fields: Any) -> None:
        """Make an observation of `fields`, which `observed` describes, and queue it.

        Raises:
            InvalidObservation: a field is missing, unknown or out of range (only if strict).
        """
        try:
            made = observed(self._clock(), self._zone, self._new_id, self._phase_of, **fields)
        except Exception as error:
            self._refuse(error)
        else:
            self.record(made)

    def flush(self, deadline_s: float = 5.0) -> int:
        """Take everything recorded so far to the store, or to disk if the store does not take it in time.

        In the background mode the call returns by the deadline whatever the store does. In the other modes the store is
        called here, and its own time-out counts.

        Args:
            deadline_s: how long to wait for the store, in seconds.

        Returns:
            How many observations are not in the store yet: in memory or on disk.
        """
        if not self._closed:
            if self._carry == "background" and self._start():
                with self._turn:
                    self._asked += 1
                    asked = self._asked
                    self._wake.set()
                    done = self._turn.wait_for(lambda: self._answered >= asked, timeout=max(deadline_s, 0))
                if not done:
                    self._spill_queue()
            elif self._shipping.acquire(timeout=max(deadline_s, 0)):
                try:
                    self._carrier.adopt()
                    self._ship(probe=True)
                finally:
                    self._shipping.release()
        return self.stats().waiting

    def stats(self) -> RecorderStats:
        """The counters now."""
        with self._tally.lock:
            return self._tally.stats(
                queued=len(self._queue),
                in_flight=self._moving,
                on_disk=self._carrier.on_disk,
            )

    def close(self) -> None:
        """Flush within the exit deadline and stop; later observations are dropped and counted."""
        if self._closed:
            return
        self.flush(self._exit_deadline_s)
        self._closed = True
        self._wake.set()
        self._stop.set()
        for thread in self._threads:
            thread.join(0.5)
        with self._tally.lock:
            in_hand = self._in_hand
            self._rescued = bool(in_hand)
        if in_hand:
            # The store is stuck with these; it may have taken them or not, and takes each only once.
            self._settle(in_hand, self._carrier.put_away(in_hand))
        self._spill_queue()
        with self._tally.lock:
            lost = len(self._queue)
            self._queue.clear()
            self._tally.add(taken=lost, dropped=lost)
        if lost:
            logger.error("%d observations are lost: neither the store nor the disk takes them", lost)
        self._carrier.close()

    def after_fork(self) -> None:
        """In the child: what the parent has queued and spilled stays with the parent, or both would send it."""
        self._tally = Tally()
        self._carrier.forget(self._tally)
        self._begin()

    def _begin(self) -> None:
        self._closed = self._running = self._rescued = False
        self._queue: deque[ABObservation] = deque()
        self._in_hand: Sequence[ABObservation] = ()
        self._moving = 0
        self._busy_since: float | None = None
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()
        self._shipping = threading.Lock()
        self._turn = threading.Condition()
        self._asked = self._answered = 0
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._token = uuid4().hex
        self._numbers = count()

    def _new_id(self) -> str:
        return f"{self._token}-{next(self._numbers)}"

    def _phase_of(self, experiment_id: str) -> int:
        known = self._known(experiment_id)
        return 1 if known is None else known.phase

    def _refuse(self, error: Exception) -> None:
        self._tally.add(taken=1)
        self._carrier.refuse(error)
        if self._strict:
            if isinstance(error, KenshinError):
                raise error
            kind = type(error).__name__
            raise InvalidObservation(
                value=kind, reason=str(error), mend="Correct the observation."
            ) from error

    def _has_room(self) -> bool:
        if self._strict and not self._closed:
            self.flush()
        if not self._closed and len(self._queue) + self._moving < self._capacity:
            return True
        self._tally.add(taken=1, dropped=1)
        if not self._strict:
            return False
        reason = "the recorder is closed, or neither the store nor the disk takes what waits"
        raise BackendUnavailable(value="an observation", reason=reason, mend="Look at its stats() and log.")

    def _start(self) -> bool:
        with self._starting:
            if not self._running and not self._closed:
                try:
                    for work in (self._run_shipper, self._run_guard):
                        thread = threading.Thread(target=work, name="kenshin-observations", daemon=True)
                        thread.start()
                        self._threads.append(thread)
                except RuntimeError:
                    # No thread can be started, e.g. since the interpreter is about to end: flush does the work.
                    return False
                self._running = True
                watch_worker()
        return self._running

    def _run_shipper(self) -> None:
        adopt_at = self._seconds()
        while not self._closed:
            self._wake.wait(self._interval_s)
            self._wake.clear()
            asked = self._asked
            try:
                with working():
                    if asked > self._answered or self._seconds() >= adopt_at:
                        adopt_at = self._seconds() + self._adopt_every_s
                        self._carrier.adopt()
                    with self._shipping:
                        self._ship(probe=asked > self._answered)
            except Exception:
                logger.exception("Observations could not be carried; they stay where they are")
            with self._turn:
                self._answered = asked
                self._turn.notify_all()

    def _run_guard(self) -> None:
        while not self._stop.wait(self._interval_s):
            busy = self._busy_since
            stuck = busy is not None and self._seconds() - busy > self._patience_s
            if stuck or not self._carrier.due or len(self._queue) > self._capacity // 2:
                try:
                    with working():
                        self._spill_queue()
                except Exception:
                    logger.exception("Observations could not be spilled; they stay where they are")

    def _ship(self, *, probe: bool) -> None:
        """Empty the queue and the spill by turns, until both are empty or the store is down."""
        while not self._closed:
            if not probe and not self._carrier.due:
                self._spill_queue()
                return
            probe = False
            if self._queue and not self._ship_batch():
                continue
            self._busy_since = self._seconds()
            try:
                more = self._carrier.replay(self._batch_size)
            finally:
                self._busy_since = None
            if not more and not self._queue:
                return

    def _ship_batch(self) -> bool:
        batch = self._in_hand = self._take()
        self._busy_since = self._seconds()
        left: Sequence[ABObservation] = batch
        try:
            left = self._carrier.store(batch)
        finally:
            self._busy_since = None
            with self._tally.lock:
                self._in_hand = ()
                rescued = self._rescued
            if not rescued:
                self._settle(batch, self._carrier.put_away(left) if left else ())
        return not left

    def _spill_queue(self) -> None:
        while self._queue:
            batch = self._take()
            left: Sequence[ABObservation] = batch
            try:
                left = self._carrier.put_away(batch)
            finally:
                self._settle(batch, left)
            if left:
                return

    def _take(self) -> list[ABObservation]:
        with self._tally.lock:
            # Counted as moving first, and as queued again before it no longer moves: `record` reads without the lock.
            size = min(len(self._queue), self._batch_size)
            self._moving += size
            batch = [self._queue.popleft() for _ in range(size)]
            self._tally.add(taken=size)
        return batch

    def _settle(self, batch: Sequence[ABObservation], left: Sequence[ABObservation]) -> None:
        """A batch has found its place, but for what is `left`, which queues again, in front."""
        with self._tally.lock:
            self._queue.extendleft(reversed(left))
            self._tally.add(taken=-len(left))
            self._moving -= len(batch)
