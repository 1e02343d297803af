"""The port to recorded usage: what the nightly fit of calibration reads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from kenshin.signals.usage import UsageObserved


class UsageLog(Protocol):
    """Recorded usage, by time."""

    def read(self, since: datetime, until: datetime) -> Iterator[UsageObserved | None]:
        """The records of a span of time, in no order; None for each that cannot be read.

        Args:
            since: the first instant, aware.
            until: the first instant after it.
        """
        ...
