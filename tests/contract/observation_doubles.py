"""An observation store with a switch: works, fails, hangs, or takes what it answers for with an error."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from datetime import date

from kenshin.experiments.observation import ABObservation
from kenshin.experiments.store import WriteResult
from kenshin.ports import Page


class SwitchedObservations:
    """Holds observations by key; `mode` is works, fails, hangs, or lies (takes the batch, then fails)."""

    def __init__(self, mode: str = "works") -> None:
        self.mode = mode
        self.held: dict[tuple[str, str], ABObservation] = {}
        self.calls = 0
        self.release = threading.Event()
        self._lock = threading.Lock()

    def write(self, batch: Sequence[ABObservation]) -> WriteResult:
        self.calls += 1
        if self.mode == "fails":
            raise sqlite3.OperationalError("database is locked")
        if self.mode == "hangs":
            self.release.wait(600)
        for each in batch:
            if each.prompt_version == "indigestible":
                raise OverflowError("too large to convert")
        with self._lock:
            before = len(self.held)
            for each in batch:
                self.held.setdefault((each.partition, each.observation_id), each)
            stored = len(self.held) - before
        if self.mode == "lies":
            raise ConnectionResetError("after the last byte")
        return WriteResult(stored=stored, duplicates=len(batch) - stored)

    def read(
        self, experiment_id: str, day: date, shard: int, *, page: str | None = None
    ) -> Page[ABObservation]:
        key = f"{experiment_id}#{day.isoformat()}#{shard:02}"
        return Page([each for (partition, _), each in sorted(self.held.items()) if partition == key])

    @property
    def names(self) -> list[str]:
        """The ids held, once for each partition that holds one."""
        return sorted(name for _, name in self.held)
