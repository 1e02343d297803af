"""The lake: whole immutable objects under slash-separated keys, on a disk or in S3.

No rename, no append, no remote SQL: what a file system and an object store both do well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """Where an object lies, which content it had (`etag`), how large it is (bytes) and when it was written (UTC)."""

    key: str
    etag: str
    size: int
    modified: datetime


class Lake(Protocol):
    """A store of whole objects with conditional writes."""

    def put(self, key: str, body: Path | bytes, *, expect: str = "any") -> ObjectRef:
        """Write an object whole.

        Args:
            key: slash-separated, each segment made of letters, digits and ``._=-``.
            body: the content, or a local file that holds it.
            expect: ``"any"`` overwrites, ``"absent"`` creates, anything else is the etag that must be there now.

        Raises:
            Conflict: what is there is not what was expected.
        """
        ...

    def local(self, key: str) -> AbstractContextManager[Path]:
        """A local file with the object's content, to be read only; raises NotFound."""
        ...

    def list(self, prefix: str) -> Iterator[ObjectRef]:
        """Every object whose key starts with `prefix`, in order of key."""
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; a key that is not there is no error."""
        ...
