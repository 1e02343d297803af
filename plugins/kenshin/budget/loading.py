"""Loading: a process takes over the registry's weights behind its requests, and goes on without them if it must."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kenshin.budget.calibration import Calibration
from kenshin.lifetime import watch
from kenshin.refresher import Refresher

if TYPE_CHECKING:
    from kenshin.documents import Documents

INTERVAL_S = 600.0
"""So often the document is read, in seconds: the nightly fit changes it once a day."""

DELAY_S = 0.2
"""So long the first reading waits, in seconds: opening the registry should not compete with the first request."""


class WeightsLoader:
    """Keeps a process's calibration supplied with the registry's weights.

    A forked child keeps what its parent knew.

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
        self._refresher = Refresher(
            self._load,
            what="The calibration of token estimates",
            name="kenshin-calibration",
            interval_s=interval_s,
            delay_s=delay_s,
        )
        watch(self)

    def start(self) -> None:
        """Begin to read in the background."""
        self._refresher.start()

    def refresh(self) -> bool:
        """Read the document in this thread; answers whether that succeeded. It never raises."""
        return self._refresher.refresh()

    def close(self) -> None:
        """Stop reading; what is known stays."""
        self._refresher.close()

    def after_fork(self) -> None:
        """In the child: no lock of the calibration is held."""
        self.calibration.after_fork()

    def _load(self) -> None:
        from kenshin.budget.weights import read_weights

        weights, _ = read_weights(self._documents())
        self.calibration.begin_from(weights.corrections)
