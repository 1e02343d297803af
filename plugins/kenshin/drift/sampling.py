"""Which documents of a day are looked at: a range of sample keys from a start that the index and the day decide.

A sample key is a hash of the document's id, so a range of keys is a random sample that updates do not disturb, and
that everybody who asks for the same index and day draws again. Nothing special is needed of the server but the order
of keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from hashlib import sha256

from kenshin.drift.index import SAMPLE_KEYS, StoredDocument, VectorIndex, sample_key
from kenshin.errors import InvalidInput

PAGE = 200
"""Documents are read in pages of at most so many."""

_NEVER = datetime.min.replace(tzinfo=UTC)


def start_key(index_name: str, day: date) -> int:
    """Where the sample of a day begins: 63 bits of SHA-256 of index and day."""
    digest = sha256(f"{index_name}\n{day.isoformat()}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % SAMPLE_KEYS


def draw_sample(
    index: VectorIndex, *, size: int, start: int, as_of: datetime | None = None
) -> list[StoredDocument]:
    """The first `size` documents in order of sample key from `start`, wrapping round; all where there are fewer.

    Of documents that share an id the newest is kept: an index without updates in place holds both for a while.

    Args:
        index: what to draw from.
        size: how many documents, at least 1.
        start: see `start_key`.
        as_of: leave out what was embedded after this instant.

    Raises:
        InvalidInput: the size is not positive.
    """
    if size < 1:
        raise InvalidInput(value=size, reason="a sample needs a document", mend="Ask for at least 1.")
    drawn: dict[str, StoredDocument] = {}
    for document in _circle(index, start=start, limit=min(size + 1, PAGE), as_of=as_of):
        held = drawn.get(document.doc_id)
        # Equal ids share a key and lie side by side, so the next id proves that no newer version follows.
        if held is None and len(drawn) == size:
            break
        if held is None or _age(document) > _age(held):
            drawn[document.doc_id] = document
    return list(drawn.values())


def key_of(document: StoredDocument) -> int:
    """The document's sample key, stored or made from its id."""
    return sample_key(document.doc_id) if document.sample_key is None else document.sample_key


def _circle(
    index: VectorIndex, *, start: int, limit: int, as_of: datetime | None
) -> Iterator[StoredDocument]:
    yield from _upwards(index, start=start, limit=limit, as_of=as_of)
    for document in _upwards(index, start=0, limit=limit, as_of=as_of):
        if key_of(document) >= start:
            return
        yield document


def _upwards(
    index: VectorIndex, *, start: int, limit: int, as_of: datetime | None
) -> Iterator[StoredDocument]:
    page: str | None = None
    while True:
        found = index.scan(start=start, limit=limit, as_of=as_of, page=page)
        yield from found.items
        page = found.next
        if page is None:
            return


def _age(document: StoredDocument) -> tuple[datetime, str]:
    return document.embedded_at or _NEVER, document.locator
