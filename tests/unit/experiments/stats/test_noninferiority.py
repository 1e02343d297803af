from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kenshin.errors import InvalidInput
from kenshin.experiments.stats.difference import Difference, ratio_difference
from kenshin.experiments.stats.noninferiority import Guard
from kenshin.experiments.stats.ratio import RatioStatistics


def measured(mean_a: float, mean_b: float, se: float = 0.01, df: float = 500.0) -> Difference:
    return Difference(mean_b - mean_a, se * math.sqrt(2), df, mean_a, mean_b, se)


@pytest.mark.parametrize(
    ("worse", "mean_b", "outcome"),
    [
        ("higher", 1.10, "harmed"),
        ("higher", 1.05, "undecided"),
        ("higher", 1.00, "passes"),
        ("higher", 0.80, "passes"),
        ("lower", 0.90, "harmed"),
        ("lower", 0.95, "undecided"),
        ("lower", 1.00, "passes"),
        ("lower", 1.20, "passes"),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 4000.0])
def test_the_margin_is_relative_and_has_a_direction(worse, mean_b, outcome, scale):
    found = Guard(0.05, worse).judge(measured(scale, scale * mean_b, 0.01 * scale))
    assert found.outcome == outcome
    assert found.effect == pytest.approx(mean_b - 1)


def test_a_negative_mean_is_worse_where_it_is_nearer_to_zero():
    assert Guard(0.05, "higher").judge(measured(-1.0, -0.9)).outcome == "harmed"
    assert Guard(0.05, "lower").judge(measured(-1.0, -0.9)).outcome == "passes"


def test_it_is_scipys_test_of_the_contrast():
    chance = np.random.default_rng(9)
    a, b = chance.normal(10, 1, 80), chance.normal(10.1, 1, 80)
    found = ratio_difference(*(RatioStatistics.of_sessions((float(x), 1) for x in arm) for arm in (a, b)))
    # b against (1 + margin)a, one-sided: at its p-value the outcome turns.
    theirs = stats.ttest_ind(b, 1.05 * a, equal_var=False, alternative="less").statistic
    p_value = stats.t.cdf(theirs, found.df)
    guard = Guard(0.05, "higher")
    assert guard.judge(found, alpha=p_value * (1 + 1e-9)).outcome == "passes"
    assert guard.judge(found, alpha=p_value * (1 - 1e-9)).outcome == "undecided"


@given(st.floats(0.5, 2), st.floats(0.01, 0.05), st.floats(0, 0.3), st.sampled_from(["higher", "lower"]))
def test_the_outcome_and_the_interval_tell_the_same(mean_b, se, margin, worse):
    found = Guard(margin, worse).judge(measured(1.0, mean_b, se))
    worst, best = (found.ci_high, found.ci_low) if worse == "higher" else (-found.ci_low, -found.ci_high)
    if min(abs(worst - margin), abs(best - margin)) > 1e-9:
        assert found.outcome == ("passes" if worst < margin else "harmed" if best > margin else "undecided")


@pytest.mark.parametrize(("truth", "outcome"), [(1.05, "passes"), (1.05, "harmed")])
def test_at_the_margin_each_error_is_as_rare_as_it_says(truth, outcome):
    chance = np.random.default_rng(10)
    worlds, guard = 4000, Guard(0.05)
    hits = sum(
        guard.judge(measured(chance.normal(1, 0.02), chance.normal(truth, 0.02), 0.02, math.inf)).outcome
        == outcome
        for _ in range(worlds)
    )
    assert hits / worlds == pytest.approx(0.05, abs=0.014)


def test_without_a_level_or_a_mean_little_is_said():
    assert Guard(0.05).judge(measured(1.0, 2.0), alpha=0.0).outcome == "undecided"
    nothing = Guard(0.05).judge(measured(0.0, 1.0))
    assert (nothing.outcome, nothing.effect, nothing.ci_low, nothing.ci_high) == ("harmed", None, None, None)


def test_a_margin_that_means_nothing_is_refused():
    for margin in (-0.1, math.nan, math.inf):
        with pytest.raises(InvalidInput, match="margin"):
            Guard(margin)
    with pytest.raises(InvalidInput, match="direction"):
        Guard(0.05, "sideways")
