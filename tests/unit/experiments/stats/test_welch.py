from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kenshin.errors import InvalidInput
from kenshin.experiments.stats.ratio import RatioStatistics
from kenshin.experiments.stats.welch import welch


def single(values):
    return RatioStatistics.of_sessions((float(v), 1) for v in values)


@given(st.integers(0, 2**32 - 1), st.integers(2, 200), st.integers(2, 200), st.floats(-3, 3))
def test_sessions_of_one_observation_give_the_textbooks_test(seed, m, n, shift):
    draw = np.random.default_rng(seed)
    a, b = draw.normal(size=m), shift + 2 * draw.normal(size=n)
    ours = welch(single(a), single(b))
    theirs = stats.ttest_ind(b, a, equal_var=False)
    interval = theirs.confidence_interval(0.95)
    assert ours.t == pytest.approx(theirs.statistic, rel=1e-9)
    assert ours.df == pytest.approx(theirs.df, rel=1e-9)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-300)
    assert (ours.ci_low, ours.ci_high) == pytest.approx((interval.low, interval.high), rel=1e-9, abs=1e-12)


def test_the_difference_is_candidate_minus_control():
    a, b = single([0.1, 0.2, 0.3]), single([0.5, 0.6, 0.7])
    assert welch(a, b).delta == pytest.approx(0.4)
    assert welch(b, a).delta == pytest.approx(-0.4)
    assert welch(a, b).p_value == pytest.approx(welch(b, a).p_value)


def test_where_nothing_varies_there_is_no_test():
    assert welch(single([0.5] * 40), single([0.7] * 40)) is None


def test_one_arm_that_varies_is_enough():
    found = welch(single([0.5] * 40), single([0.6, 0.7] * 20))
    assert found.df == pytest.approx(39)


def test_tiny_variances_do_not_underflow():
    a = single([1e-160 * n for n in range(30)])
    found = welch(a, single([2e-160 * n for n in range(30)]))
    assert found is None or found.df > 29


def test_another_level_gives_a_wider_interval():
    a, b = single(range(30)), single(range(1, 31))
    assert welch(a, b, level=0.99).ci_high > welch(a, b).ci_high


def test_one_session_is_refused():
    with pytest.raises(InvalidInput):
        welch(single([1.0]), single([1.0, 2.0]))
