from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats
from statsmodels.stats.power import NormalIndPower

from kenshin.errors import InvalidInput
from kenshin.experiments.stats.power import (
    inflation,
    minimal_detectable_effect,
    nights_left,
    power,
    sessions_needed,
)
from kenshin.experiments.stats.sequential import bounds

EVEN = 2.0
"""√(1/½ + 1/½): the error per session of deviation 1 in two even arms."""


@given(st.floats(0.01, 1), st.integers(10, 5_000), st.floats(0.001, 0.2))
def test_power_is_that_of_statsmodels(effect, in_each_arm, alpha):
    theirs = NormalIndPower().power(effect, in_each_arm, alpha)
    assert power(effect, EVEN, 2 * in_each_arm, alpha=alpha) == pytest.approx(theirs, rel=1e-9)
    assert power(-effect, EVEN, 2 * in_each_arm, alpha=alpha) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("wanted", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_the_least_effect_and_the_sessions_are_those_of_statsmodels(wanted, alpha):
    effect = minimal_detectable_effect(EVEN, 800, alpha=alpha, power=wanted)
    assert NormalIndPower().power(effect, 400, alpha) == pytest.approx(wanted, rel=1e-9)
    theirs = NormalIndPower().solve_power(0.2, None, alpha, wanted)
    assert sessions_needed(0.2, EVEN, alpha=alpha, power=wanted) == math.ceil(2 * theirs)


@given(st.floats(0.01, 1), st.floats(0.5, 5), st.floats(0.2, 0.95), st.floats(1, 1.3))
def test_sessions_needed_reach_the_power_and_one_less_does_not(effect, se, wanted, dearer):
    sessions = sessions_needed(effect, se, power=wanted, inflation=dearer)
    assert power(effect, se, sessions, inflation=dearer) >= wanted - 1e-9
    assert sessions == 1 or power(effect, se, sessions - 1, inflation=dearer) < wanted
    assert minimal_detectable_effect(se, sessions, power=wanted, inflation=dearer) <= effect * (1 + 1e-9)


def test_nights_left_goes_on_at_the_pace_so_far():
    se = EVEN / math.sqrt(100 * 3)
    needed = sessions_needed(0.2, EVEN)
    assert nights_left(0.2, se, 3) == math.ceil(needed / 100) - 3
    assert nights_left(0.2, se, 3, inflation=1.3) > nights_left(0.2, se, 3)
    assert nights_left(5.0, se, 3) == 0


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
def test_one_look_costs_nothing_and_two_what_the_bivariate_normal_says(spending):
    assert inflation(1, spending) == pytest.approx(1.0, rel=1e-9)
    first, second = bounds([(0.5, 0.5), (1.0, 1.0)], 0.05, spending)
    drift = minimal_detectable_effect(1.0, 1) * math.sqrt(inflation(2, spending))
    # Z at the end, given Z at the half, is normal with these moments.
    missed, _ = integrate.quad(
        lambda z: (
            stats.norm.pdf(z - drift * math.sqrt(0.5))
            * np.diff(
                stats.norm.cdf(
                    (np.array([-second.z, second.z]) - z * math.sqrt(0.5) - drift * 0.5) / 0.5**0.5
                )
            )[0]
        ),
        -first.z,
        first.z,
        epsabs=1e-13,
    )
    assert 1 - missed == pytest.approx(0.8, rel=1e-9)


def test_nightly_looks_cost_little_by_obrien_fleming_and_more_by_pocock():
    assert 1.0 < inflation(5, "obrien_fleming") < inflation(14, "obrien_fleming") < 1.06
    assert inflation(14, "obrien_fleming") < inflation(14, "pocock") < 1.35


def test_nonsense_is_refused():
    with pytest.raises(InvalidInput, match="nothing finds it"):
        sessions_needed(0.0, 1.0)
    with pytest.raises(InvalidInput, match="standard error"):
        power(0.1, 0.0, 100)
    with pytest.raises(InvalidInput, match="alpha"):
        power(0.1, 1.0, 100, alpha=0.0)
    with pytest.raises(InvalidInput, match="power"):
        minimal_detectable_effect(1.0, 100, power=1.0)
