from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import tea_tasting as tt
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kenshin.errors import InvalidInput
from kenshin.experiments.stats.mismatch import chi_square, e_value

HALVES = {"a": 0.5, "b": 0.5}


@given(st.lists(st.tuples(st.integers(0, 10_000), st.floats(0.01, 1)), min_size=2, max_size=5))
def test_chi_square_is_that_of_scipy(arms):
    counts = {str(place): count for place, (count, _) in enumerate(arms)}
    shares = {str(place): share for place, (_, share) in enumerate(arms)}
    total, whole = sum(counts.values()), sum(shares.values())
    ours = chi_square(counts, shares)
    if total == 0:
        assert ours is None
        return
    theirs = stats.chisquare(list(counts.values()), [total * share / whole for share in shares.values()])
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-9)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-300)


def test_chi_square_is_that_of_tea_tasting():
    rows = pd.DataFrame({"variant": [0] * 500 + [1] * 570})
    theirs = tt.Experiment(m=tt.SampleRatio(method="norm", correction=False)).analyze(rows)["m"]
    assert chi_square({"a": 500, "b": 570}, HALVES).p_value == pytest.approx(theirs.pvalue, rel=1e-9)


@given(
    st.lists(st.tuples(st.integers(0, 3_000), st.floats(0.02, 1)), min_size=2, max_size=4), st.floats(1, 5000)
)
def test_the_e_value_is_the_quotient_of_the_likelihoods(arms, concentration):
    counts = np.array([count for count, _ in arms])
    shares = np.array([share for _, share in arms]) / sum(share for _, share in arms)
    found = e_value(dict(enumerate(map(int, counts))), dict(enumerate(shares)), concentration)
    mixture = stats.dirichlet_multinomial(concentration * shares, counts.sum()).logpmf(counts)
    point = stats.multinomial(counts.sum(), shares).logpmf(counts)
    assert math.log(found) == pytest.approx(min(mixture - point, 700.0), rel=1e-6, abs=1e-6)


def test_expected_evidence_under_the_shares_is_one():
    sessions = 40
    ways = range(sessions + 1)
    mean = sum(
        stats.binom.pmf(k, sessions, 0.3) * e_value({"a": k, "b": sessions - k}, {"a": 0.3, "b": 0.7}, 20.0)
        for k in ways
    )
    assert mean == pytest.approx(1.0, rel=1e-9)


def test_looking_every_night_hardly_ever_cries_wolf_yet_sees_a_mismatch():
    chance = np.random.default_rng(5)
    nights = np.cumsum(chance.binomial(1000, 0.5, (1000, 14)), axis=1)
    totals = 1000 * np.arange(1, 15)

    def ever(seen):
        return max(e_value({"a": int(k), "b": int(n - k)}, HALVES) for k, n in zip(seen, totals, strict=True))

    assert np.mean([ever(world) >= 100 for world in nights]) <= 0.01
    skewed = np.cumsum(chance.binomial(1000, 0.52, (100, 14)), axis=1)
    assert np.mean([ever(world) >= 100 for world in skewed]) >= 0.9


def test_arms_without_a_share_are_left_out_or_refused():
    assert chi_square({"a": 5, "b": 5}, {**HALVES, "c": 0.0}).df == 1
    assert chi_square({"a": 5}, {"a": 1.0}) is None
    assert e_value({}, HALVES) == pytest.approx(1.0)
    assert e_value({"a": 1_000_000}, HALVES) == math.exp(700)
    with pytest.raises(InvalidInput, match="no share"):
        chi_square({"a": 5, "c": 5}, HALVES)
    with pytest.raises(InvalidInput, match="no share"):
        e_value({"a": 5, "c": 5}, {**HALVES, "c": 0.0})
    with pytest.raises(InvalidInput, match="positive"):
        e_value({"a": 5}, HALVES, 0.0)
