from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from kenshin.errors import InvalidInput
from kenshin.experiments.stats.sequence import sequence_bound, sequence_interval


def published(n: float, alpha: float, rho: float) -> float:
    """Half the width for deviation 1, as the paper writes it, × √n."""
    return math.sqrt(n) * math.sqrt(
        2 * (n * rho**2 + 1) / (n * rho) ** 2 * math.log(math.sqrt(n * rho**2 + 1) / alpha)
    )


@given(st.floats(10, 1e7), st.floats(0.001, 0.3), st.floats(10, 1e7))
def test_it_is_the_papers_formula_at_the_best_mixture(n, alpha, tuned_at):
    best = optimize.minimize_scalar(
        lambda log: published(tuned_at, alpha, math.exp(log) / math.sqrt(tuned_at)),
        bounds=(-3, 4),
        method="bounded",
    )
    rho = math.exp(best.x) / math.sqrt(tuned_at)
    assert sequence_bound(tuned_at, alpha, tuned_at) == pytest.approx(best.fun, rel=1e-9)
    assert sequence_bound(n, alpha, tuned_at) == pytest.approx(published(n, alpha, rho), rel=1e-4)


@given(st.floats(1, 1e6), st.floats(0.001, 0.2))
def test_it_is_wider_than_one_look_and_narrowest_where_it_was_tuned(tuned_at, alpha):
    least = sequence_bound(tuned_at, alpha, tuned_at)
    assert least > stats.norm.isf(alpha / 2)
    for n in (0.1 * tuned_at, 0.9 * tuned_at, 1.1 * tuned_at, 10 * tuned_at):
        assert sequence_bound(n, alpha, tuned_at) >= least


def test_looking_after_every_session_rarely_misses_the_truth():
    worlds, sessions = 2000, 3000
    sums = np.cumsum(np.random.default_rng(13).exponential(1, (worlds, sessions)) - 1, axis=1)
    n = np.arange(1, sessions + 1)
    limits = np.array([sequence_bound(int(each), 0.05, 500) for each in n])
    missed = (np.abs(sums / np.sqrt(n)) > limits)[:, 100:].any(axis=1)
    assert 0.005 < missed.mean() <= 0.05


def test_the_interval_is_about_the_difference():
    low, high = sequence_interval(0.3, 0.1, 500, 0.05, 500)
    assert (low + high) / 2 == pytest.approx(0.3)
    assert high - low == pytest.approx(2 * 0.1 * sequence_bound(500, 0.05, 500))


@pytest.mark.parametrize(
    ("n", "alpha", "tuned_at"), [(0, 0.05, 10), (10, 0.05, 0), (10, 0.0, 10), (10, 1.0, 10)]
)
def test_nonsense_is_refused(n, alpha, tuned_at):
    with pytest.raises(InvalidInput):
        sequence_interval(0.0, 1.0, n, alpha, tuned_at)
