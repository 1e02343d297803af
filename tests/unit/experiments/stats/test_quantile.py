from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kenshin.errors import InvalidInput
from kenshin.experiments.stats.quantile import ClusteredValues, QuantileEstimate, difference, quantile


def sample(*sessions, weights=None) -> ClusteredValues:
    return ClusteredValues(
        np.concatenate([np.asarray(each, float) for each in sessions]),
        np.array([len(each) for each in sessions]),
        weights,
    )


def clustered(chance: np.random.Generator, sessions: int = 400) -> ClusteredValues:
    """Log-normal latencies whose sessions differ among each other, as many as a few each."""
    sizes = chance.integers(1, 10, sessions)
    level = np.repeat(chance.normal(0, 0.6, sessions), sizes)
    return ClusteredValues(np.exp(6 + level + chance.normal(0, 0.4, sizes.sum())), sizes)


@given(
    st.lists(st.lists(st.floats(0, 1e6), min_size=1, max_size=5), min_size=1, max_size=30), st.floats(0, 0.99)
)
def test_the_value_is_the_sorted_one_at_the_share(sessions, share):
    flat = sorted(value for each in sessions for value in each)
    found = quantile(sample(*sessions), share)
    assert found.value == flat[math.floor(share * len(flat))]
    assert (found.sessions, found.observations) == (len(sessions), len(flat))


def test_independent_values_have_the_textbooks_error():
    chance = np.random.default_rng(1)
    values = chance.normal(size=40_000)
    found = quantile(ClusteredValues(values, np.ones(len(values), int)), 0.95)
    at = stats.norm.ppf(0.95)
    exact = math.sqrt(0.95 * 0.05 / len(values)) / stats.norm.pdf(at)
    assert found.value == pytest.approx(at, abs=4 * exact)
    assert found.se == pytest.approx(exact, rel=0.15)


def test_answers_of_one_session_are_not_independent():
    chance = np.random.default_rng(2)
    by_session = clustered(chance)
    alone = ClusteredValues(by_session.values, np.ones(len(by_session.values), int))
    assert quantile(by_session, 0.95).se > 1.3 * quantile(alone, 0.95).se


def test_arms_that_do_not_differ_are_rarely_called_different():
    chance = np.random.default_rng(3)
    wrong = 0
    for _ in range(400):
        test = difference(*(quantile(clustered(chance), 0.95) for _ in "AB"))
        wrong += test.p_value < 0.05
    assert 0.02 <= wrong / 400 <= 0.085


def test_order_changes_no_bit():
    chance = np.random.default_rng(4)
    sessions = [chance.random(chance.integers(1, 6)) for _ in range(200)]
    first = quantile(sample(*sessions), 0.95)
    chance.shuffle(sessions)
    assert quantile(sample(*(each[::-1] for each in sessions)), 0.95) == first


def test_a_weighted_value_counts_as_often_as_it_stands_for():
    twice = quantile(sample([1, 1, 2, 2, 3, 3], [4, 4]), 0.5)
    weighted = quantile(sample([1, 2, 3], [4], weights=np.array([2.0, 2.0, 2.0, 2.0])), 0.5)
    assert (weighted.value, weighted.sessions, weighted.observations) == (twice.value, 2, 8)
    chance = np.random.default_rng(5)
    plain = clustered(chance)
    ones = ClusteredValues(plain.values, plain.sizes, np.ones(len(plain.values)))
    assert quantile(ones, 0.95).value == quantile(plain, 0.95).value
    assert quantile(ones, 0.95).se == pytest.approx(quantile(plain, 0.95).se)


def test_too_few_values_above_have_no_interval():
    found = quantile(sample(*([n] for n in range(40))), 0.95)
    assert found == QuantileEstimate(38.0, 40, 40)
    assert difference(found, found) is None
    with pytest.raises(InvalidInput, match="no observations"):
        quantile(ClusteredValues(np.array([]), np.array([], int)), 0.95)


def test_the_difference_adds_the_variances():
    control, candidate = QuantileEstimate(10.0, 99, 99, 3.0), QuantileEstimate(20.0, 99, 99, 4.0)
    test = difference(control, candidate)
    assert (test.delta, test.se, test.z) == (10.0, 5.0, 2.0)
    assert test.p_value == pytest.approx(2 * stats.norm.sf(2))
    assert test.ci_high - test.delta == pytest.approx(5 * stats.norm.ppf(0.975))
