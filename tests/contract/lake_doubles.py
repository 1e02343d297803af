"""A double of the lake that behaves like S3: opaque etags, no directories, conditional writes that answer 412."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from kenshin.errors import Conflict, InvalidName, NotFound
from kenshin.lake import ObjectRef


class ObjectStore:
    """Objects in memory; every write has an etag of its own, equal content or not."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[ObjectRef, bytes]] = {}
        self.writes: list[str] = []
        self._lock = threading.Lock()

    def put(self, key: str, body: Path | bytes, *, expect: str = "any") -> ObjectRef:
        if not all(
            re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._=-]*", part) and ".." not in part
            for part in key.split("/")
        ):
            raise InvalidName(value=key, reason="not usable as a key", mend="Use letters, digits and '._=-'.")
        content = body.read_bytes() if isinstance(body, Path) else body
        with self._lock:
            there = self.objects.get(key)
            etag = None if there is None else there[0].etag
            if expect != "any" and etag != (None if expect == "absent" else expect):
                raise Conflict(value=key, reason="412 Precondition Failed", mend="Read it again.")
            ref = ObjectRef(key, f'"{uuid4().hex}-7"', len(content), datetime.now(UTC))
            self.objects[key] = ref, content
            self.writes.append(key)
        return ref

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        if key not in self.objects:
            raise NotFound(value=key, reason="404", mend="Publish it first.")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / key.rpartition("/")[2]
            path.write_bytes(self.objects[key][1])
            yield path

    def list(self, prefix: str) -> Iterator[ObjectRef]:
        with self._lock:
            found = sorted(key for key in self.objects if key.startswith(prefix))
        for key in found:
            if key in self.objects:
                yield self.objects[key][0]

    def delete(self, keys: Sequence[str]) -> None:
        with self._lock:
            for key in keys:
                self.objects.pop(key, None)

    def age(self, key: str, modified: datetime) -> None:
        """Let an object be older than it is."""
        ref, content = self.objects[key]
        self.objects[key] = replace(ref, modified=modified), content
