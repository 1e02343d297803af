from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.experiments.stats.difference import Difference, ratio_difference
from kenshin.experiments.stats.ratio import RatioStatistics
from kenshin.experiments.stats.stratified import Stratum, stratified

differences = st.builds(
    Difference,
    st.floats(-5, 5),
    st.floats(1, 3),
    st.floats(2, 500),
    st.floats(1, 9),
    st.floats(1, 9),
    st.floats(0.1, 1),
)
phases = st.lists(st.tuples(st.integers(2, 10_000), differences), min_size=2, max_size=6)


def strata(rows) -> list[Stratum]:
    return [Stratum(place, sessions, difference) for place, (sessions, difference) in enumerate(rows, 1)]


def single(values) -> RatioStatistics:
    return RatioStatistics.of_sessions((float(value), 1) for value in values)


@given(phases)
def test_the_average_weighs_by_sessions(rows):
    found = stratified(strata(rows)).difference
    weights = np.array([sessions for sessions, _ in rows]) / sum(sessions for sessions, _ in rows)
    variances = weights**2 * np.array([each.se**2 for _, each in rows])
    assert found.delta == pytest.approx(weights @ [each.delta for _, each in rows], rel=1e-9, abs=1e-12)
    assert found.se == pytest.approx(math.sqrt(variances.sum()), rel=1e-9)
    assert found.df == pytest.approx(
        variances.sum() ** 2 / sum(v**2 / each.df for v, (_, each) in zip(variances, rows, strict=True)),
        rel=1e-9,
    )
    assert (
        min(each.delta for _, each in rows) - 1e-9
        <= found.delta
        <= max(each.delta for _, each in rows) + 1e-9
    )


@given(phases, st.randoms())
def test_the_order_of_phases_does_not_matter(rows, chance):
    shuffled = strata(rows)
    chance.shuffle(shuffled)
    one, other = stratified(strata(rows)).difference, stratified(shuffled).difference
    assert (one.delta, one.se, one.mean_a) == (other.delta, other.se, other.mean_a)


def test_one_phase_is_itself():
    only = ratio_difference(single([1, 2, 3]), single([2, 3, 5]))
    assert stratified([Stratum(1, 6, only)]).difference is only


def test_phases_without_a_difference_are_left_out_and_named():
    some = ratio_difference(single([1, 2, 3]), single([2, 3, 5]))
    found = stratified([Stratum(1, 1, None), Stratum(2, 6, some), Stratum(3, 0, None), Stratum(4, 6, some)])
    assert (found.used, found.left_out) == ((2, 4), (1,))
    assert found.difference.delta == pytest.approx(some.delta)
    assert stratified([Stratum(1, 1, None)]).difference is None
    assert stratified([]).difference is None


def test_a_ramp_under_a_trend_misleads_the_pooled_arms_only():
    chance = np.random.default_rng(7)
    pooled, averaged, worlds = 0, 0, 300
    for _ in range(worlds):
        # Scores rise by half a deviation; the candidate's share rises from a tenth to a half.
        arms = [
            (single(chance.normal(0.0, 1, 900)), single(chance.normal(0.0, 1, 100))),
            (single(chance.normal(0.5, 1, 500)), single(chance.normal(0.5, 1, 500))),
        ]
        pooled += ratio_difference(arms[0][0] + arms[1][0], arms[0][1] + arms[1][1]).p_value < 0.05
        each = [Stratum(phase, 1000, ratio_difference(*pair)) for phase, pair in enumerate(arms, 1)]
        averaged += stratified(each).difference.p_value < 0.05
    assert pooled / worlds > 0.3
    assert 0.02 <= averaged / worlds <= 0.085
