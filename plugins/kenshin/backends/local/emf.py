"""EMF lines to standard output, or to files ``date=…/hour=…/<process>.jsonl`` that the page and DuckDB read.

A file belongs to one process, so several processes never share one. Lines are written by the system call itself, past
any buffer: a buffer that is not empty at a fork would be written twice.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TextIO

from kenshin.backends import Opening
from kenshin.errors import SettingError
from kenshin.signals.emf import EmfRenderer
from kenshin.signals.guard import DimensionGuard
from kenshin.signals.record import Record
from kenshin.signals.sink import Sink
from kenshin.urls import PortURL

ROTATE_MB = 64


class EmfStream:
    """Writes to a stream that somebody else owns, each record by one call.

    Processes that share a pipe write whole lines as long as a line has at most 4,096 bytes (PIPE_BUF).

    Args:
        stream: where lines go; None: standard output, whatever it is at the time.
        renderer: makes the lines.
    """

    def __init__(self, stream: TextIO | None, renderer: EmfRenderer) -> None:
        self._stream = stream
        self._renderer = renderer

    def write(self, records: Sequence[Record]) -> int:
        """One or more lines a record; answers how many records could not be written."""
        lost = 0
        for text in self._renderer.batch(records):
            try:
                if text is None:
                    lost += 1
                else:
                    self._put(text)
            except (OSError, ValueError):
                lost += 1
        return lost

    def flush(self, deadline: float) -> int:
        """Every write has reached the stream already."""
        return 0

    def close(self) -> None:
        """The stream stays open."""

    def _put(self, text: bytes) -> None:
        stream = self._stream or sys.stdout
        try:
            descriptor = stream.fileno()
        except (OSError, ValueError, AttributeError):
            stream.write(text.decode("utf-8"))
            stream.flush()
        else:
            view = memoryview(text)
            while view:
                view = view[os.write(descriptor, view) :]


class EmfFiles:
    """Appends to one file an hour and process under a folder; a file that has grown large is followed by another.

    Args:
        folder: where the files go; made when it is first needed.
        renderer: makes the lines.
        rotate_bytes: a file is left for a new one when it has at least so many.
    """

    def __init__(self, folder: Path, renderer: EmfRenderer, *, rotate_bytes: int = ROTATE_MB << 20) -> None:
        self._folder = folder
        self._renderer = renderer
        self._rotate_bytes = rotate_bytes
        self._pid = 0

    def write(self, records: Sequence[Record]) -> int:
        """Append the records' lines; answers how many records could not be written."""
        if self._pid != os.getpid():
            self._pid, self._token, self._parts = os.getpid(), os.urandom(4).hex(), count(1)
            self._name = f"{self._pid}-{self._token}.jsonl"
        texts: dict[Path, list[bytes]] = {}
        lost = 0
        for record, text in zip(records, self._renderer.batch(records), strict=True):
            if text is None:
                lost += 1
            else:
                folder = self._folder / f"date={record.at:%Y-%m-%d}" / f"hour={record.at:%H}"
                texts.setdefault(folder, []).append(text)
        return lost + sum(self._append(folder, each) for folder, each in texts.items())

    def flush(self, deadline: float) -> int:
        """Every write has reached the file already."""
        return 0

    def close(self) -> None:
        """No file is held open."""

    def _append(self, folder: Path, texts: Sequence[bytes]) -> int:
        """Append records' lines to the file of now; answers how many are not in it. None is ever there in part."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / self._name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError:
            return len(texts)
        try:
            before = os.fstat(descriptor).st_size
            whole = _write_whole(descriptor, texts, before)
            if before + sum(map(len, texts[:whole])) >= self._rotate_bytes:
                self._name = f"{self._pid}-{self._token}-{next(self._parts)}.jsonl"
        finally:
            os.close(descriptor)
        return len(texts) - whole


def _write_whole(descriptor: int, texts: Sequence[bytes], before: int) -> int:
    """Append texts to a file of ours; answers how many are in it. One that the disk took in part is cut off again."""
    view = memoryview(b"".join(texts))
    written = 0
    try:
        while written < len(view):
            written += os.write(descriptor, view[written:])
    except OSError:
        whole = size = 0
        for text in texts:
            if size + len(text) > written:
                break
            whole, size = whole + 1, size + len(text)
        with suppress(OSError):
            os.ftruncate(descriptor, before + size)
        return whole
    return len(texts)


def open_emf(url: PortURL, opening: Opening) -> Sink:
    """The backend of ``emf:stdout`` and ``emf:///folder[?rotate_mb=64]``."""
    renderer = EmfRenderer(opening.namespace, DimensionGuard(opening.dimension_cap))
    if url.path == "stdout":
        url.only()
        return EmfStream(None, renderer)
    size = url.only("rotate_mb").params.get("rotate_mb", str(ROTATE_MB))
    if not size.isdecimal() or int(size) == 0:
        raise SettingError(
            value=url.raw, reason="rotate_mb is no size", mend="Give whole megabytes, e.g. 64."
        )
    return EmfFiles(url.file(), renderer, rotate_bytes=int(size) << 20)
