from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import tea_tasting as tt
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kenshin.experiments.stats.difference import (
    Difference,
    disagree,
    ratio_difference,
    relative,
    satterthwaite,
    session_mean_difference,
)
from kenshin.experiments.stats.ratio import RatioStatistics


def arm(chance: np.random.Generator, sessions: int, shift: float = 0.0) -> list[tuple[float, int]]:
    counts = chance.integers(1, 20, sessions)
    return [(float((shift + 5 + chance.normal() + chance.normal(size=k)).sum()), int(k)) for k in counts]


def both(seed: int = 1, shift: float = 0.3):
    chance = np.random.default_rng(seed)
    return arm(chance, 150), arm(chance, 230, shift)


def test_the_ratio_agrees_with_tea_tasting():
    control, candidate = both()
    ours = ratio_difference(RatioStatistics.of_sessions(control), RatioStatistics.of_sessions(candidate))
    rows = pd.DataFrame(
        [(0, s, k) for s, k in control] + [(1, s, k) for s, k in candidate], columns=["variant", "s", "k"]
    )
    theirs = tt.Experiment(m=tt.RatioOfMeans("s", "k", use_t=True, equal_var=False)).analyze(rows)["m"]
    assert (ours.mean_a, ours.mean_b) == pytest.approx((theirs.control, theirs.treatment), rel=1e-9)
    assert ours.interval() == pytest.approx(
        (theirs.effect_size_ci_lower, theirs.effect_size_ci_upper), rel=1e-9
    )
    assert (ours.z, ours.p_value) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)
    told = relative(ours)
    assert told.effect == pytest.approx(theirs.rel_effect_size, rel=1e-9)
    # Another method, the same limits where control's mean is sure.
    assert told.ci_low == pytest.approx(theirs.rel_effect_size_ci_lower, abs=0.002)
    assert told.ci_high == pytest.approx(theirs.rel_effect_size_ci_upper, abs=0.002)


def test_session_means_agree_with_scipy():
    control, candidate = both()
    ours = session_mean_difference(
        RatioStatistics.of_sessions(control), RatioStatistics.of_sessions(candidate)
    )
    theirs = stats.ttest_ind([s / k for s, k in candidate], [s / k for s, k in control], equal_var=False)
    assert (ours.z, ours.df, ours.p_value) == pytest.approx(
        (theirs.statistic, theirs.df, theirs.pvalue), rel=1e-9
    )


def test_merged_shards_give_what_the_whole_gives():
    control, candidate = both()

    def shards(rows):
        return RatioStatistics.total(RatioStatistics.of_sessions(rows[shard::16]) for shard in range(16))

    for estimate in (ratio_difference, session_mean_difference):
        merged = estimate(shards(control), shards(candidate))
        whole = estimate(RatioStatistics.of_sessions(control), RatioStatistics.of_sessions(candidate))
        assert (merged.delta, merged.se, merged.df) == pytest.approx(
            (whole.delta, whole.se, whole.df), rel=1e-12
        )


@pytest.mark.parametrize("rows", [[], [(1.0, 1)], [(0.5, 1)] * 9])
def test_without_variation_there_is_no_difference(rows):
    some = RatioStatistics.of_sessions(rows)
    assert ratio_difference(some, some) is None
    assert session_mean_difference(some, some) is None


@given(st.floats(0.5, 100), st.floats(-0.5, 0.5), st.floats(0.001, 0.2), st.floats(0.001, 0.2), st.booleans())
def test_the_relative_interval_holds_zero_where_the_absolute_one_does(mean, share, of_a, of_b, negative):
    se_a, se_b = of_a * mean, of_b * mean
    sign = -1 if negative else 1
    found = Difference(
        share * mean, math.hypot(se_a, se_b), 200.0, sign * mean, sign * mean + share * mean, se_a
    )
    low, high = found.interval()
    told = relative(found)
    if told.ci_low is None:
        assert abs(mean / se_a) <= stats.t.isf(0.025, 200) * (1 + 1e-9)
    elif min(abs(low), abs(high)) > 1e-9 * mean:
        assert told.ci_low <= told.effect <= told.ci_high
        assert (told.ci_low < 0 < told.ci_high) == (low < 0 < high)


def test_fieller_covers_as_often_as_it_says():
    chance = np.random.default_rng(3)
    a, b = chance.normal(1.0, 0.15, 20_000), chance.normal(1.2, 0.1, 20_000)
    covered = 0
    for one, other in zip(a, b, strict=True):
        told = relative(
            Difference(other - one, math.hypot(0.15, 0.1), math.inf, one, other, 0.15), critical=1.959964
        )
        covered += told.ci_low is None or told.ci_low <= 0.2 <= told.ci_high
    assert covered / 20_000 == pytest.approx(0.95, abs=0.005)


def test_a_relative_effect_needs_a_mean_to_be_relative_to():
    assert relative(Difference(1.0, 1.0, 10.0, 0.0, 1.0, 0.5)) is None
    unsure = relative(Difference(1.0, 1.0, 10.0, 0.1, 1.1, 0.5))
    assert (unsure.ci_low, unsure.ci_high) == (None, None)
    wide = relative(Difference(0.1, 0.05, 10.0, 1.0, 1.1, 0.03), critical=math.inf)
    assert (wide.ci_low, wide.ci_high) == (None, None)


def test_degrees_of_freedom_lie_between_those_of_the_parts():
    assert satterthwaite([(1.0, 9), (1.0, 9)]) == pytest.approx(18)
    assert satterthwaite([(1.0, 9), (0.0, 1)]) == pytest.approx(9)
    assert satterthwaite([(1e-300, 9), (1e-300, 9)]) == pytest.approx(18)


def reading(delta: float, se: float = 1.0) -> Difference:
    return Difference(delta, se, 1000.0, 10.0, 10.0 + delta, se / 2)


@pytest.mark.parametrize(
    ("by_observation", "by_session", "contradict"),
    [
        (reading(3), reading(2.5), False),
        (reading(3), reading(0.5), False),
        (reading(3), reading(-0.5), True),
        (reading(-0.5), reading(3), True),
        (reading(0.5), reading(-0.5), False),
        (reading(9), reading(3), True),
    ],
)
def test_two_readings_contradict_where_one_is_sure_and_the_other_points_elsewhere(
    by_observation, by_session, contradict
):
    assert disagree(by_observation, by_session) is contradict
