"""Doubles of the drift ports that keep to the hard limits of stores in a cloud, and a model that costs nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from itertools import count

import numpy as np

from kenshin.drift.embedder import Embedded, Fingerprint, Kind
from kenshin.drift.index import IndexInfo, Outcome, StoredDocument, sample_key
from kenshin.errors import InvalidInput, NotFound
from kenshin.ports import Page


def document_key(document: StoredDocument) -> int:
    return sample_key(document.doc_id) if document.sample_key is None else document.sample_key


class ManagedIndex:
    """As a managed OpenSearch domain: ids of one's own, sequence numbers that notice a conflict, bounded pages."""

    largest_page = 50

    def __init__(self, documents: Sequence[StoredDocument] | None) -> None:
        self._sequence = count(1)
        self._documents: dict[str, StoredDocument] | None = None
        if documents is not None:
            self._documents = {}
            for document in documents:
                self._write(document)

    def describe(self) -> IndexInfo:
        return IndexInfo("managed", len(self._there()), dimensions_of(self._there().values()), True, 1.0)

    def scan(self, *, start: int, limit: int, as_of: datetime | None = None, page: str | None = None):
        if limit > self.largest_page:
            # A server caps what it returns; it does not fail.
            limit = self.largest_page
        return page_of(self._there().values(), start=start, limit=limit, as_of=as_of, page=page)

    def fetch(self, doc_ids: Sequence[str]) -> Sequence[StoredDocument]:
        there = self._there()
        return [there[doc_id] for doc_id in doc_ids if doc_id in there]

    def replace(self, updates: Sequence[tuple[StoredDocument, StoredDocument]]) -> Sequence[Outcome]:
        outcomes = []
        for before, after in updates:
            there = self._there().get(before.doc_id)
            if before.doc_id != after.doc_id:
                outcomes.append(Outcome(before.doc_id, "failed", "another document"))
            elif there is None:
                outcomes.append(Outcome(before.doc_id, "missing", "not found"))
            elif there.locator != before.locator:
                outcomes.append(Outcome(before.doc_id, "conflict", "version conflict"))
            else:
                self._write(after)
                outcomes.append(Outcome(before.doc_id, "replaced"))
        return outcomes

    def settle(self) -> None:
        """Writes are seen at once."""

    def _write(self, document: StoredDocument) -> None:
        self._there()[document.doc_id] = replace(
            document, sample_key=document_key(document), locator=f"{next(self._sequence)}/1"
        )

    def _there(self) -> dict[str, StoredDocument]:
        if self._documents is None:
            raise NotFound(value="managed", reason="no such index", mend="Create it.")
        return self._documents


class ServerlessIndex:
    """As a vector collection of OpenSearch Serverless: ids are the server's, nothing notices a conflict, writes are
    seen late, and a replacement is a new document beside the old one, which goes a refresh later."""

    largest_page = 50

    def __init__(self, documents: Sequence[StoredDocument] | None) -> None:
        self._ids = count(1)
        self._seen: dict[str, StoredDocument] | None = None if documents is None else {}
        self._added: dict[str, StoredDocument] = {}
        self._deleted: list[str] = []
        for document in documents or ():
            self._index(document)
        self.settle()

    def describe(self) -> IndexInfo:
        return IndexInfo("serverless", len(self._there()), dimensions_of(self._there().values()), False, 60.0)

    def scan(self, *, start: int, limit: int, as_of: datetime | None = None, page: str | None = None):
        limit = min(limit, self.largest_page)
        return page_of(self._there().values(), start=start, limit=limit, as_of=as_of, page=page)

    def fetch(self, doc_ids: Sequence[str]) -> Sequence[StoredDocument]:
        newest: dict[str, StoredDocument] = {}
        for document in self._there().values():
            newest[document.doc_id] = document
        return [newest[doc_id] for doc_id in doc_ids if doc_id in newest]

    def replace(self, updates: Sequence[tuple[StoredDocument, StoredDocument]]) -> Sequence[Outcome]:
        outcomes = []
        for before, after in updates:
            if before.doc_id != after.doc_id:
                outcomes.append(Outcome(before.doc_id, "failed", "another document"))
            elif before.locator not in self._there():
                outcomes.append(Outcome(before.doc_id, "missing", "not found"))
            else:
                self._index(after)
                self._deleted.append(before.locator)
                outcomes.append(Outcome(before.doc_id, "replaced"))
        return outcomes

    def refresh(self) -> None:
        """New documents become visible; those they replace are still there."""
        self._there().update(self._added)
        self._added = {}

    def settle(self) -> None:
        """Everything written so far becomes visible, and what was deleted goes."""
        if self._seen is not None:
            self.refresh()
            for locator in self._deleted:
                self._seen.pop(locator, None)
            self._deleted = []

    def _index(self, document: StoredDocument) -> None:
        locator = f"1%3A0%3A{next(self._ids):06}"
        self._added[locator] = replace(document, sample_key=document_key(document), locator=locator)

    def _there(self) -> dict[str, StoredDocument]:
        if self._seen is None:
            raise NotFound(value="serverless", reason="no such index", mend="Create it.")
        return self._seen


def dimensions_of(documents) -> int | None:
    lengths = [len(each.vector) for each in documents if each.vector is not None and len(each.vector)]
    return max(sorted(set(lengths)), key=lengths.count) if lengths else None


def page_of(documents, *, start: int, limit: int, as_of: datetime | None, page: str | None):
    """A page by `search_after` on (sample_key, doc_id, locator)."""
    ordered = sorted(documents, key=lambda each: (each.sample_key, each.doc_id, each.locator))
    found = [
        each
        for each in ordered
        if each.sample_key >= start
        and (as_of is None or each.embedded_at is None or each.embedded_at <= as_of)
    ]
    first = 0 if page is None else int(page)
    following = first + limit
    return Page(found[first:following], str(following) if following < len(found) else None)


class FakeEmbedder:
    """Vectors from a hash of the text: costs nothing, and counts what it was asked.

    Args:
        dimensions: of a vector.
        fail: texts that get an error.
        max_batch: more texts a call are refused.
    """

    def __init__(
        self, dimensions: int = 8, *, fail: Sequence[str] = (), max_batch: int = 16, model: str = "m"
    ) -> None:
        self.fingerprint = Fingerprint("fake", model, dimensions, True, "first 2000 characters", "")
        self.max_batch = max_batch
        self.asked: list[str] = []
        self._fail = set(fail)

    def embed(self, texts: Sequence[str], *, kind: Kind, deadline: float) -> Sequence[Embedded]:
        if len(texts) > self.max_batch:
            raise InvalidInput(value=len(texts), reason="too many texts", mend=f"At most {self.max_batch}.")
        end = time.monotonic() + deadline
        self.asked.extend(texts)
        return [self._embed(text, kind, end) for text in texts]

    def _embed(self, text: str, kind: Kind, end: float) -> Embedded:
        if time.monotonic() >= end:
            return Embedded(None, "Deadline: too late")
        if text in self._fail:
            return Embedded(None, "ValidationException: refused")
        return Embedded(self.vector(text, kind), truncated=len(text) > 2000)

    def vector(self, text: str, kind: Kind = "passage"):
        seed = sha256(f"{self.fingerprint}{kind}{text[:2000]}".encode("utf-8", "surrogatepass")).digest()
        made = np.random.default_rng(int.from_bytes(seed[:8], "big")).normal(size=self.fingerprint.dimensions)
        return (made / np.linalg.norm(made)).astype(np.float32)


class DictCache:
    """A cache that may forget: it holds only so many vectors."""

    def __init__(self, room: int = 1000) -> None:
        self.kept: dict[tuple[str, Kind, str], Embedded] = {}
        self._room = room

    def get(self, fingerprint: str, kind: Kind, text_hashes: Sequence[str]) -> Mapping[str, Embedded]:
        return {
            digest: self.kept[fingerprint, kind, digest]
            for digest in text_hashes
            if (fingerprint, kind, digest) in self.kept
        }

    def put(self, fingerprint: str, kind: Kind, embedded: Mapping[str, Embedded]) -> None:
        for digest, each in embedded.items():
            if each.error is None and len(self.kept) < self._room:
                self.kept.setdefault((fingerprint, kind, digest), each)
