"""What carries records out of the process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from kenshin.signals.record import Record


class Sink(Protocol):
    """Called from one thread at a time: the lane's own, or in the synchronous mode the caller's; never raises."""

    def write(self, records: Sequence[Record]) -> int:
        """Take a batch; answers how many records it could not take."""
        ...

    def flush(self, deadline: float) -> int:
        """Hand on what is held back, by `deadline` (seconds from now); answers how many records were lost."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
