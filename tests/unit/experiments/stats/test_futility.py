from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.errors import InvalidInput
from kenshin.experiments.stats.futility import conditional_power


@pytest.mark.parametrize(("drift", "effect"), [("trend", None), ("effect", 2.8), ("effect", 0.0)])
@pytest.mark.parametrize("z", [-0.5, 0.8, 2.0])
def test_it_is_the_share_of_worlds_that_still_win(z, drift, effect):
    fraction, worlds = 0.4, 200_000
    theta = z / math.sqrt(fraction) if effect is None else effect
    steps = np.random.default_rng(8).normal(theta * 0.3, math.sqrt(0.3), (worlds, 2))
    ends = z * math.sqrt(fraction) + steps.sum(axis=1)
    found = conditional_power(z, fraction, 2.031, drift, effect)
    assert found == pytest.approx((ends >= 2.031).mean(), abs=4 * 0.5 / math.sqrt(worlds))


def test_a_published_example():
    # Lan and Wittes' B-value: Z = 1.5 at half the information, trend 2.121, mean end 2.121 against 1.96.
    assert conditional_power(1.5, 0.5, 1.96) == pytest.approx(0.590, abs=5e-4)


@given(st.floats(-4, 4), st.floats(0.01, 2), st.floats(1.5, 3))
def test_more_evidence_never_lowers_it(z, fraction, bound):
    low, high = (conditional_power(value, fraction, bound) for value in (z, z + 0.5))
    assert 0 <= low <= high <= 1


def test_at_the_end_it_is_known():
    assert conditional_power(2.5, 1.0, 2.031) == 1.0
    assert conditional_power(1.5, 1.1, 2.031) == 0.0
    assert conditional_power(1.0, 0.5, math.inf) == 0.0


@pytest.mark.parametrize(
    ("fraction", "drift", "effect"), [(0.0, "trend", None), (0.5, "trend", 1.0), (0.5, "effect", None)]
)
def test_what_cannot_be_meant_is_refused(fraction, drift, effect):
    with pytest.raises(InvalidInput):
        conditional_power(1.0, fraction, 2.0, drift, effect)
