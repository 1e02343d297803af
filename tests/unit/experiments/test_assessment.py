from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from unit.experiments.judged import DAYS, by_phase, drawn, level, sufficient

from kenshin.experiments.assessment import JUDGED, assess
from kenshin.experiments.decision import decide
from kenshin.experiments.experiment import Arm, Experiment
from kenshin.experiments.forecast import information_fraction
from kenshin.experiments.policy import Guardrail, Policy
from kenshin.experiments.stats.cuped import adjusted
from kenshin.experiments.stats.difference import ratio_difference, relative
from kenshin.experiments.stats.ratio import RatioStatistics
from kenshin.experiments.stats.sequence import sequence_bound
from kenshin.experiments.stats.sequential import bounds
from kenshin.experiments.sufficient import Statistics

SCORE = "quality_score"
PLAIN = Experiment("exp", "v1", "v2", policy=Policy(horizon_nights=7, minimum_nights=2, futility=None))
SIX = {"A": 0.5, "B": 0.6}


def under(**changes):
    return PLAIN.changed(policy=replace(PLAIN.policy, **changes))


def with_arms(number, **changes):
    share = round(1 / number, 6)
    rest = [Arm(name, f"v{place}", share) for place, name in enumerate("BCD"[: number - 1], start=2)]
    return under(**changes).changed(arms=(Arm("A", "v1", 1 - share * (number - 1)), *rest))


class World:
    """Sessions that come night after night, and what each night makes of them."""

    def __init__(self, experiment, means, *, seed=1, each=60, spread=0.1):
        self.experiment, self.looks, self.means, self.each = experiment, [], means, each
        self.rng, self.spread, self.sessions = np.random.default_rng(seed), spread, {arm: [] for arm in means}
        self.nights = 0

    def night(self, *, each=None, **changes):
        self.nights += 1
        for arm, mean in self.means.items():
            self.sessions[arm] += drawn(self.rng, each or self.each, mean, shared=self.spread)[0]
        cells = {(arm, SCORE): RatioStatistics.of_sessions(rows) for arm, rows in self.sessions.items()}
        statistics = sufficient(cells, nights=self.nights, **changes)
        found = assess(self.experiment, statistics, {}, {}, self.looks, days=DAYS[: self.nights])
        decision = decide(self.experiment, found, self.looks)
        self.looks += [arm.look for arm in found.arms if arm.look is not None]
        return found, decision


class TestBoundary:
    @pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
    @pytest.mark.parametrize("means", [{"A": 0.5, "B": 0.5}, {"A": 0.5, "B": 0.54}, {"A": 0.5, "B": 0.44}])
    def test_the_repeated_interval_leaves_out_0_exactly_where_z_passes_the_boundary(self, means, spending):
        for seed in range(6):
            world = World(under(spending=spending), means, seed=seed)
            for _ in range(7):
                found, _ = world.night()
                (arm,) = found.arms
                seen = arm.look
                if seen.boundary is None:
                    assert (seen.ci_low, seen.ci_high, seen.outcome) == (None, None, "held")
                    continue
                out = not seen.ci_low <= 0 <= seen.ci_high
                assert out == (abs(seen.z) >= seen.boundary)
                assert out == (seen.outcome in ("crossed_up", "crossed_down"))
                assert out == (not arm.relative.ci_low <= 0 <= arm.relative.ci_high)
                assert (seen.ci_low + seen.ci_high) / 2 == pytest.approx(seen.estimate, rel=1e-9)
                assert seen.ci_high - seen.ci_low == pytest.approx(2 * seen.boundary * seen.se, rel=1e-9)

    def test_over_nights_of_any_size_the_boundaries_are_the_sequential_ones(self):
        world = World(PLAIN, {"A": 0.5, "B": 0.5}, seed=3)
        for size in (40, 15, 200, 3, 90, 90, 10):
            world.night(each=size)
        spent = [each for each in world.looks if each.boundary is not None]
        assert [each.night for each in spent] == [2, 3, 4, 5, 6, 7]
        told = bounds([(each.information, each.time) for each in spent], 0.05, "obrien_fleming")
        for each, bound in zip(spent, told, strict=True):
            assert each.boundary == pytest.approx(bound.critical(each.df), rel=1e-9)
            assert each.alpha_spent == pytest.approx(bound.alpha_spent, rel=1e-9)
            assert each.information == pytest.approx(each.se**-2, rel=1e-9)
        assert spent[-1].alpha_spent == 0.05

    def test_a_held_night_spends_nothing_and_changes_no_later_boundary(self):
        worlds = World(PLAIN, {"A": 0.5, "B": 0.5}, seed=4), World(PLAIN, {"A": 0.5, "B": 0.5}, seed=4)
        for night in range(1, 8):
            gap = {"days": DAYS[: night - 1]} if night == 4 else {}
            held, _ = worlds[0].night(**gap)
            worlds[1].night()
            if gap:
                assert held.arms[0].look.alpha_spent == worlds[0].looks[2].alpha_spent
                worlds[1].looks.pop()
        assert [each.boundary for each in worlds[0].looks[4:]] == [
            each.boundary for each in worlds[1].looks[3:]
        ]
        assert worlds[0].looks[-1].alpha_spent == 0.05

    @pytest.mark.parametrize(
        ("number", "correction"), [(3, "holm"), (4, "holm"), (3, "bonferroni"), (4, "bonferroni")]
    )
    def test_several_arms_share_alpha_and_holm_passes_on_what_is_left(self, number, correction):
        names = "BCD"[: number - 1]
        means = {"A": 0.5, **dict.fromkeys(names, 0.5), "B": 0.9}
        world = World(with_arms(number, correction=correction), means, seed=5, each=80)
        for _ in range(7):
            world.night()
        left = number - 2 if correction == "holm" else number - 1
        for arm in names[1:]:
            spent = [each for each in world.looks if each.arm == arm and each.boundary is not None]
            told = bounds([(each.information, each.time) for each in spent], 0.05 / left, "obrien_fleming")
            crossed_at = next(
                n
                for n, each in enumerate(spent)
                if any(
                    other.arm == "B" and other.outcome == "crossed_up" and other.night <= each.night
                    for other in world.looks
                )
            )
            assert [each.boundary for each in spent[crossed_at:]] == pytest.approx(
                [bound.critical(each.df) for each, bound in zip(spent, told, strict=True)][crossed_at:],
                rel=1e-9,
            )
            assert spent[-1].alpha_spent == pytest.approx(0.05 / left, rel=1e-9)

    def test_each_arm_has_a_history_of_its_own(self):
        world = World(with_arms(3), {"A": 0.5, "B": 0.9, "C": 0.5}, seed=5, each=80)
        held = None
        for night in range(1, 8):
            crossed = any(each.outcome == "crossed_up" for each in world.looks)
            if crossed and held is None:
                held = night
            world.night(**({"days": DAYS[: night - 1]} if held == night else {}))
        by_arm = [[each for each in world.looks if each.arm == arm] for arm in "BC"]
        for looks in by_arm:
            before, tonight = looks[held - 2 : held]
            assert tonight.outcome == "held"
            assert tonight.alpha_spent == before.alpha_spent
            for night, each in enumerate(looks, start=1):
                told = information_fraction(each.information, night, 7, looks[: night - 1])
                assert each.information_fraction == pytest.approx(told, rel=1e-9)
        assert by_arm[0][held - 1].alpha_spent < by_arm[1][held - 1].alpha_spent, (
            "B crossed, and C got what it left"
        )

    def test_after_the_horizon_an_extension_goes_on_by_the_confidence_sequence(self):
        world = World(under(extend=True), {"A": 0.5, "B": 0.5}, seed=6)
        for _ in range(7):
            _, decision = world.night()
        assert (decision.verdict, world.looks[-1].alpha_spent) == ("extend", 0.04)
        at_horizon = world.looks[-1].sessions
        for night in range(8, 12):
            _, decision = world.night()
            seen = world.looks[-1]
            assert seen.boundary == pytest.approx(sequence_bound(seen.sessions, 0.01, at_horizon), rel=1e-9)
            assert (seen.night, seen.time, seen.alpha_spent) == (night, 1.0, 0.05)
            assert decision.verdict == "extend"
        world.means["B"] = 0.9
        for _ in range(5):
            _, decision = world.night()
        assert (decision.verdict, decision.biased_upward) == ("promote", False)

    def test_without_an_extension_nothing_is_decided_after_the_horizon(self):
        world = World(PLAIN, {"A": 0.5, "B": 0.5}, seed=6)
        for _ in range(7):
            world.night()
        world.means["B"] = 0.9
        found, decision = world.night(each=600)
        assert found.arms[0].look.z > 5
        assert (found.arms[0].look.boundary, found.arms[0].look.outcome) == (None, "undecided")
        assert (decision.verdict, decision.rule) == ("inconclusive", "horizon")

    def test_without_a_boundary_no_interval_is_stated(self):
        found, _ = World(PLAIN, SIX).night()
        (arm,) = found.arms
        assert (arm.look.ci_low, arm.relative.ci_low, arm.relative.ci_high) == (None, None, None)
        assert arm.relative.effect == pytest.approx(0.2, abs=0.1)
        assert found.as_dict()["primary"][0]["relative_ci"] is None


class TestStop:
    def test_an_early_stop_is_biased_upward_and_one_at_the_horizon_is_not(self):
        early, late = World(PLAIN, {"A": 0.5, "B": 0.7}), World(PLAIN, {"A": 0.5, "B": 0.5}, seed=2)
        for _ in range(4):
            _, decision = early.night()
        assert (decision.verdict, decision.biased_upward) == ("promote", True)
        assert [late.night()[1].verdict for _ in range(6)] == ["hold", *["continue"] * 5]
        late.means["B"] = 0.9
        _, decision = late.night()
        assert (decision.verdict, decision.biased_upward) == ("promote", False)

    def test_estimates_of_early_stops_are_indeed_too_high(self):
        """The label's claim: with a true difference of 0.03, what was stopped early says more on average."""
        truth, told = 0.03, []
        for seed in range(60):
            world = World(PLAIN, {"A": 0.5, "B": 0.5 + truth}, seed=seed, each=25)
            for _ in range(7):
                _, decision = world.night()
                if decision.verdict == "promote":
                    told.append((decision.biased_upward, world.looks[-1].estimate))
                    break
        early = [estimate for biased, estimate in told if biased]
        assert len(early) >= 10
        assert np.mean(early) > truth + 2 * np.std(early) / len(early) ** 0.5

    def test_futility_gives_up_what_is_not_likely_and_binds_nobody(self):
        policy = {"futility": 0.1, "minimal_effect": 0.05}
        world, free = (World(under(**each), {"A": 0.5, "B": 0.48}, seed=7) for each in (policy, {}))
        verdicts = [world.night()[1].verdict for _ in range(6)]
        assert "reject" in verdicts
        for _ in range(6):
            free.night()
        assert [each.boundary for each in world.looks] == [each.boundary for each in free.looks]


class TestCovariate:
    def statistics(self, delta=0.05):
        rng, cells = np.random.default_rng(8), {}
        for arm, mean in (("A", 0.5), ("B", 0.5 + delta)):
            rows, covariates = drawn(rng, 300, mean, known=0.03)
            cells[arm, SCORE] = RatioStatistics.of_sessions(rows, covariates=covariates)
        return sufficient(cells, nights=4)

    def test_the_look_is_taken_of_the_sharpened_difference(self):
        statistics = self.statistics()
        arms = [statistics.of(arm, SCORE) for arm in "AB"]
        found = assess(PLAIN, statistics, {}, {}, (), days=DAYS[:4])
        (arm,) = found.arms
        told, raw = adjusted(*arms), ratio_difference(*arms)
        assert (arm.look.estimate, arm.look.se, arm.look.df) == pytest.approx(
            (told.delta, told.se, told.df), rel=1e-11
        )
        assert arm.look.se < 0.95 * raw.se
        body = found.as_dict()["primary"][0]["cuped"]
        assert body["variance_reduction"] == pytest.approx(1 - (told.se / raw.se) ** 2, rel=1e-9)
        assert (body["delta_unadjusted"], body["se_unadjusted"]) == pytest.approx(
            (raw.delta, raw.se), rel=1e-11
        )

    def test_a_policy_may_do_without(self):
        statistics = self.statistics()
        found = assess(under(cuped=False), statistics, {}, {}, (), days=DAYS[:4])
        raw = ratio_difference(*(statistics.of(arm, SCORE) for arm in "AB"))
        assert found.arms[0].look.se == pytest.approx(raw.se, rel=1e-11)
        assert found.as_dict()["primary"][0]["cuped"] is None


class TestInvariance:
    """What is decided depends on the sessions, and not on how they were counted or named."""

    def cells(self):
        rng = np.random.default_rng(9)
        return {
            (arm, metric): RatioStatistics.of_sessions(drawn(rng, 200, mean)[0])
            for arm, mean in (("A", 0.5), ("B", 0.53), ("C", 0.47))
            for metric in (SCORE, "cost")
        }

    def assessed(self, experiment, cells):
        return assess(experiment, sufficient(cells, nights=4), {}, {}, (), days=DAYS[:4])

    def test_the_order_of_cells_changes_nothing(self):
        experiment = with_arms(3, guardrails=(Guardrail("cost", 0.2),))
        cells = self.cells()
        found = self.assessed(experiment, cells)
        assert self.assessed(experiment, dict(reversed(cells.items()))) == found

    def test_shards_in_any_order_give_the_same_look(self):
        rng = np.random.default_rng(10)
        rows = {arm: drawn(rng, 210, mean)[0] for arm, mean in SIX.items()}
        found = []
        for order in (range(7), reversed(range(7))):
            shards = list(order)
            cells = {
                (arm, SCORE): RatioStatistics.total(RatioStatistics.of_sessions(each[n::7]) for n in shards)
                for arm, each in rows.items()
            }
            found.append(self.assessed(PLAIN, cells))
        whole = {(arm, SCORE): RatioStatistics.of_sessions(each) for arm, each in rows.items()}
        assert found[0] == found[1]
        merged, one = found[0].arms[0].look, self.assessed(PLAIN, whole).arms[0].look
        for name in ("estimate", "se", "z", "boundary", "ci_low", "ci_high"):
            assert getattr(merged, name) == pytest.approx(getattr(one, name), rel=1e-10)

    def test_candidates_that_change_places_change_their_names_alone(self):
        cells = self.cells()
        swapped = {
            ({"B": "C", "C": "B"}.get(arm, arm), metric): each for (arm, metric), each in cells.items()
        }
        there, back = (self.assessed(with_arms(3), each) for each in (cells, swapped))
        assert replace(there.arms[0].look, arm="C") == back.arms[1].look
        assert replace(there.arms[1].look, arm="B") == back.arms[0].look

    def test_control_and_candidate_that_change_places_change_the_sign(self):
        cells = self.cells()
        swapped = {
            ({"A": "B", "B": "A"}.get(arm, arm), metric): each for (arm, metric), each in cells.items()
        }
        there, back = (self.assessed(PLAIN, each).arms[0].look for each in (cells, swapped))
        assert (there.estimate, there.ci_low) == pytest.approx((-back.estimate, -back.ci_high), rel=1e-9)
        assert (there.se, there.boundary) == pytest.approx((back.se, back.boundary), rel=1e-9)

    def test_another_unit_of_the_score_changes_neither_z_nor_boundary(self):
        def scaled(arm, factor):
            rows = drawn(np.random.default_rng(ord(arm)), 200, SIX[arm])[0]
            return RatioStatistics.of_sessions((s * factor, k) for s, k in rows)

        one, tenth = (
            self.assessed(PLAIN, {(arm, SCORE): scaled(arm, factor) for arm in "AB"}).arms[0]
            for factor in (1.0, 0.125)
        )
        assert (tenth.look.z, tenth.look.boundary) == pytest.approx((one.look.z, one.look.boundary), rel=1e-9)
        assert tenth.look.estimate == pytest.approx(one.look.estimate / 8, rel=1e-9)
        assert tenth.relative.effect == pytest.approx(one.relative.effect, rel=1e-9)


class TestPhases:
    def test_under_a_trend_a_ramp_is_judged_within_phases(self):
        cells = {}
        for phase, (mean, counts) in enumerate((((0.3), (900, 100)), ((0.7), (500, 500))), start=1):
            for arm, count in zip("AB", counts, strict=True):
                cells[arm, phase, SCORE] = level(mean, count)
                cells[arm, phase, "observations"] = level(1.0, count, 0.0)
        ramped = PLAIN.changed(phase=2)
        found = assess(
            ramped, by_phase(cells, nights=5), {}, {}, (), days=DAYS[:5], shares={1: {"A": 0.9, "B": 0.1}}
        )
        (arm,) = found.arms
        assert arm.look.estimate == pytest.approx(0.0, abs=1e-12)
        assert (arm.look.phase, arm.look.sessions) == (2, 2_000)
        assert (arm.look.sessions_a, arm.look.sessions_b, arm.look.expected_b) == (1_400, 600, 0.3)
        assert not found.validity.problems
        assert arm.session_mean_delta == pytest.approx(0.0, abs=1e-12)
        rows = found.as_dict()["primary"][0]["by_phase"]
        assert [(each["phase"], each["sessions_a"], each["sessions_b"]) for each in rows] == [
            (1, 900, 100),
            (2, 500, 500),
        ]


def test_an_arm_that_was_taken_out_is_shown_and_neither_promoted_nor_waited_for():
    arms = (Arm("A", "v1", 0.5), Arm("B", "v2", 0.5), Arm("C", "v3", 0.0))
    cells = {("A", SCORE): level(0.5), ("B", SCORE): level(0.5), ("C", SCORE): level(0.9, 40)}
    known = {(arm, "observations"): level(1.0, n, 0.0) for arm, n in (("A", 400), ("B", 400), ("C", 0))}
    experiment = PLAIN.changed(arms=arms)
    found = assess(experiment, sufficient({**cells, **known}, nights=4), {}, {}, (), days=DAYS[:4])
    assert [(each.arm, each.live) for each in found.arms] == [("B", True), ("C", False)]
    assert found.arms[1].look.outcome == "crossed_up"
    assert decide(experiment, found, ()).verdict == "continue"


def test_a_candidate_without_enough_sessions_has_no_look():
    found = assess(PLAIN, sufficient({("A", SCORE): level(0.5)}, nights=4), {}, {}, (), days=DAYS[:4])
    (arm,) = found.arms
    assert (arm.look, arm.estimate, arm.guards) == (None, None, ())
    assert found.as_dict()["primary"] == [{"arm": "B", "delta": None}]
    assert found.plan.nights_left == 3
    assert arm.interval() == "an unknown amount"


def test_before_anything_was_observed_it_is_held():
    found = assess(PLAIN, Statistics(), {}, {}, (), days=DAYS[:1])
    decision = decide(PLAIN, found, ())
    assert (decision.verdict, decision.rule) == ("hold", "missing_night")
    assert (found.segments, found.metrics) == ((), ())


@pytest.mark.parametrize("means", [{"A": 0.5, "B": 0.5}, {"A": 0.0, "B": 0.1}])
def test_it_is_told_in_json_without_infinities(means):
    world = World(under(guardrails=(Guardrail("cost", 0.05),), minimal_effect=0.05), means)
    for _ in range(3):
        found, _ = world.night()
    body = found.as_dict()
    assert set(body) == set(JUDGED)
    assert json.loads(json.dumps(body, allow_nan=False)) == body
    told = body["primary"][0]
    assert (told["z"], told["boundary"]) == (world.looks[-1].z, world.looks[-1].boundary)
    assert body["guardrails"][0]["outcome"] == "undecided"


def test_the_relative_effect_is_fieller_s_at_the_boundary():
    world = World(PLAIN, SIX)
    for _ in range(4):
        found, _ = world.night()
    (arm,) = found.arms
    told = relative(arm.estimate.difference, critical=arm.look.boundary)
    assert (arm.relative.ci_low, arm.relative.ci_high) == pytest.approx((told.ci_low, told.ci_high), rel=1e-9)
    wide = relative(arm.estimate.difference)
    assert arm.relative.ci_low < wide.ci_low < wide.ci_high < arm.relative.ci_high


def test_where_nothing_differs_seven_nights_rarely_find_anything():
    """The whole layer, night after night: false decisions at about alpha, where peeking finds several times as many."""
    rng, worlds, wrong, peeked = np.random.default_rng(12), 300, 0, 0
    for _ in range(worlds):
        looks, means = [], rng.normal(0.5, 0.2, (7, 2, 60))
        crossed = peek = False
        for night in range(1, 8):
            cells = {}
            for place, arm in enumerate("AB"):
                values = means[:night, place].ravel()
                total, squares, n = float(values.sum()), float((values * values).sum()), values.size
                cells[arm, SCORE] = RatioStatistics(n, total, n, squares, total, n, total, squares)
                cells[arm, "observations"] = RatioStatistics(n, n, n, n, n, n, n, n)
            found = assess(PLAIN, sufficient(cells, nights=night), {}, {}, looks, days=DAYS[:night])
            looks.append(found.arms[0].look)
            crossed |= decide(PLAIN, found, looks[:-1]).verdict in ("promote", "reject")
            peek |= abs(looks[-1].z) > stats.t.isf(0.025, looks[-1].df)
        wrong, peeked = wrong + crossed, peeked + peek
    assert 0.01 < wrong / worlds < 0.05 + 2 * (0.05 * 0.95 / worlds) ** 0.5
    assert peeked > 2 * wrong
