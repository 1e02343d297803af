"""Every embedding cache does this."""

from __future__ import annotations

import numpy as np
import pytest
from contract.drift_doubles import DictCache

from kenshin.backends.local.embeddings import SCHEMA, SqliteEmbeddings
from kenshin.backends.local.sqlite import Database
from kenshin.drift.embedder import Embedded, text_hash


@pytest.fixture(params=["sqlite", "dict"])
def cache(request, tmp_path):
    if request.param == "dict":
        return DictCache()
    return SqliteEmbeddings(Database(tmp_path / "embeddings.db", SCHEMA))


def vector(seed: int):
    return np.random.default_rng(seed).normal(size=8).astype(np.float32)


def test_it_gives_back_bit_for_bit_what_it_was_given(cache):
    cache.put("p/m", "passage", {"a": Embedded(vector(1)), "b": Embedded(vector(2), truncated=True)})
    found = cache.get("p/m", "passage", ["a", "b", "unknown"])
    assert set(found) == {"a", "b"}
    assert np.array_equal(found["a"].vector, vector(1))
    assert (found["a"].truncated, found["b"].truncated) == (False, True)
    assert found["a"].error is None


def test_it_keeps_no_errors(cache):
    cache.put("p/m", "passage", {"a": Embedded(None, "throttled"), "b": Embedded(vector(2))})
    assert set(cache.get("p/m", "passage", ["a", "b"])) == {"b"}


def test_another_model_or_kind_is_another_vector(cache):
    cache.put("p/m", "passage", {"a": Embedded(vector(1))})
    cache.put("p/m", "query", {"a": Embedded(vector(2))})
    assert cache.get("p/other", "passage", ["a"]) == {}
    assert np.array_equal(cache.get("p/m", "query", ["a"])["a"].vector, vector(2))
    assert np.array_equal(cache.get("p/m", "passage", ["a"])["a"].vector, vector(1))


def test_the_first_vector_of_a_text_stays(cache):
    cache.put("p/m", "passage", {"a": Embedded(vector(1))})
    cache.put("p/m", "passage", {"a": Embedded(vector(2))})
    assert np.array_equal(cache.get("p/m", "passage", ["a"])["a"].vector, vector(1))


def test_it_takes_more_texts_than_a_statement_has_room_for(cache):
    many = {text_hash(str(number)): Embedded(vector(number)) for number in range(900)}
    cache.put("p/m", "passage", many)
    found = cache.get("p/m", "passage", list(many))
    assert set(found) == set(many)
    assert cache.get("p/m", "passage", []) == {}
    cache.put("p/m", "passage", {})
