"""The lake as a folder: ``file:///absolute/folder``.

A write goes to a temporary file beside its target, is synced, and replaces it; a conditional write does so under a
lock on the target's folder, so that several processes on one machine see what S3's If-Match promises.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from kenshin.backends import Opening
from kenshin.errors import Conflict, InvalidName, NotFound
from kenshin.lake import Lake, ObjectRef
from kenshin.urls import PortURL

_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=-]{0,127}")
_LOCK = ".lock"
_TEMPORARY = ".tmp-"


class FileLake:
    """Objects as files under a folder; an etag is the SHA-256 of the content."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, body: Path | bytes, *, expect: str = "any") -> ObjectRef:
        """Write an object whole; see `Lake.put`."""
        target = self._path(key)
        content = body.read_bytes() if isinstance(body, Path) else body
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f"{_TEMPORARY}{uuid4().hex}")
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if expect == "any":
                os.replace(temporary, target)
            else:
                with self._locked(target.parent):
                    self._check(key, target, expect)
                    os.replace(temporary, target)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        return self._ref(key, target)

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        """The file itself; see `Lake.local`."""
        path = self._path(key)
        if not path.is_file():
            raise NotFound(
                value=key, reason="no such object in the lake", mend="Check the key, or publish it first."
            )
        yield path

    def list(self, prefix: str) -> Iterator[ObjectRef]:
        """Objects under a prefix, in order of key; see `Lake.list`."""
        folder = self._root / prefix.rpartition("/")[0]
        found = []
        for directory, _, files in os.walk(folder):
            for name in files:
                path = Path(directory) / name
                key = path.relative_to(self._root).as_posix()
                if name != _LOCK and not name.startswith(_TEMPORARY) and key.startswith(prefix):
                    found.append(key)
        for key in sorted(found):
            with suppress(FileNotFoundError):
                yield self._ref(key, self._root / key)

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; see `Lake.delete`."""
        for key in keys:
            with suppress(FileNotFoundError):
                self._path(key).unlink()

    def _path(self, key: str) -> Path:
        segments = key.split("/")
        if not all(_SEGMENT.fullmatch(segment) and ".." not in segment for segment in segments):
            raise InvalidName(
                value=key,
                reason="not usable as a key of the lake",
                mend="Use letters, digits and '._=-' between '/'.",
            )
        return self._root.joinpath(*segments)

    @contextmanager
    def _locked(self, folder: Path) -> Iterator[None]:
        with (folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _check(self, key: str, target: Path, expect: str) -> None:
        there = _etag(target) if target.exists() else None
        if expect == "absent" and there is not None:
            raise Conflict(value=key, reason="it exists already", mend="Read it, then write with its etag.")
        if expect != "absent" and there != expect:
            raise Conflict(
                value=key, reason="its content changed meanwhile", mend="Read it again, then decide anew."
            )

    def _ref(self, key: str, path: Path) -> ObjectRef:
        stat = path.stat()
        return ObjectRef(key, _etag(path), stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC))


def _etag(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def open_lake(url: PortURL, opening: Opening) -> Lake:
    """The backend of ``file:///folder``."""
    return FileLake(url.only().file())
