from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import tea_tasting as tt

from kenshin.experiments.stats.cuped import adjusted, variance_reduction
from kenshin.experiments.stats.difference import ratio_difference
from kenshin.experiments.stats.ratio import RatioStatistics


def sessions(
    chance, number: int, shift: float = 0.0, *, longest: int = 8, known: float = 1.0
) -> pd.DataFrame:
    """Sessions whose mean follows their covariate; nan where it is not known."""
    level = chance.normal(10, 1, number)
    counts = chance.integers(1, longest + 1, number)
    sums = [
        float((shift + each + chance.normal(0, 1, k)).sum()) for each, k in zip(level, counts, strict=True)
    ]
    covariate = np.where(chance.random(number) < known, level + chance.normal(0, 0.5, number), np.nan)
    return pd.DataFrame({"s": sums, "k": counts, "x": covariate})


def statistics(rows: pd.DataFrame) -> RatioStatistics:
    return RatioStatistics.of_sessions(
        zip(rows.s.tolist(), rows.k.tolist(), strict=True),
        covariates=[None if math.isnan(x) else x for x in rows.x],
    )


def directly(control: pd.DataFrame, candidate: pd.DataFrame) -> tuple[float, float]:
    """Difference and variance from the raw sessions, by the definition in the module's words."""
    both = pd.concat([control, candidate])
    centre = both.x.mean()
    z = (both.x - centre).fillna(0.0)
    residual = (both.s - both.s.sum() / both.k.sum() * both.k) / both.k.mean()
    theta = (residual * z).sum() / (z**2).sum()
    means, variances = [], []
    for arm in (control, candidate):
        of_arm = (arm.x - centre).fillna(0.0)
        ratio = arm.s.sum() / arm.k.sum()
        left = (arm.s - ratio * arm.k) / arm.k.mean() - theta * (of_arm - of_arm.mean())
        means.append(ratio - theta * of_arm.mean())
        variances.append(left.var(ddof=1) / len(arm))
    return means[1] - means[0], sum(variances)


@pytest.mark.parametrize(("longest", "known"), [(1, 1.0), (8, 1.0), (8, 0.4)])
def test_sums_give_what_the_raw_sessions_give(longest, known):
    chance = np.random.default_rng(1)
    control = sessions(chance, 300, longest=longest, known=known)
    candidate = sessions(chance, 200, 0.2, longest=longest, known=known)
    found = adjusted(statistics(control), statistics(candidate))
    delta, variance = directly(control, candidate)
    assert found.delta == pytest.approx(delta, rel=1e-9)
    assert found.se == pytest.approx(math.sqrt(variance), rel=1e-9)


@pytest.mark.parametrize(("longest", "known"), [(1, 1.0), (1, 0.5), (8, 1.0)])
def test_the_adjusted_difference_is_that_of_tea_tasting(longest, known):
    chance = np.random.default_rng(2)
    control = sessions(chance, 250, longest=longest, known=known)
    candidate = sessions(chance, 350, 0.2, longest=longest, known=known)
    found = adjusted(statistics(control), statistics(candidate))
    rows = pd.concat([control.assign(variant=0), candidate.assign(variant=1)])
    rows["x"] = rows.x.fillna(rows.x.mean())
    metric = tt.Mean("s", "x") if longest == 1 else tt.RatioOfMeans("s", "k", "x")
    theirs = tt.Experiment(m=metric).analyze(rows)["m"]
    assert (found.mean_a, found.mean_b) == pytest.approx((theirs.control, theirs.treatment), rel=1e-9)
    assert (found.delta, found.z) == pytest.approx((theirs.effect_size, theirs.statistic), rel=1e-9)
    assert found.interval() == pytest.approx(
        (theirs.effect_size_ci_lower, theirs.effect_size_ci_upper), rel=1e-9
    )


def test_a_good_covariate_saves_sessions_and_a_foreign_one_costs_nothing():
    chance = np.random.default_rng(3)
    control, candidate = sessions(chance, 2000), sessions(chance, 2000)
    raw = ratio_difference(statistics(control), statistics(candidate))
    assert 0.4 < variance_reduction(raw, adjusted(statistics(control), statistics(candidate))) < 0.9
    foreign = [rows.assign(x=chance.normal(size=len(rows))) for rows in (control, candidate)]
    assert abs(variance_reduction(raw, adjusted(*map(statistics, foreign)))) < 0.01


def test_the_adjustment_keeps_the_level():
    chance = np.random.default_rng(4)
    wrong = 0
    for _ in range(400):
        control, candidate = (statistics(sessions(chance, 60, longest=3, known=0.8)) for _ in "AB")
        wrong += adjusted(control, candidate).p_value < 0.05
    assert 0.025 <= wrong / 400 <= 0.08


def test_merged_shards_give_what_the_whole_gives():
    chance = np.random.default_rng(5)
    arms = [sessions(chance, 160, known=0.7), sessions(chance, 160, 0.3, known=0.7)]
    merged = [RatioStatistics.total(statistics(rows[shard::16]) for shard in range(16)) for rows in arms]
    one, other = adjusted(*merged), adjusted(*map(statistics, arms))
    assert (one.delta, one.se, one.df) == pytest.approx((other.delta, other.se, other.df), rel=1e-12)


def test_without_a_covariate_that_varies_there_is_no_adjustment():
    chance = np.random.default_rng(6)
    rows = sessions(chance, 50)
    assert adjusted(statistics(rows.assign(x=np.nan)), statistics(rows.assign(x=np.nan))) is None
    assert adjusted(statistics(rows.assign(x=0.1)), statistics(rows.assign(x=0.1))) is None
    assert adjusted(statistics(rows[:1]), statistics(rows)) is None
    flat = rows.assign(s=rows.k * 0.5)
    assert adjusted(statistics(flat), statistics(flat)) is None
