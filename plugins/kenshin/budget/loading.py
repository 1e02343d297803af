"""Loading: a process takes over the registry's weights behind its requests, and goes on without them if it must."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from kenshin.budget.calibration import Calibration
from kenshin.lifetime import watch, working

if TYPE_CHECKING:
    from kenshin.documents import Documents

logger = logging.getLogger(__name__)

INTERVAL_S = 600.0
"""So often the document is read, in seconds: the nightly fit changes it once a day."""

DELAY_S = 0.2
"""So long the first reading waits, in seconds: opening the registry should not compete with the first request."""


class WeightsLoader:
    """Keeps a process's calibration supplied with the registry's weights.

    Its thread ends with `close`, or once nobody holds the loader. A forked child keeps what its parent knew.

    Args:
        documents: opens the registry's documents; called by the background thread.
        calibration: what takes them over, where the process has not observed calls itself.
        interval_s: pause between two readings, in seconds.
        delay_s: pause before the first.
    """

    def __init__(
        self,
        documents: Callable[[], Documents],
        calibration: Calibration,
        *,
        interval_s: float = INTERVAL_S,
        delay_s: float = DELAY_S,
    ) -> None:
        self._documents = documents
        self.calibration = calibration
        self._pauses_s = (delay_s, interval_s)
        self._failing = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        watch(self)

    def start(self) -> None:
        """Begin to read in the background."""
        thread = threading.Thread(
            target=_keep_loading,
            args=(weakref.ref(self), self._stop, *self._pauses_s),
            name="kenshin-calibration",
            daemon=True,
        )
        try:
            thread.start()
        except RuntimeError:
            logger.debug("No thread can be started: the fitted numbers stay in force", exc_info=True)
        else:
            self._thread = thread

    def refresh(self) -> bool:
        """Read the document in this thread; answers whether that succeeded. It never raises."""
        from kenshin.budget.weights import read_weights

        try:
            weights, _ = read_weights(self._documents())
        except Exception as error:
            if not self._failing:
                self._failing = True
                logger.warning(
                    "The calibration of token estimates cannot be read; what was known stays in force (%s: %s)",
                    type(error).__name__,
                    error,
                )
            return False
        self.calibration.begin_from(weights.corrections)
        if self._failing:
            self._failing = False
            logger.warning("The calibration of token estimates can be read again.")
        return True

    def close(self) -> None:
        """Stop reading; what is known stays."""
        self._stop.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=1.0)

    def after_fork(self) -> None:
        """In the child: the thread is the parent's."""
        self._stop, self._thread = threading.Event(), None
        self.calibration.after_fork()


def _keep_loading(
    loader: weakref.ref[WeightsLoader], stop: threading.Event, delay_s: float, interval_s: float
) -> None:
    pause_s = delay_s
    while not stop.wait(pause_s):
        held = loader()
        if held is None:
            return
        with working():
            held.refresh()
        del held
        pause_s = interval_s
