"""The sample of a day: the same for everybody, round the circle, untouched by the order of loading."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from contract.drift_doubles import ManagedIndex, ServerlessIndex
from hypothesis import given
from hypothesis import strategies as st

from kenshin.drift.index import SAMPLE_KEYS, StoredDocument, sample_key
from kenshin.drift.sampling import PAGE, draw_sample, start_key
from kenshin.errors import InvalidInput
from kenshin.ports import Page

keys = st.integers(0, SAMPLE_KEYS - 1)
AT = datetime(2026, 11, 1, tzinfo=UTC)


def documents_of(sample_keys):
    return [
        StoredDocument(f"doc-{number}", "t", [1.0], sample_key=key) for number, key in enumerate(sample_keys)
    ]


@given(
    st.lists(keys | st.integers(0, 5), max_size=30),
    keys | st.integers(0, 5),
    st.integers(1, 40),
    st.randoms(),
)
def test_it_is_the_first_so_many_from_the_start_round_the_circle(sample_keys, start, size, random):
    documents = documents_of(sample_keys)
    shuffled = random.sample(documents, len(documents))
    drawn = draw_sample(ManagedIndex(shuffled), size=size, start=start)
    circle = sorted(documents, key=lambda each: ((each.sample_key - start) % SAMPLE_KEYS, each.doc_id))
    assert [each.doc_id for each in drawn] == [each.doc_id for each in circle[:size]]


@given(st.lists(keys, max_size=20, unique=True), keys, st.integers(1, 25))
def test_of_an_id_that_is_there_twice_the_newest_is_kept_and_counts_once(sample_keys, start, size):
    old = [replace(each, embedded_at=AT, text="old") for each in documents_of(sample_keys)]
    index = ServerlessIndex(old)
    index.replace(
        [
            (each, replace(each, embedded_at=AT + timedelta(days=1), text="new"))
            for each in index.fetch([document.doc_id for document in old])
        ]
    )
    index.refresh()
    drawn = draw_sample(index, size=size, start=start)
    assert len(drawn) == min(size, len(old))
    assert len({each.doc_id for each in drawn}) == len(drawn)
    assert {each.text for each in drawn} <= {"new"}


def test_the_start_is_decided_by_index_and_day():
    day = date(2026, 11, 5)
    assert start_key("products", day) == start_key("products", day)
    starts = {start_key(name, day + timedelta(days=n)) for name in ("products", "reviews") for n in range(50)}
    assert len(starts) == 100
    assert all(0 <= start < SAMPLE_KEYS for start in starts)


def test_over_the_days_every_document_is_drawn_about_equally_often():
    documents = [StoredDocument(f"doc-{number}", "t", [1.0]) for number in range(100)]
    index = ManagedIndex(documents)
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(300)]
    counts = Counter(
        each.doc_id for day in days for each in draw_sample(index, size=20, start=start_key("products", day))
    )
    assert len(counts) == 100
    assert sum(counts.values()) == 6000
    assert 20 < min(counts.values()) <= max(counts.values()) < 110


def test_an_update_does_not_move_a_document_out_of_the_sample():
    index = ManagedIndex([StoredDocument(f"doc-{number}", "t", [1.0]) for number in range(50)])
    before = draw_sample(index, size=10, start=5)
    index.replace([(each, replace(each, text="changed", embedded_at=AT)) for each in before[:5]])
    assert [each.doc_id for each in draw_sample(index, size=10, start=5)] == [each.doc_id for each in before]


class Counting(ManagedIndex):
    """Remembers how much it was asked for."""

    largest_page = 10_000

    def __init__(self, documents) -> None:
        super().__init__(documents)
        self.limits: list[int] = []

    def scan(self, *, start, limit, as_of=None, page=None) -> Page[StoredDocument]:
        self.limits.append(limit)
        return super().scan(start=start, limit=limit, as_of=as_of, page=page)


def test_pages_are_bounded_and_no_more_of_them_are_read_than_needed():
    index = Counting([StoredDocument(f"doc-{number}", "t", [1.0]) for number in range(2000)])
    assert len(draw_sample(index, size=500, start=0)) == 500
    assert max(index.limits) <= PAGE
    assert len(index.limits) <= 500 // PAGE + 2
    index.limits.clear()
    draw_sample(index, size=1, start=sample_key("doc-7"))
    assert sum(index.limits) <= 4


def test_as_of_is_handed_on():
    index = ManagedIndex([StoredDocument("old", "t", [1.0], embedded_at=AT)])
    assert draw_sample(index, size=5, start=0, as_of=AT - timedelta(seconds=1)) == []


def test_a_sample_of_nothing_is_refused():
    with pytest.raises(InvalidInput):
        draw_sample(ManagedIndex([]), size=0, start=0)
