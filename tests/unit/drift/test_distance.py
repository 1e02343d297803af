"""Cosine distances against numpy, and what is no vector."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from kenshin.drift.distance import (
    INVALID_KINDS,
    cosine_distance,
    cosine_distances,
    norm,
    ranked,
    status_of,
)
from kenshin.errors import InvalidInput

NAN = float("nan")

elements = st.floats(-1e6, 1e6, allow_nan=False)
matrices = nps.arrays(np.float64, st.tuples(st.integers(1, 6), st.just(5)), elements=elements)


def oracle(a, b):
    a, b = np.asarray(a, np.longdouble), np.asarray(b, np.longdouble)
    return float(1 - (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


@given(matrices, st.randoms(use_true_random=False))
def test_distances_agree_with_extended_precision(stored, random):
    fresh = stored + np.asarray([[random.gauss(0, 10) for _ in row] for row in stored])
    assume((np.abs(stored).max(axis=1) > 1e-6).all() and (np.abs(fresh).max(axis=1) > 1e-6).all())
    found = cosine_distances(stored, fresh)
    assert found.shape == (len(stored),)
    assert found.dtype == np.float64
    for distance, a, b in zip(found, stored, fresh, strict=True):
        assert distance == pytest.approx(oracle(a, b), abs=1e-12)
        assert distance == cosine_distance(a, b)


@given(matrices, st.sampled_from([1e-300, 1e-30, 1.0, 3.0, 1e30, 1e300]))
def test_a_distance_does_not_know_lengths_and_stays_in_its_range(stored, factor):
    assume((np.abs(stored).max(axis=1) > 1e-3).all())
    other = stored[::-1]
    plain, scaled = cosine_distances(stored, other), cosine_distances(stored * factor, other)
    assert scaled == pytest.approx(plain, abs=1e-12)
    assert ((scaled >= 0) & (scaled <= 2)).all()
    assert cosine_distances(stored, stored) == pytest.approx(0, abs=1e-12)
    assert cosine_distances(stored, -stored) == pytest.approx(2, abs=1e-12)
    assert cosine_distances(other, stored) == pytest.approx(plain, abs=1e-15)


def test_known_directions():
    assert cosine_distance([1, 0], [5, 0]) == 0.0
    assert cosine_distance([1, 0], [0, 2]) == 1.0
    assert cosine_distance([1, 0], [-3, 0]) == 2.0


def test_float32_rows_are_summed_in_float64():
    stored = np.random.default_rng(1).normal(size=(50, 1024)).astype(np.float32)
    fresh = stored + np.float32(1e-5)
    expected = [oracle(a, b) for a, b in zip(stored, fresh, strict=True)]
    assert cosine_distances(stored, fresh) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("bad", [[0.0, 0.0], [NAN, 1.0], [math.inf, 1.0]])
def test_a_vector_without_direction_is_refused_and_never_a_distance(bad):
    with pytest.raises(InvalidInput):
        cosine_distance(bad, [1.0, 1.0])
    with pytest.raises(InvalidInput, match="row 1"):
        cosine_distances([[1, 1], [1, 1]], [[1, 1], bad])


@pytest.mark.parametrize(
    ("stored", "fresh"),
    [
        ([[1, 2]], [[1, 2, 3]]),
        ([[1, 2], [1, 2]], [[1, 2]]),
        ([1, 2], [1, 2]),
        ([[1], [1, 2]], [[1], [1]]),
        ("ab", "cd"),
    ],
)
def test_other_shapes_are_refused(stored, fresh):
    with pytest.raises(InvalidInput):
        cosine_distances(stored, fresh)


def test_single_vectors_of_other_lengths_are_refused():
    with pytest.raises(InvalidInput, match="2 and 3 dimensions"):
        cosine_distance([1, 2], [1, 2, 3])


def test_no_rows_have_no_distances():
    assert cosine_distances(np.empty((0, 4)), np.empty((0, 4))).shape == (0,)


@pytest.mark.parametrize(
    ("text", "vector", "status"),
    [
        ("a", [1.0, 0.0], "ok"),
        (None, [1.0, 0.0], "missing_text"),
        ("", [1.0, 0.0], "missing_text"),
        (" \n\t", None, "missing_text"),
        ("a", None, "missing_vector"),
        ("a", [], "missing_vector"),
        ("a", [1.0, 0.0, 0.0], "dimension"),
        ("a", [NAN, 0.0], "nan"),
        ("a", [math.inf, 0.0], "nan"),
        ("a", [None, 0.0], "nan"),
        ("a", ["x", 0.0], "nan"),
        ("a", [0.0, -0.0], "zero"),
        ("a", [1e-320, 0.0], "ok"),
    ],
)
def test_each_kind_of_invalid_vector_has_a_name(text, vector, status):
    assert status_of(text, vector, dimensions=2) == status
    assert status == "ok" or status in INVALID_KINDS


def test_dimensions_count_only_where_they_are_known():
    assert status_of("a", [1.0, 2.0, 3.0], dimensions=None) == "ok"


@given(nps.arrays(np.float64, 4, elements=elements))
def test_norm_is_numpys(vector):
    assert norm(vector) == pytest.approx(float(np.linalg.norm(vector)), rel=1e-12)


def test_extreme_norms_neither_overflow_nor_vanish():
    assert norm([3e200, 4e200]) == pytest.approx(5e200)
    assert norm([3e-200, 4e-200]) == pytest.approx(5e-200)
    assert norm([NAN, 1.0]) is None


@given(st.lists(elements, min_size=1, max_size=400))
def test_p95_is_numpys_higher_and_the_element_at_the_floor(values):
    ordered = sorted(values)
    assert ranked(ordered, 95) == np.percentile(values, 95, method="higher")
    assert ranked(ordered, 95) == ordered[(95 * len(ordered)) // 100]
    assert ranked(ordered, 100) == max(values)


def test_p95_is_exact_where_binary_fractions_are_not():
    wrong = [n for n in range(1, 3000) if ranked(range(n), 95) != (95 * n) // 100]
    assert wrong == []
