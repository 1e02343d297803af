from __future__ import annotations

import random

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from kenshin.errors import InvalidInput
from kenshin.experiments.stats.ratio import RatioStatistics

finite = st.floats(-1e6, 1e6)
sessions = st.lists(st.tuples(finite, st.integers(1, 50)), min_size=2, max_size=40)


def by_definition(pairs):
    s, k = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs], dtype=float)
    n, ratio = len(pairs), s.sum() / k.sum()
    return ratio, ((s - ratio * k) ** 2).sum() / (n * (n - 1) * k.mean() ** 2)


def clustered(values_by_session):
    """Intercept-only least squares with cluster-robust errors: CR0 × n/(n−1)."""
    y = np.concatenate(values_by_session)
    groups = np.repeat(np.arange(len(values_by_session)), [len(v) for v in values_by_session])
    n = len(values_by_session)
    fit = sm.OLS(y, np.ones(len(y))).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
    )
    return fit.params[0], fit.cov_params()[0, 0] * n / (n - 1)


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.5), (40.0, 900.0), (1.0, 1_000.0)])
def test_estimate_and_variance_agree_with_statsmodels(scale, offset):
    draw = np.random.default_rng(7)
    values = [offset + scale * (draw.normal() + draw.normal(size=draw.integers(1, 30))) for _ in range(200)]
    statistics = RatioStatistics.of_sessions((float(v.sum()), len(v)) for v in values)
    estimate, variance = clustered(values)
    assert statistics.estimate == pytest.approx(estimate, rel=1e-12)
    assert statistics.variance == pytest.approx(variance, rel=1e-9)


@given(sessions)
def test_the_sums_give_what_the_definition_gives(pairs):
    statistics = RatioStatistics.of_sessions(pairs)
    ratio, variance = by_definition(pairs)
    size = max(abs(s) for s, _ in pairs)
    assert statistics.estimate == pytest.approx(ratio, rel=1e-9, abs=1e-12 * size)
    assert statistics.variance == pytest.approx(variance, rel=1e-6, abs=1e-12 * size**2)


@given(sessions, st.randoms())
def test_order_does_not_matter_at_all(pairs, chance: random.Random):
    shuffled = list(pairs)
    chance.shuffle(shuffled)
    assert RatioStatistics.of_sessions(shuffled) == RatioStatistics.of_sessions(pairs)
    parts = [RatioStatistics.of_sessions([pair]) for pair in pairs]
    mixed = list(parts)
    chance.shuffle(mixed)
    assert RatioStatistics.total(mixed) == RatioStatistics.total(parts)


@given(sessions, sessions)
def test_adding_is_observing_both(left, right):
    added = RatioStatistics.of_sessions(left) + RatioStatistics.of_sessions(right)
    whole = RatioStatistics.of_sessions([*left, *right])
    assert (added.n, added.count, added.count_sq) == (whole.n, whole.count, whole.count_sq)
    scale = sum(s * s for s, _ in [*left, *right])
    assert added.sum == pytest.approx(whole.sum, abs=1e-9)
    assert added.sum_sq == pytest.approx(whole.sum_sq, abs=1e-12 * scale)


def test_nothing_added_changes_nothing():
    some = RatioStatistics.of_sessions([(1.5, 2), (2.5, 3)])
    assert some + RatioStatistics() == some


@pytest.mark.parametrize("value", [0.7, 0.1, 1 / 3, 123.456])
def test_equal_scores_have_no_variance_whatever_rounding_says(value):
    pairs = [(sum([value] * k), k) for k in range(1, 60)]
    assert RatioStatistics.of_sessions(pairs).variance == 0.0


def test_a_small_but_real_variance_is_seen():
    pairs = [(1000.0 + 1e-3 * (n % 2), 1) for n in range(100)]
    assert RatioStatistics.of_sessions(pairs).variance == pytest.approx(by_definition(pairs)[1], rel=1e-2)


def test_too_little_is_refused():
    with pytest.raises(InvalidInput):
        _ = RatioStatistics().estimate
    with pytest.raises(InvalidInput):
        _ = RatioStatistics.of_sessions([(1.0, 1)]).variance
