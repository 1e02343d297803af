"""A small house of its own for drift: a lake, a cheap model, an index whose documents are wrong in known ways."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from contract.drift_doubles import DictCache, FakeEmbedder, ManagedIndex
from contract.lake_doubles import ObjectStore

from kenshin.drift import checkup
from kenshin.drift.index import StoredDocument
from kenshin.drift.report import read_report

DAY = date(2026, 11, 5)


@dataclass
class House:
    """Everything that a check-up needs."""

    embedder: FakeEmbedder
    index: ManagedIndex
    lake: object
    cache: DictCache
    name: str = "products"

    def draw(self, *, size=300, day=DAY, **rest):
        how = {"as_of": None, "mode": "observed", "fingerprint": str(self.embedder.fingerprint), **rest}
        return checkup.draw(self.index, self.lake, index_name=self.name, day=day, sample_size=size, **how)

    def embed(self, chunk, *, day=DAY, **rest):
        embedder = rest.pop("embedder", self.embedder)
        return checkup.embed_chunk(
            self.lake, embedder, self.cache, index_name=self.name, day=day, chunk=chunk, **rest
        )

    def compare(self, *, day=DAY, threshold=None):
        above = 0.15 if threshold is None else threshold
        return checkup.compare(self.lake, index_name=self.name, day=day, threshold=above)

    def run(self, *, day=DAY, threshold=None, **rest):
        for chunk in self.draw(day=day, **rest)["chunks"]:
            self.embed(chunk, day=day)
        self.compare(day=day, threshold=threshold)
        return read_report(self.lake, self.name, day)


@pytest.fixture
def make_document():
    embedder = FakeEmbedder()

    def make(number: int, **changes) -> StoredDocument:
        text = f"text {number}"
        sound = StoredDocument(
            f"doc-{number:04}",
            text,
            embedder.vector(text),
            fingerprint=str(embedder.fingerprint),
            embedded_at=datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=number),
            language="en" if number % 2 else "ja",
        )
        return replace(sound, **changes)

    return make


@pytest.fixture
def make_house(make_document):
    def make(count=150, *, bad=(), lake=None, embedder=None) -> House:
        documents = {f"doc-{number:04}": make_document(number) for number in range(count)}
        documents |= {each.doc_id: each for each in bad}
        return House(
            embedder or FakeEmbedder(),
            ManagedIndex(list(documents.values())),
            lake or ObjectStore(),
            DictCache(),
        )

    return make
