from __future__ import annotations

import numpy as np
import pytest
from unit.experiments.judged import by_phase, drawn, level, sufficient

from kenshin.experiments.estimates import TURNS, estimate, session_means, turns
from kenshin.experiments.stats.cuped import adjusted
from kenshin.experiments.stats.difference import ratio_difference, session_mean_difference
from kenshin.experiments.stats.ratio import RatioStatistics
from kenshin.experiments.stats.stratified import Stratum, stratified
from kenshin.experiments.sufficient import Cell, Statistics

SCORE = "quality_score"


def pair(rng, *, n=(400, 300), delta=0.0, **rest):
    """Control and candidate with a covariate."""
    found = []
    for count, mean in zip(n, (0.5, 0.5 + delta), strict=True):
        sessions, covariates = drawn(rng, count, mean, **rest)
        found.append(RatioStatistics.of_sessions(sessions, covariates=covariates))
    return found


def scored(arms):
    return sufficient({(arm, SCORE): each for arm, each in zip("AB", arms, strict=True)})


def test_one_phase_is_the_ratio_of_sums():
    arms = pair(np.random.default_rng(1), delta=0.03)
    found = estimate(scored(arms), "A", "B")
    assert found.difference == found.unadjusted == ratio_difference(*arms)
    assert (found.sessions, found.by_phase, found.variance_reduction) == (700, (), None)
    assert session_means(scored(arms), "A", "B") == session_mean_difference(*arms)


def test_control_and_candidate_changed_about_change_the_sign_alone():
    statistics = scored(pair(np.random.default_rng(1), delta=0.03))
    there, back = (estimate(statistics, *arms, adjusted=True) for arms in (("A", "B"), ("B", "A")))
    assert there.difference.delta == pytest.approx(-back.difference.delta, rel=1e-12)
    assert there.difference.se == pytest.approx(back.difference.se, rel=1e-12)


@pytest.mark.parametrize("changes", [{"metric": "cost"}, {"segment": "none"}, {"metric": TURNS}])
def test_of_nothing_there_is_no_estimate(changes):
    statistics = Statistics(cells={Cell(arm, 0, "*", SCORE): level(0.5) for arm in "AB"})
    assert estimate(statistics, "A", "B", **changes) is None


@pytest.mark.parametrize("arms", [(level(0.5, 1), level(0.5)), (level(0.5, 40, 0.0), level(0.6, 40, 0.0))])
def test_too_few_sessions_or_no_variance_give_no_estimate(arms):
    assert estimate(scored(arms), "A", "B", adjusted=True) is None
    assert session_means(scored(arms), "A", "B") is None


class TestCovariate:
    def test_it_gives_the_numbers_of_cuped(self):
        arms = pair(np.random.default_rng(2), delta=0.03, known=0.03)
        found = estimate(scored(arms), "A", "B", adjusted=True)
        assert found.difference == adjusted(*arms)
        assert found.unadjusted == ratio_difference(*arms)
        assert found.variance_reduction == 1 - (found.difference.se / found.unadjusted.se) ** 2

    def test_it_is_used_only_where_it_is_asked_for(self):
        arms = pair(np.random.default_rng(2), known=0.03)
        assert estimate(scored(arms), "A", "B").difference == ratio_difference(*arms)

    def test_without_one_the_plain_estimate_stands(self):
        arms = [RatioStatistics.of_sessions(drawn(np.random.default_rng(2), 300, 0.5)[0]) for _ in "AB"]
        arms[1] = arms[0] + level(0.6)
        found = estimate(scored(arms), "A", "B", adjusted=True)
        assert (found.difference, found.variance_reduction) == (ratio_difference(*arms), None)

    def test_it_sharpens_without_bending(self):
        rng = np.random.default_rng(3)
        truth, plain, sharp, told, missed = 0.04, [], [], [], 0
        for _ in range(400):
            found = estimate(scored(pair(rng, n=(120, 80), delta=truth, own=0.1)), "A", "B", adjusted=True)
            plain.append(found.unadjusted.delta)
            sharp.append(found.difference.delta)
            told.append(found.difference.se)
            low, high = found.difference.interval()
            missed += not low <= truth <= high
        assert np.mean(sharp) == pytest.approx(truth, abs=3 * np.std(sharp) / 20)
        assert np.var(sharp) < 0.4 * np.var(plain)
        assert np.mean(told) == pytest.approx(np.std(sharp), rel=0.1)
        assert 0.03 < missed / 400 < 0.08

    def test_it_takes_away_a_lead_that_the_arm_had_before(self):
        rng = np.random.default_rng(4)
        arms = []
        for lucky in (0.0, 0.05):
            sessions, covariates = drawn(rng, 2_000, 0.5 + lucky, own=0.01)
            arms.append(
                RatioStatistics.of_sessions(sessions, covariates=[each + lucky for each in covariates])
            )
        found = estimate(scored(arms), "A", "B", adjusted=True)
        assert found.unadjusted.delta == pytest.approx(0.05, abs=0.01)
        assert found.difference.delta == pytest.approx(0.0, abs=0.003)

    def test_within_phases_each_has_its_own_line(self):
        rng = np.random.default_rng(5)
        first, second = pair(rng, n=(300, 60), known=0.02), pair(rng, n=(200, 200), known=0.3)
        third = [RatioStatistics.of_sessions(drawn(rng, 50, 0.5)[0]) for _ in "AB"]
        phases = {1: first, 2: second, 3: third}
        cells = {
            (arm, n, SCORE): each for n, arms in phases.items() for arm, each in zip("AB", arms, strict=True)
        }
        found = estimate(by_phase(cells), "A", "B", adjusted=True)
        used = {1: adjusted(*first), 2: adjusted(*second), 3: ratio_difference(*third)}
        told = stratified([Stratum(n, sum(each.n for each in phases[n]), used[n]) for n in phases])
        assert found.difference == told.difference
        assert [(each.phase, each.delta, each.se) for each in found.by_phase] == [
            (n, each.delta, each.se) for n, each in used.items()
        ]


RAMP = {
    ("A", 1, SCORE): level(0.3, 900),
    ("B", 1, SCORE): level(0.34, 100),
    ("A", 2, SCORE): level(0.7, 500),
    ("B", 2, SCORE): level(0.74, 500),
}


class TestPhases:
    def test_a_ramp_under_a_trend_bends_the_pooled_means_and_not_the_estimate(self):
        statistics = by_phase(RAMP)
        found = estimate(statistics, "A", "B")
        assert found.difference.delta == pytest.approx(0.04, abs=1e-12)
        pooled = ratio_difference(statistics.of("A", SCORE), statistics.of("B", SCORE))
        assert pooled.delta > 0.2
        assert session_means(statistics, "A", "B").delta == pytest.approx(0.04, abs=1e-12)

    def test_it_is_the_average_weighted_by_sessions(self):
        cells = {**RAMP, ("B", 2, SCORE): level(0.76, 500)}
        found = estimate(by_phase(cells), "A", "B")
        assert found.difference.delta == pytest.approx((1000 * 0.04 + 1000 * 0.06) / 2000, abs=1e-12)
        assert [(each.phase, each.sessions_a, each.sessions_b) for each in found.by_phase] == [
            (1, 900, 100),
            (2, 500, 500),
        ]
        variance = sum(each.variance / 4 for each in cells.values())
        assert found.difference.se == pytest.approx(variance**0.5, rel=1e-12)

    def test_a_phase_without_the_candidate_says_nothing(self):
        cells = {cell: each for cell, each in RAMP.items() if cell != ("B", 1, SCORE)}
        found = estimate(by_phase(cells), "A", "B")
        assert found.difference == ratio_difference(cells["A", 2, SCORE], cells["B", 2, SCORE])
        assert next((each.phase, each.sessions_b, each.delta) for each in found.by_phase) == (1, 0, None)

    def test_two_phases_that_say_the_same_thing_err_as_one(self):
        """No false decisions by the split: z is standard normal though shares and level change together."""
        rng = np.random.default_rng(6)
        z = []
        for _ in range(500):
            cells = {}
            for phase, (mean, counts) in enumerate(
                (((0.3), (180, 20)), ((0.6), (100, 100)), ((0.8), (20, 180))), 1
            ):
                for arm, count in zip("AB", counts, strict=True):
                    cells[arm, phase, SCORE] = RatioStatistics.of_sessions(drawn(rng, count, mean)[0])
            found = estimate(by_phase(cells), "A", "B")
            z.append(found.difference.z)
        assert abs(np.mean(z)) < 3 / 500**0.5
        assert np.std(z) == pytest.approx(1, abs=0.1)


class TestTurns:
    def test_each_session_counts_once_with_what_it_had(self):
        counts = [1, 2, 2, 7, 3]
        told = turns(RatioStatistics.of_sessions((float(k), k) for k in counts))
        assert told == RatioStatistics.of_sessions((float(k), 1) for k in counts)

    def test_they_are_the_difference_of_mean_lengths(self):
        lengths = {"A": [1, 2, 3, 4] * 20, "B": [2, 4, 6, 8] * 20}
        cells = {
            (arm, "observations"): RatioStatistics.of_sessions((float(k), k) for k in each)
            for arm, each in lengths.items()
        }
        found = estimate(sufficient(cells), "A", "B", metric=TURNS).difference
        assert (found.mean_a, found.mean_b) == (2.5, 5.0)
        variance = sum(np.var(each, ddof=1) / len(each) for each in lengths.values())
        assert found.se == pytest.approx(variance**0.5, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_shards_may_be_merged_in_any_order(seed):
    rng = np.random.default_rng(seed)
    whole, parts = [], []
    for mean in (0.5, 0.53):
        sessions, covariates = drawn(rng, 200, mean, known=0.05)
        whole.append(RatioStatistics.of_sessions(sessions, covariates=covariates))
        shard = rng.integers(0, 7, 200)
        each = [
            RatioStatistics.of_sessions(
                [sessions[place] for place in np.flatnonzero(shard == number)],
                covariates=[covariates[place] for place in np.flatnonzero(shard == number)],
            )
            for number in rng.permutation(7)
        ]
        parts.append(RatioStatistics.total(each))
    one, merged = (estimate(scored(arms), "A", "B", adjusted=True) for arms in (whole, parts))
    for name in ("delta", "se", "df", "mean_a", "mean_b"):
        assert getattr(merged.difference, name) == pytest.approx(getattr(one.difference, name), rel=1e-11)
    assert merged.sessions == one.sessions
