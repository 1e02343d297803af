from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mstats

from kenshin.errors import InvalidInput
from kenshin.experiments.stats.quantile import ClusteredValues
from kenshin.experiments.stats.ratio import RatioStatistics
from kenshin.experiments.stats.winsorise import winsorised

arms = st.lists(st.lists(st.floats(-1e3, 1e6), min_size=1, max_size=5), min_size=1, max_size=20)


def sample(rows, weights=None) -> ClusteredValues:
    return ClusteredValues(
        np.concatenate([np.asarray(row, float) for row in rows]),
        np.array([len(row) for row in rows]),
        weights,
    )


@given(arms, arms, st.floats(50, 99.9))
def test_no_value_exceeds_the_cap_and_no_other_changes(ours, theirs, percentile):
    found = winsorised({"a": sample(ours), "b": sample(theirs)}, percentile)
    everything = [value for row in ours + theirs for value in row]
    assert found.cap in everything
    assert found.cut == pytest.approx(sum(value > found.cap for value in everything) / len(everything))
    for arm, rows in (("a", ours), ("b", theirs)):
        cut = RatioStatistics.of_sessions(
            (sum(min(value, found.cap) for value in row), len(row)) for row in rows
        )
        assert (found.statistics[arm].n, found.statistics[arm].count) == (cut.n, cut.count)
        assert found.statistics[arm].sum == pytest.approx(cut.sum, rel=1e-9, abs=1e-6)
        assert found.statistics[arm].sum_sq == pytest.approx(cut.sum_sq, rel=1e-9, abs=1e-6)


def test_it_is_scipys_winsorising_of_the_pooled_values():
    values = np.random.default_rng(11).lognormal(6, 1, 1150)
    found = winsorised(
        {"a": sample([[v] for v in values[:500]]), "b": sample([[v] for v in values[500:]])}, 99
    )
    theirs = np.asarray(mstats.winsorize(values, limits=(0, 0.01)))
    assert found.cap == theirs.max()
    assert found.statistics["a"].sum == pytest.approx(theirs[:500].sum(), rel=1e-12)
    assert found.statistics["b"].sum_sq == pytest.approx((theirs[500:] ** 2).sum(), rel=1e-12)


def test_a_few_huge_values_no_longer_decide():
    chance = np.random.default_rng(12)
    values = chance.pareto(1.5, 4000)
    raw = RatioStatistics.of_sessions((float(v), 1) for v in values)
    assert winsorised({"a": sample([[v] for v in values])}, 99).statistics["a"].variance < raw.variance / 2


def test_a_weighted_value_counts_as_often_as_it_stands_for():
    plain = winsorised({"a": sample([[1, 1, 2, 2], [3, 3]]), "b": sample([[4, 4], [9, 9]])}, 80)
    weighted = winsorised(
        {"a": sample([[1, 2], [3]], np.array([2.0, 2.0, 2.0])), "b": sample([[4, 4], [9, 9]])}, 80
    )
    assert weighted == plain
    assert plain.cap == 9
    thirds = winsorised({"a": sample([[3, 3, 3]], np.full(3, 10 / 3))}, 99)
    assert thirds.statistics["a"].count == 10


def test_arms_without_values_stay_empty():
    empty = ClusteredValues(np.array([]), np.array([], int))
    found = winsorised({"a": sample([[1, 2], [3]]), "b": empty}, 99)
    assert found.statistics["b"] == RatioStatistics()
    assert winsorised({"a": empty}, 99).cap is None


@pytest.mark.parametrize("percentile", [0.99, 100, 49, float("nan")])
def test_a_share_is_no_percentile(percentile):
    with pytest.raises(InvalidInput, match="percentile"):
        winsorised({"a": sample([[1]])}, percentile)
