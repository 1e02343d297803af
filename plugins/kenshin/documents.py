"""Small versioned documents that live with the registry: corrections of token estimates, overrides of breakers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from kenshin.ports import Versioned


class Documents(Protocol):
    """JSON documents by key, each with its version; writes are conditional, reads strongly consistent."""

    def get(self, key: str) -> Versioned[Mapping[str, object]] | None:
        """The document in force, or None."""
        ...

    def put(self, key: str, body: Mapping[str, object], *, expected: int | None) -> int:
        """Write a document and answer its version.

        Args:
            key: its name, see `kenshin.names`.
            body: JSON-ready; at most 350 KB as JSON.
            expected: the version that must be in force now; None: the document must not exist.

        Raises:
            Conflict: another version is in force.
            InvalidInput: the body has no JSON form or is too large.
            InvalidName: the key is none.
        """
        ...
