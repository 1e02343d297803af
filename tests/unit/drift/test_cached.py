"""The cache before a model: it is asked once for each text, and its errors are not remembered."""

from __future__ import annotations

import numpy as np
from contract.drift_doubles import DictCache, FakeEmbedder

from kenshin.drift.cached import CachedEmbedder


def test_only_texts_that_nobody_embedded_before_reach_the_model():
    model, cache = FakeEmbedder(), DictCache()
    first = CachedEmbedder(model, cache).embed(["a", "b", "a"], kind="passage", deadline=9)
    again = CachedEmbedder(model, cache).embed(["b", "c", "a"], kind="passage", deadline=9)
    assert model.asked == ["a", "b", "c"]
    assert np.array_equal(first[0].vector, again[2].vector)
    assert np.array_equal(again[1].vector, model.vector("c"))


def test_another_kind_or_model_is_asked_anew():
    model, other, cache = FakeEmbedder(), FakeEmbedder(model="n"), DictCache()
    CachedEmbedder(model, cache).embed(["a"], kind="passage", deadline=9)
    CachedEmbedder(model, cache).embed(["a"], kind="query", deadline=9)
    CachedEmbedder(other, cache).embed(["a"], kind="passage", deadline=9)
    assert (model.asked, other.asked) == (["a", "a"], ["a"])


def test_a_failed_text_is_tried_again():
    cache = DictCache()
    (failed,) = CachedEmbedder(FakeEmbedder(fail=["a"]), cache).embed(["a"], kind="passage", deadline=9)
    (mended,) = CachedEmbedder(FakeEmbedder(), cache).embed(["a"], kind="passage", deadline=9)
    assert failed.vector is None
    assert mended.vector is not None


def test_what_is_cached_is_there_even_after_the_deadline():
    model, cache = FakeEmbedder(), DictCache()
    CachedEmbedder(model, cache).embed(["a"], kind="passage", deadline=9)
    kept, late = CachedEmbedder(model, cache).embed(["a", "b"], kind="passage", deadline=0)
    assert kept.error is None
    assert late.error is not None
