"""A sink that only remembers, for tests."""

from __future__ import annotations

from collections.abc import Sequence

from kenshin.signals.record import Record


class MemorySink:
    """Keeps every record in `records`."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def write(self, records: Sequence[Record]) -> int:
        """Remember a batch."""
        self.records.extend(records)
        return 0

    def flush(self, deadline: float) -> int:
        """Nothing is held back."""
        return 0

    def close(self) -> None:
        """Nothing to let go of; the records stay readable."""


def open_memory(url: object, opening: object) -> MemorySink:
    """The backend of ``memory:``."""
    return MemorySink()
