"""A refresher: what a process knows of a store is read again and again in the background, so that no request waits.

A store that cannot be read leaves what was known in force; that is logged once, and once more when it is mended.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from random import Random

from kenshin.lifetime import watch, working

logger = logging.getLogger(__name__)

JITTER = 0.2
"""Each pause is longer or shorter by up to this share, so that a fleet does not ask in one moment."""


class Refresher:
    """Reads in a thread of its own, which ends with `close`, or once nobody holds the reader.

    A forked child begins without a thread: the next `start` gives it one.

    Args:
        read: a method that reads the store and puts what it found in force; held weakly, as its object holds this.
        what: what is read, in logs, e.g. "The registry of experiments".
        name: of the thread.
        interval_s: pause between two readings, in seconds.
        delay_s: pause before the first, in seconds.
        rng: draws the jitter of pauses.
    """

    _thread: threading.Thread | None

    def __init__(
        self,
        read: Callable[[], None],
        *,
        what: str,
        name: str,
        interval_s: float,
        delay_s: float = 0.0,
        rng: Random | None = None,
    ) -> None:
        self.interval_s = interval_s
        self.refreshes = 0
        self.failures = 0
        self._read = weakref.WeakMethod(read)
        self._what, self._name = what, name
        self._delay_s = delay_s
        self._rng = rng or Random()  # noqa: S311
        self._failing = False
        self._closed = False
        self._begin()
        watch(self)

    @property
    def started(self) -> bool:
        """Whether the thread has been started, in this process."""
        return self._thread is not None

    def start(self) -> None:
        """Begin to read in the background, unless that has begun, or is over."""
        with self._starting:
            if self._thread is not None or self._closed:
                return
            thread = threading.Thread(
                target=_keep_fresh,
                args=(weakref.ref(self), self._stop, self._delay_s),
                name=self._name,
                daemon=True,
            )
            try:
                thread.start()
            except RuntimeError:
                logger.debug("%s: no thread can be started to read it", self._what, exc_info=True)
                return
            self._thread = thread

    def refresh(self) -> bool:
        """Read in this thread; answers whether that succeeded. It never raises."""
        read = self._read()
        if read is None:
            return False
        try:
            read()
        except Exception as error:
            self.failures += 1
            if not self._failing:
                self._failing = True
                logger.warning(
                    "%s cannot be read; what was known stays in force (%s: %s)",
                    self._what,
                    type(error).__name__,
                    error,
                )
            return False
        self.refreshes += 1
        if self._failing:
            self._failing = False
            logger.warning("%s can be read again.", self._what)
        return True

    def close(self) -> None:
        """Stop reading; what is known stays."""
        self._closed = True
        self._stop.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=1.0)

    def after_fork(self) -> None:
        """In the child: the thread is the parent's."""
        self._begin()
        self._rng = Random()  # noqa: S311 - or all children would draw the same pauses

    def _begin(self) -> None:
        self._thread = None
        self._starting = threading.Lock()
        self._stop = threading.Event()

    def _pause_s(self) -> float | None:
        """How long to wait for the next reading; None: nobody needs one."""
        if self._read() is None:
            return None
        return self.interval_s * self._rng.uniform(1 - JITTER, 1 + JITTER)


def _keep_fresh(refresher: weakref.ref[Refresher], stop: threading.Event, delay_s: float) -> None:
    pause_s: float | None = delay_s
    while pause_s is not None and not stop.wait(pause_s):
        held = refresher()
        if held is None:
            return
        with working():
            held.refresh()
        pause_s = held._pause_s()
        del held
