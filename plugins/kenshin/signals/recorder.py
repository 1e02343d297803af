"""The recorder: takes a record in microseconds and carries it to the sinks from a thread of its own.

Observability fails open: `record` neither blocks nor raises. A full queue or a failing sink costs records, which are
counted in `dropped`.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence

from kenshin.signals.records import Record
from kenshin.signals.sink import Sink

logger = logging.getLogger(__name__)


class Recorder:
    """A bounded queue in front of sinks.

    Args:
        sinks: where records go, each gets every record.
        capacity: how many records may wait; one more is dropped.
        interval_s: how long a record waits at most before the flusher takes it, in seconds.
        exit_deadline_s: how long the process waits at its end for the queue to empty, in seconds.
    """

    _closed: bool
    _wake: threading.Event

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        capacity: int = 10_000,
        interval_s: float = 0.5,
        exit_deadline_s: float = 2.0,
    ) -> None:
        self.sinks = tuple(sinks)
        self.dropped = 0
        self._capacity = capacity
        self._interval_s = interval_s
        self._exit_deadline_s = exit_deadline_s
        self._start_afresh()
        _recorders.add(self)

    def record(self, record: Record) -> None:
        """Queue a record for the sinks."""
        if self._closed or len(self._queue) >= self._capacity:
            self.dropped += 1
            return
        self._queue.append(record)
        if self._thread is None:
            self._start_thread()

    def flush(self, deadline_s: float = 5.0) -> int:
        """Carry out everything queued so far; answers how many records are lost in all.

        Args:
            deadline_s: give up after so many seconds; what is left stays queued.
        """
        end = time.monotonic() + deadline_s
        if not self._drain_lock.acquire(timeout=max(deadline_s, 0)):
            return self.dropped
        try:
            self._drain(end)
            for sink in self.sinks:
                try:
                    self.dropped += sink.flush(max(end - time.monotonic(), 0))
                except Exception:
                    logger.exception("A sink failed to flush: %s", type(sink).__name__)
        finally:
            self._drain_lock.release()
        return self.dropped

    def close(self) -> None:
        """Flush within the exit deadline and let go of the sinks; later records are dropped and counted."""
        if self._closed:
            return
        self.flush(self._exit_deadline_s)
        self._closed = True
        self._wake.set()
        if self.dropped:
            logger.warning("%d records could not be carried out and are lost", self.dropped)
        for sink in self.sinks:
            try:
                sink.close()
            except Exception:
                logger.exception("A sink failed to close: %s", type(sink).__name__)

    def _start_afresh(self) -> None:
        self._closed = False
        self._queue: deque[Record] = deque()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._start_lock = threading.Lock()
        self._drain_lock = threading.Lock()

    def _start_thread(self) -> None:
        with self._start_lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="kenshin-signals", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(self._interval_s)
            with self._drain_lock:
                self._drain(time.monotonic() + 60)

    def _drain(self, end: float) -> None:
        while self._queue and time.monotonic() < end:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), 500))]
            for sink in self.sinks:
                try:
                    self.dropped += sink.write(batch)
                except Exception:
                    self.dropped += len(batch)
                    logger.exception("A sink failed to write: %s", type(sink).__name__)


_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()


def _close_all() -> None:
    for recorder in list(_recorders):
        recorder.close()


def _after_fork() -> None:
    # The child must not carry out what the parent has queued: both would.
    for recorder in list(_recorders):
        recorder._start_afresh()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
