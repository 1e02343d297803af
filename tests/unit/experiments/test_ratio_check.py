from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats
from unit.experiments.judged import DAYS, by_phase, level, sufficient

from kenshin.experiments.assessment import assess
from kenshin.experiments.decision import decide
from kenshin.experiments.experiment import Arm, Experiment
from kenshin.experiments.policy import Policy
from kenshin.experiments.ratio_check import BEYOND_DOUBT, mismatch_of
from kenshin.experiments.stats.ratio import RatioStatistics
from kenshin.experiments.sufficient import Statistics

PLAIN = Experiment("exp", "v1", "v2")
SCORE, SEEN = "quality_score", "observations"


def seen(**counts):
    """Sessions of each arm; only their number matters."""
    return sufficient({(arm, SEEN): RatioStatistics(n=n, count=n) for arm, n in counts.items()})


def phases(counts):
    return by_phase(
        {
            (arm, phase, SEEN): RatioStatistics(n=n, count=n)
            for phase, arms in counts.items()
            for arm, n in arms.items()
        }
    )


def evidence(a, b, share_a=0.5):
    """The beta-binomial marginal of a session-by-session sequence over its binomial probability."""
    prior = (1000 * share_a, 1000 * (1 - share_a))
    logarithm = special.betaln(prior[0] + a, prior[1] + b) - special.betaln(*prior)
    return math.exp(logarithm - a * math.log(share_a) - b * math.log(1 - share_a))


@pytest.mark.parametrize(("a", "b"), [(500, 500), (520, 480), (5_200, 4_800), (0, 40), (20_000, 20_300)])
def test_it_is_the_bayes_factor_and_pearson_s_test(a, b):
    found = mismatch_of(PLAIN, seen(A=a, B=b))
    assert found.e_value == pytest.approx(evidence(a, b), rel=1e-8)
    assert found.chi_square_p == pytest.approx(stats.chisquare([a, b]).pvalue, rel=1e-8)
    assert (found.observed, found.expected) == ({"A": a, "B": b}, {"A": 0.5, "B": 0.5})
    assert found.held == (evidence(a, b) >= 1000)


def test_fifty_two_to_forty_eight_holds_the_decision_however_good_the_score():
    held = []
    for nights in range(2, 15):
        n = {"A": 1_040 * nights, "B": 960 * nights}
        cells = {(arm, SCORE): level(mean, n[arm]) for arm, mean in (("A", 0.5), ("B", 0.9))}
        night = assess(PLAIN, sufficient(cells, nights=nights), {}, {}, (), days=DAYS[:nights])
        held.append(night.mismatch.held)
        decision = decide(PLAIN, night, ())
        if night.mismatch.held:
            assert (decision.verdict, decision.rule) == ("hold", "sample_ratio")
            assert not decision.automatic_allowed
            assert night.arms[0].look.boundary is None
            assert night.arms[0].look.alpha_spent == 0
            assert f"e-value {night.mismatch.e_value:.3g}" in decision.words
        else:
            assert decision.verdict == "promote"
    assert held == sorted(held)
    assert held[-1]
    assert held.count(False) <= 8, "found within nine nights of 2,000 sessions"


def test_as_assigned_it_is_hardly_ever_held_though_looked_at_every_night():
    rng = np.random.default_rng(1)
    for share in (0.5, 0.1):
        experiment = Experiment("exp", "v1", "v2", traffic_split=share, policy=Policy(srm_alpha=0.05))
        held = 0
        for _ in range(300):
            candidate = rng.binomial(400, share, 14).cumsum()
            held += any(
                mismatch_of(experiment, seen(A=400 * night - int(b), B=int(b))).held
                for night, b in enumerate(candidate, start=1)
            )
        assert held / 300 <= 0.05 + 2 * (0.05 * 0.95 / 300) ** 0.5


def test_the_threshold_is_the_policys():
    counts = {"A": 5_250, "B": 4_750}
    value = evidence(*counts.values())
    for alpha, held in ((1.001 / value, True), (0.999 / value, False)):
        experiment = Experiment("exp", "v1", "v2", policy=Policy(srm_alpha=alpha))
        assert mismatch_of(experiment, seen(**counts)).held is held


def test_three_arms_have_the_multinomial_s_test():
    arms = (Arm("A", "v1", 0.5), Arm("B", "v2", 0.3), Arm("C", "v3", 0.2))
    found = mismatch_of(PLAIN.changed(arms=arms, traffic_split=0.5), seen(A=520, B=290, C=190))
    told = stats.chisquare([520, 290, 190], [500, 300, 200])
    assert found.chi_square_p == pytest.approx(told.pvalue, rel=1e-8)
    assert found.expected == {"A": 0.5, "B": 0.3, "C": 0.2}
    counts, prior = np.array([520, 290, 190]), 1000 * np.array([0.5, 0.3, 0.2])
    logarithm = special.gammaln(prior + counts).sum() - special.gammaln(prior).sum()
    logarithm += special.gammaln(1000) - special.gammaln(2000) - (counts * np.log(prior / 1000)).sum()
    assert found.e_value == pytest.approx(math.exp(logarithm), rel=1e-8)


class TestPhases:
    RAMPED = PLAIN.changed(phase=2, traffic_split=0.5)
    SHARES = staticmethod(lambda: {1: {"A": 0.9, "B": 0.1}})

    def test_each_phase_is_compared_with_its_own_shares(self):
        found = mismatch_of(
            self.RAMPED, phases({1: {"A": 910, "B": 90}, 2: {"A": 480, "B": 520}}), self.SHARES()
        )
        assert found.e_value == pytest.approx(evidence(910, 90, 0.9) * evidence(480, 520), rel=1e-8)
        assert found.expected == {"A": 0.7, "B": 0.3}
        assert (found.observed, found.untold, found.held) == ({"A": 1_390, "B": 610}, (), False)
        assert found.chi_square_p == pytest.approx(stats.chisquare([1390, 610], [1400, 600]).pvalue, rel=1e-8)

    def test_errors_that_cancel_over_the_phases_are_found(self):
        counts = {1: {"A": 9_200, "B": 800}, 2: {"A": 4_800, "B": 5_200}}
        found = mismatch_of(self.RAMPED, phases(counts), self.SHARES())
        assert found.chi_square_p == pytest.approx(1.0)
        assert found.held

    def test_a_phase_whose_shares_are_not_known_is_left_out_and_named(self):
        found = mismatch_of(self.RAMPED, phases({1: {"A": 910, "B": 90}, 2: {"A": 480, "B": 520}}))
        assert (found.untold, found.observed) == ((1,), {"A": 480, "B": 520})
        assert found.e_value == pytest.approx(evidence(480, 520), rel=1e-8)

    def test_an_arm_that_is_gone_is_compared_while_it_was_there(self):
        gone = PLAIN.changed(phase=2, traffic_split=0.0)
        counts = {1: {"A": 500, "B": 500}, 2: {"A": 1_000, "B": 3}}
        found = mismatch_of(gone, phases(counts), {1: {"A": 0.5, "B": 0.5}})
        assert (found.observed, found.expected) == ({"A": 1_500, "B": 500}, {"A": 0.75, "B": 0.25})
        assert not found.held


def test_before_the_first_session_nothing_is_said():
    found = mismatch_of(PLAIN, Statistics())
    assert (found.chi_square_p, found.e_value, found.held) == (None, 1.0, False)
    assert (found.observed, found.expected) == ({"A": 0, "B": 0}, {"A": 0.5, "B": 0.5})


def test_evidence_beyond_doubt_stays_a_number():
    counts = {1: {"A": 10**6, "B": 0}, 2: {"A": 10**6, "B": 0}}
    found = mismatch_of(PLAIN.changed(phase=2), phases(counts), {1: {"A": 0.5, "B": 0.5}})
    assert (found.e_value, found.held) == (BEYOND_DOUBT, True)
