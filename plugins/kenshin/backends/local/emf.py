"""EMF lines to standard output, or to files ``date=…/hour=…/<process>.jsonl`` that the page and DuckDB read.

A file belongs to one process, so several processes never share one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO
from uuid import uuid4

from kenshin.backends import Opening
from kenshin.signals import emf
from kenshin.signals.records import Record
from kenshin.signals.sink import Sink
from kenshin.urls import PortURL


class EmfStream:
    """Writes to a text stream that somebody else owns."""

    def __init__(self, stream: TextIO | None, namespace: str) -> None:
        self._stream = stream
        self._namespace = namespace

    def write(self, records: Sequence[Record]) -> int:
        """One or more lines a record, in one write."""
        text = "".join(
            f"{line}\n" for record in records for line in emf.lines(record, namespace=self._namespace)
        )
        try:
            (self._stream or sys.stdout).write(text)
        except (OSError, ValueError):
            return len(records)
        return 0

    def flush(self, deadline: float) -> int:
        """Empty the stream's buffer."""
        with suppress(OSError, ValueError):
            (self._stream or sys.stdout).flush()
        return 0

    def close(self) -> None:
        """The stream stays open."""


class EmfFiles:
    """Appends to one file an hour and process under a folder."""

    def __init__(self, folder: Path, namespace: str) -> None:
        self._folder = folder
        self._namespace = namespace
        self._name = ""
        self._pid = 0

    def write(self, records: Sequence[Record]) -> int:
        """Append the records' lines; a record that cannot be written is counted, not raised."""
        if self._pid != os.getpid():
            self._pid, self._name = os.getpid(), f"{os.getpid()}-{uuid4().hex[:8]}.jsonl"
        texts: dict[Path, list[str]] = {}
        sizes: dict[Path, int] = {}
        for record in records:
            path = self._folder / f"date={record.at:%Y-%m-%d}" / f"hour={record.at:%H}" / self._name
            texts.setdefault(path, []).extend(
                f"{line}\n" for line in emf.lines(record, namespace=self._namespace)
            )
            sizes[path] = sizes.get(path, 0) + 1
        lost = 0
        for path, lines in texts.items():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("a", encoding="utf-8") as file:
                    file.write("".join(lines))
            except OSError:
                lost += sizes[path]
        return lost

    def flush(self, deadline: float) -> int:
        """Every write has reached the file already."""
        return 0

    def close(self) -> None:
        """No file is held open."""


def open_emf(url: PortURL, opening: Opening) -> Sink:
    """The backend of ``emf:stdout`` and ``emf:///folder``."""
    if url.path == "stdout":
        return EmfStream(None, opening.namespace)
    return EmfFiles(url.only().file(), opening.namespace)
