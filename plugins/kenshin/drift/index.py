"""The vector index as drift needs it: describe, draw in a reproducible order, fetch, replace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal, Protocol

from kenshin.drift.embedder import Vector
from kenshin.ports import Page

SAMPLE_KEYS = 2**63
"""Sample keys lie from 0 up to, not including, this."""


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What an index says of itself.

    Args:
        name: of the index.
        count: documents in it.
        dimensions: of its vectors; None where it does not say.
        optimistic: whether `replace` notices that a document changed meanwhile.
        visible_after_s: after how many seconds a write is seen by `scan`.
    """

    name: str
    count: int
    dimensions: int | None
    optimistic: bool
    visible_after_s: float


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as the index holds it.

    Args:
        doc_id: the application's id.
        text: what was embedded; None or empty where the index lost it.
        vector: the stored embedding, as it was stored; None where there is none.
        sample_key: `sample_key(doc_id)` where the index stores it.
        text_hash: SHA-256 of the text that was embedded, where it was recorded.
        fingerprint: of the embedder that made the vector, where it was recorded.
        embedded_at: when, where it was recorded; aware, UTC.
        language: BCP 47 tag, where it is known.
        locator: how the index finds this very version again; opaque.
    """

    doc_id: str
    text: str | None
    vector: Vector | None
    sample_key: int | None = None
    text_hash: str | None = None
    fingerprint: str | None = None
    embedded_at: datetime | None = None
    language: str | None = None
    locator: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one replacement."""

    doc_id: str
    status: Literal["replaced", "conflict", "missing", "failed"]
    reason: str = ""


class VectorIndex(Protocol):
    """An index of embedded documents."""

    def describe(self) -> IndexInfo:
        """Count, dimensions and manners; raises NotFound where the index does not exist."""
        ...

    def scan(
        self, *, start: int, limit: int, as_of: datetime | None = None, page: str | None = None
    ) -> Page[StoredDocument]:
        """Documents in order of (sample_key, doc_id), from sample key `start` upwards to the end.

        The caller wraps round, and keeps the newest of a doc_id that appears twice.

        Args:
            start: first sample key.
            limit: at most so many documents a page.
            as_of: leave out what was embedded after this instant.
            page: token of the next page.
        """
        ...

    def fetch(self, doc_ids: Sequence[str]) -> Sequence[StoredDocument]:
        """Documents by id, in the order asked for; unknown ids are left out."""
        ...

    def replace(self, updates: Sequence[tuple[StoredDocument, StoredDocument]]) -> Sequence[Outcome]:
        """Replace documents, each only if it still is as it was read: pairs of (as read, as it shall be)."""
        ...


class NeighbourSearch(Protocol):
    """Nearest neighbours; not every index offers it."""

    def search(self, vectors: Sequence[Sequence[float]], k: int) -> Sequence[Sequence[str]]:
        """The `k` nearest documents of each vector by cosine, nearest first."""
        ...


def sample_key(doc_id: str) -> int:
    """Where a document stands in the order of samples: the first 63 bits of SHA-256 of its id."""
    return int.from_bytes(sha256(doc_id.encode("utf-8", "surrogatepass")).digest()[:8], "big") >> 1
