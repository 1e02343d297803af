"""The spill: observations that the store could not take, on disk until it can.

Every process that spills has a folder of its own with numbered segments and a file ``lock``. It holds a lock on that
file for as long as it lives; the kernel lets go of it however the process ends. Whoever gets that lock afterwards owns
the segments: so a living process adopts those of a dead one, and never two the same.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from kenshin.experiments.observation import ABObservation
from kenshin.experiments.segment import Chunk, count_lines, line_of, read_chunk

_LOCK = "lock"
_ENDING = ".jsonl"


@dataclass(slots=True)
class _Owned:
    """A folder whose lock this process holds; `left` counts its segments that are not settled."""

    folder: Path
    lock: int
    left: int = 0

    def let_go(self) -> None:
        """Close the lock's file; where a fork has made two copies, the lock stays with the other."""
        lock, self.lock = self.lock, -1
        if lock >= 0:
            _close(lock)

    def __del__(self) -> None:
        # A forked child may free its copy before it hears of the fork.
        self.let_go()


@dataclass(slots=True)
class _Segment:
    path: Path
    owner: _Owned
    file: int = -1
    count: int = 0
    size: int = 0
    offset: int = 0


class Spill:
    """Segments of this process and of those it adopted, in the order in which they came.

    Args:
        root: where every process has its folder; made when it is first needed.
        segment_bytes: a segment that has grown so large is followed by another.
        limit_bytes: so much this process spills at most before older segments are settled.
        fsync: whether each append waits until the disk has it. Without, a kill of the process still loses nothing,
            but the end of the machine loses what its cache held.
    """

    def __init__(
        self, root: Path, *, segment_bytes: int = 16 << 20, limit_bytes: int = 1 << 30, fsync: bool = True
    ) -> None:
        self._root = root
        self._segment_bytes = segment_bytes
        self._limit_bytes = limit_bytes
        self._fsync = fsync
        self._lock = threading.RLock()
        self._begin()

    @property
    def pending(self) -> int:
        """How many spilled observations are not settled, adopted ones included."""
        with self._lock:
            return sum(each.count for each in self._segments)

    def append(self, observations: Sequence[ABObservation]) -> int:
        """Spill observations, in order; answers how many of them are on disk now.

        Raises:
            TypeError: one has a field that has no place in JSON; nothing is written.
            ValueError: likewise.
        """
        lines = [line_of(each) for each in observations]
        with self._lock:
            done = 0
            while done < len(lines):
                room = self._limit_bytes - sum(each.size for each in self._segments)
                count = size = 0
                while done + count < len(lines) and size < self._segment_bytes:
                    if size + len(lines[done + count]) > room:
                        break
                    size += len(lines[done + count])
                    count += 1
                if not count or not self._write(lines[done : done + count], size):
                    break
                done += count
            return done

    def read(self, limit: int) -> Chunk | None:
        """The oldest observations that are not settled, at most `limit`; None where there are none.

        Raises:
            OSError: the segment cannot be read.
        """
        with self._lock:
            if not self._segments:
                return None
            oldest = self._segments[0]
            if oldest is self._growing:
                self._close_growing()
            return read_chunk(oldest.path, oldest.offset, limit)

    def settle(self, chunk: Chunk) -> int:
        """Forget what `read` answered last; answers how many observations are missing from a segment that ends."""
        with self._lock:
            oldest = self._segments[0]
            oldest.count -= len(chunk.observations) + chunk.broken
            oldest.offset = chunk.offset
            return self.give_up() if chunk.last else 0

    def give_up(self) -> int:
        """Remove the oldest segment; answers how many observations it still held."""
        with self._lock:
            oldest = self._segments.popleft()
            with suppress(OSError):
                oldest.path.unlink()
            oldest.owner.left -= 1
            if not oldest.owner.left and oldest.owner is not self._own:
                _remove(oldest.owner)
            return oldest.count

    def adopt(self) -> int:
        """Take over the segments of processes that have died; answers how many observations they hold."""
        try:
            folders = sorted(each for each in self._root.iterdir() if each.is_dir())
        except OSError:
            return 0
        with self._lock:
            held = {each.folder for each in self._owners()}
            return sum(self._adopt(folder) for folder in folders if folder not in held)

    def close(self) -> None:
        """Let go of every lock; what is not settled waits for a living process."""
        with self._lock:
            self._close_growing()
            for owner in self._owners():
                if owner.left:
                    owner.let_go()
                else:
                    _remove(owner)
            self._begin()

    def forget(self) -> None:
        """In the child of a fork: everything stays with the parent, its locks included."""
        self._lock = threading.RLock()
        for owner in self._owners():
            owner.let_go()
        if self._growing is not None:
            _close(self._growing.file)
        self._begin()

    def _begin(self) -> None:
        self._own: _Owned | None = None
        self._segments: deque[_Segment] = deque()
        self._growing: _Segment | None = None
        self._number = 0

    def _owners(self) -> list[_Owned]:
        owners = {each.owner.folder: each.owner for each in self._segments}
        if self._own is not None:
            owners[self._own.folder] = self._own
        return list(owners.values())

    def _write(self, lines: Sequence[bytes], size: int) -> bool:
        try:
            growing = self._growing or self._grow()
            _write_whole(growing.file, b"".join(lines))
            if self._fsync:
                os.fsync(growing.file)
        except OSError:
            self._take_back()
            return False
        growing.count += len(lines)
        growing.size += size
        if growing.size >= self._segment_bytes:
            self._close_growing()
        return True

    def _grow(self) -> _Segment:
        if self._own is None:
            self._own = _own_folder(self._root)
        self._number += 1
        path = self._own.folder / f"{self._number:06}{_ENDING}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._growing = _Segment(path, self._own, file)
        self._own.left += 1
        self._segments.append(self._growing)
        return self._growing

    def _take_back(self) -> None:
        # A full disk may have taken a part: cut it off, and let the next append start another segment.
        growing = self._growing
        if growing is None:
            return
        with suppress(OSError):
            os.ftruncate(growing.file, growing.size)
        self._close_growing()
        if not growing.count:
            self._segments.remove(growing)
            growing.owner.left -= 1
            with suppress(OSError):
                growing.path.unlink()

    def _close_growing(self) -> None:
        if self._growing is not None:
            _close(self._growing.file)
            self._growing = None

    def _adopt(self, folder: Path) -> int:
        lock = _locked(folder / _LOCK)
        if lock is None:
            return 0
        owner = _Owned(folder, lock)
        found = []
        try:
            for path in sorted(folder.glob(f"*{_ENDING}")):
                found.append(_Segment(path, owner, count=count_lines(path), size=path.stat().st_size))
        except OSError:
            owner.let_go()
            return 0
        if not found:
            _remove(owner)
            return 0
        owner.left = len(found)
        # At the end, since the first segment may just be half read.
        self._segments.extend(found)
        return sum(each.count for each in found)


def _own_folder(root: Path) -> _Owned:
    for _ in range(8):
        folder = root / f"{os.getpid()}-{uuid4().hex[:12]}"
        folder.mkdir(parents=True, mode=0o700)
        with suppress(FileNotFoundError):
            os.close(os.open(folder / _LOCK, os.O_WRONLY | os.O_CREAT, 0o600))
        lock = _locked(folder / _LOCK)
        if lock is not None:
            return _Owned(folder, lock)
        # Somebody took the new folder for a dead process's between two of these lines.
    raise OSError(f"no folder under {root} can be locked")


def _locked(path: Path) -> int | None:
    """A file's descriptor with its lock held; None if another has it or the file is gone."""
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file).st_nlink:
            return file
    except OSError:
        pass
    os.close(file)
    return None


def _remove(owner: _Owned) -> None:
    shutil.rmtree(owner.folder, ignore_errors=True)
    owner.let_go()


def _close(file: int) -> None:
    with suppress(OSError):
        os.close(file)


def _write_whole(file: int, body: bytes) -> None:
    view = memoryview(body)
    while view:
        view = view[os.write(file, view) :]
