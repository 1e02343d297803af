"""Every vector index does this."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from contract.drift_doubles import ManagedIndex, ServerlessIndex

from kenshin.backends.local.index import SCHEMA, SqliteIndex
from kenshin.backends.local.sqlite import Database
from kenshin.drift.index import SAMPLE_KEYS, StoredDocument, sample_key
from kenshin.drift.sampling import draw_sample
from kenshin.errors import NotFound

AT = datetime(2026, 11, 5, 1, 2, 3, 456789, tzinfo=UTC)
NAN = float("nan")


def stored(name: str, *, vector=(0.5, -0.25, 0.125), hours: int | None = 0, **rest) -> StoredDocument:
    at = None if hours is None else AT + timedelta(hours=hours)
    return StoredDocument(name, rest.pop("text", f"text of {name}"), vector, embedded_at=at, **rest)


class SettledSqlite(SqliteIndex):
    def settle(self) -> None:
        """Writes are seen at once."""


@pytest.fixture(params=["sqlite", "managed", "serverless"])
def make(request, tmp_path):
    """Makes an index that holds some documents; None: the index does not exist."""

    def build(documents):
        if request.param == "managed":
            return ManagedIndex(documents)
        if request.param == "serverless":
            return ServerlessIndex(documents)
        index = SettledSqlite(Database(tmp_path / "index.db", SCHEMA), "products")
        if documents is not None:
            index.add(documents)
        return index

    return build


def scan_all(index, *, start=0, limit=7, as_of=None):
    found, page, pages = [], None, 0
    while True:
        answer = index.scan(start=start, limit=limit, as_of=as_of, page=page)
        assert len(answer.items) <= limit
        found.extend(answer.items)
        page, pages = answer.next, pages + 1
        if page is None:
            return found, pages


def test_it_describes_what_it_holds(make):
    info = make([stored("a"), stored("b"), stored("c", vector=(1.0,)), stored("d", vector=None)]).describe()
    assert (info.count, info.dimensions) == (4, 3)
    assert info.visible_after_s >= 0


def test_an_empty_index_exists(make):
    index = make([])
    assert (index.describe().count, index.describe().dimensions) == (0, None)
    assert draw_sample(index, size=5, start=7) == []


def test_an_index_that_does_not_exist_is_not_found(make):
    with pytest.raises(NotFound):
        make(None).describe()


@pytest.mark.parametrize("limit", [1, 7, 200])
def test_a_scan_goes_up_in_order_of_sample_key_whatever_the_page_size(make, limit):
    documents = [stored(f"doc-{number}") for number in range(60)]
    found, pages = scan_all(make(documents[::-1]), limit=limit)
    assert [each.doc_id for each in found] == sorted(
        (each.doc_id for each in documents), key=lambda x: (sample_key(x), x)
    )
    assert all(each.sample_key == sample_key(each.doc_id) for each in found)
    assert pages >= 60 / limit


def test_a_scan_begins_at_a_key_that_is_included(make):
    documents = [stored(f"doc-{number}") for number in range(20)]
    keys = sorted(sample_key(each.doc_id) for each in documents)
    index = make(documents)
    assert [each.sample_key for each in scan_all(index, start=keys[7])[0]] == keys[7:]
    assert [each.sample_key for each in scan_all(index, start=keys[7] + 1)[0]] == keys[8:]
    assert scan_all(index, start=SAMPLE_KEYS - 1)[0] == []


def test_documents_of_one_key_come_in_order_of_id_across_pages(make):
    documents = [stored(name, sample_key=5) for name in ("c", "a", "b", "d", "e")]
    assert [each.doc_id for each in scan_all(make(documents), limit=2)[0]] == ["a", "b", "c", "d", "e"]


def test_as_of_leaves_out_what_was_embedded_later_and_keeps_what_nobody_dated(make):
    index = make(
        [stored("early", hours=-1), stored("now"), stored("late", hours=1), stored("undated", hours=None)]
    )
    found, _ = scan_all(index, as_of=AT)
    assert {each.doc_id for each in found} == {"early", "now", "undated"}


@pytest.mark.parametrize(
    "vector", [None, (), (0.0, 0.0), (NAN, 1.0), (1.0, 2.0, 3.0, 4.0), (float("inf"), -1e-40)], ids=repr
)
def test_a_vector_comes_back_as_it_was_stored_however_bad_it_is(make, vector):
    (found,) = make([stored("a", vector=vector)]).fetch(["a"])
    if vector is None:
        assert found.vector is None
    else:
        assert np.array_equal(
            np.asarray(found.vector, dtype="f4"), np.asarray(vector, dtype="f4"), equal_nan=True
        )


def test_every_field_comes_back_and_may_be_missing(make):
    full = stored("full", text_hash="h" * 64, fingerprint="p/m/3/abc", language="ja", text="漢字")
    bare = StoredDocument("bare", None, None)
    found = make([full, bare]).fetch(["full", "bare"])
    assert replace(found[0], locator="", vector=full.vector, sample_key=None) == full
    assert replace(found[1], locator="", sample_key=None) == bare


def test_fetch_answers_in_the_order_asked_for_and_leaves_out_the_unknown(make):
    index = make([stored("a"), stored("b"), stored("c")])
    assert [each.doc_id for each in index.fetch(["c", "nobody", "a"])] == ["c", "a"]
    assert list(index.fetch([])) == []


def test_a_replacement_is_seen_once_the_index_has_settled(make):
    index = make([stored("a"), stored("b")])
    (before,) = index.fetch(["a"])
    after = replace(before, vector=(9.0, 8.0, 7.0), embedded_at=AT + timedelta(days=1))
    (outcome,) = index.replace([(before, after)])
    assert (outcome.doc_id, outcome.status) == ("a", "replaced")
    index.settle()
    (now,) = index.fetch(["a"])
    assert list(now.vector) == [9.0, 8.0, 7.0]
    assert now.embedded_at == AT + timedelta(days=1)
    assert now.locator != before.locator
    assert index.describe().count == 2


def test_a_document_that_changed_meanwhile_is_not_replaced_where_the_index_notices(make):
    index = make([stored("a")])
    (before,) = index.fetch(["a"])
    index.replace([(before, replace(before, text="first"))])
    index.settle()
    (outcome,) = index.replace([(before, replace(before, text="second"))])
    index.settle()
    assert outcome.status in ("conflict", "missing")
    assert outcome.reason
    assert index.fetch(["a"])[0].text == "first"


def test_a_replacement_of_what_is_not_there_or_not_the_same_document_is_told(make):
    index = make([stored("a")])
    (before,) = index.fetch(["a"])
    ghost = replace(before, doc_id="ghost", locator="987654321")
    outcomes = index.replace([(ghost, ghost), (before, replace(before, doc_id="b"))])
    assert [each.status for each in outcomes] == ["missing", "failed"]
    assert index.describe().count == 1


def test_a_sample_is_the_same_from_every_index(make):
    documents = [stored(f"doc-{number}") for number in range(120)]
    start = sample_key("doc-17") + 1
    drawn = draw_sample(make(documents), size=70, start=start)
    order = sorted(documents, key=lambda each: ((sample_key(each.doc_id) - start) % SAMPLE_KEYS, each.doc_id))
    assert [each.doc_id for each in drawn] == [each.doc_id for each in order[:70]]


def test_a_sample_keeps_the_newest_of_an_id_while_an_index_still_holds_both():
    index = ServerlessIndex([stored(f"doc-{number}") for number in range(30)])
    for before in index.fetch([f"doc-{number}" for number in range(30)]):
        index.replace([(before, replace(before, text="new", embedded_at=AT + timedelta(days=1)))])
    index.refresh()
    assert index.describe().count == 60
    drawn = draw_sample(index, size=20, start=sample_key("doc-3"))
    assert len({each.doc_id for each in drawn}) == 20
    assert {each.text for each in drawn} == {"new"}
