"""The embedded index beyond its port: loading, search, its URL."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kenshin.backends import Opening, open_port
from kenshin.backends.local.index import SCHEMA, SqliteIndex
from kenshin.backends.local.sqlite import Database
from kenshin.clients import Boto3Clients
from kenshin.drift.index import StoredDocument
from kenshin.errors import InvalidInput, InvalidName, NotFound, SettingError
from kenshin.urls import PortURL


@pytest.fixture
def database(tmp_path):
    return Database(tmp_path / "index.db", SCHEMA)


def opened(raw: str, home: Path):
    opening = Opening(home, Boto3Clients(), lambda: datetime.now(UTC), "MangaAssist")
    return open_port("index", PortURL.parse(raw), opening)


def matrix(seed: int, rows: int, dimensions: int = 16):
    return np.random.default_rng(seed).normal(size=(rows, dimensions)).astype(np.float32)


def test_loading_again_replaces_and_counts_once(database):
    index = SqliteIndex(database, "a")
    assert index.add(StoredDocument(f"doc-{n}", "old", [1.0]) for n in range(5)) == 5
    assert index.add([StoredDocument("doc-1", "new", [1.0]), StoredDocument("doc-9", "new", [1.0])]) == 6
    assert [each.text for each in index.fetch(["doc-0", "doc-1", "doc-9"])] == ["old", "new", "new"]


def test_a_load_that_fails_half_way_leaves_nothing(database):
    index = SqliteIndex(database, "a")

    def documents():
        yield StoredDocument("doc-1", "t", [1.0])
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError):
        index.add(documents())
    with pytest.raises(NotFound):
        index.describe()


def test_indexes_share_a_file_and_nothing_else(database):
    one, other = SqliteIndex(database, "one"), SqliteIndex(database, "other")
    one.add([StoredDocument("doc", "one", [1.0])])
    other.add([StoredDocument("doc", "other", [1.0, 2.0]), StoredDocument("doc-2", "other", [1.0, 2.0])])
    assert (one.describe().count, one.describe().dimensions) == (1, 1)
    assert (other.describe().count, other.describe().dimensions) == (2, 2)
    assert one.fetch(["doc", "doc-2"])[0].text == "one"
    assert one.search([[1.0, 2.0]], 5) == [[]]
    with pytest.raises(NotFound, match="one, other"):
        SqliteIndex(database, "third").describe()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 12))
def test_search_is_numpys(tmp_path_factory, seed, k):
    index = SqliteIndex(Database(tmp_path_factory.mktemp("search") / "index.db", SCHEMA), "a")
    stored, queries = matrix(seed, 40), matrix(seed + 1, 3)
    index.add(StoredDocument(f"doc-{n:02}", "t", vector) for n, vector in enumerate(stored))
    unit = stored / np.linalg.norm(stored, axis=1, keepdims=True)
    expected = [[f"doc-{n:02}" for n in np.argsort(-(unit @ query))[:k]] for query in queries]
    assert index.search(queries, k) == expected


def test_search_finds_a_document_by_itself_and_never_one_without_a_usable_vector(database):
    index = SqliteIndex(database, "a")
    stored = matrix(1, 10)
    bad = {"none": None, "empty": [], "zero": [0.0] * 16, "nan": [float("nan")] * 16, "short": [1.0]}
    index.add(StoredDocument(f"doc-{n}", "t", vector) for n, vector in enumerate(stored))
    index.add(StoredDocument(name, "t", vector) for name, vector in bad.items())
    assert [found[0] for found in index.search(stored, 1)] == [f"doc-{n}" for n in range(10)]
    assert set(index.search(stored[:1], 100)[0]) == {f"doc-{n}" for n in range(10)}
    assert index.search(stored[:1], 0) == [[]]
    with pytest.raises(InvalidInput):
        index.search([1.0, 2.0], 3)


def test_another_process_sees_what_was_written(database, tmp_path):
    SqliteIndex(database, "a").add([StoredDocument("doc", "t", [1.0])])
    assert SqliteIndex(Database(tmp_path / "index.db", SCHEMA), "a").describe().count == 1


def test_a_page_token_of_somebody_else_and_an_empty_page_are_refused(database):
    index = SqliteIndex(database, "a")
    index.add([])
    with pytest.raises(InvalidInput, match="page token"):
        index.scan(start=0, limit=5, page="nonsense")
    with pytest.raises(InvalidInput):
        index.scan(start=0, limit=0)


def test_its_url_names_file_and_index(tmp_path):
    index = opened(f"sqlite://{tmp_path}/deep/index.db?index=products", tmp_path)
    assert index.add([StoredDocument("doc", "t", [1.0])]) == 1
    assert index.describe().name == "products"
    with pytest.raises(SettingError, match="which index"):
        opened(f"sqlite://{tmp_path}/index.db", tmp_path)
    with pytest.raises(SettingError, match="unknown parameter"):
        opened(f"sqlite://{tmp_path}/index.db?index=a&table=b", tmp_path)
    with pytest.raises(InvalidName):
        opened(f"sqlite://{tmp_path}/index.db?index=../b", tmp_path)
