from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from unit.experiments.judged import candidate, look, nights

from kenshin.experiments.policy import Policy
from kenshin.experiments.stats.multiplicity import bonferroni, holm
from kenshin.experiments.stats.sequence import sequence_bound
from kenshin.experiments.stats.sequential import bounds, spent
from kenshin.experiments.stopping import boundary_at_horizon, limits

FIVE = Policy(horizon_nights=5, minimum_nights=1)
UNEVEN = {
    "even": [(10.0 * night, night / 10) for night in range(1, 11)],
    "skipped": [(20.0, 0.2), (30.0, 0.3), (70.0, 0.7), (100.0, 1.0)],
    "extra": [(10.0, 0.1), (10.5, 0.11), (11.0, 0.12), (60.0, 0.6), (61.0, 0.605), (100.0, 1.0)],
    "thin": [(1.0, 0.1), (40.0, 0.2), (41.0, 0.8), (41.5, 1.0)],
    "shrinking": [(20.0, 0.2), (19.0, 0.4), (50.0, 1.0)],
}
NAMES = "BCDE"


def nightly(policy, steps, arm="B"):
    """The limit of each look, each taken with the looks before it as they were recorded."""
    looks, found = [], []
    for number, (information, time) in enumerate(steps, start=1):
        limit = limits(policy, {arm: candidate(0.0, information)}, looks, comparisons=1, time=time)[arm]
        found.append(limit)
        looks.append(look(number, arm=arm, information=information, time=time, boundary=limit.boundary))
    return found


def rejected(policy, z, *, comparisons=None, looks=(), information=100.0, time=1.0):
    """Which arms cross tonight."""
    arms = {arm: candidate(each, information) for arm, each in z.items()}
    found = limits(policy, arms, looks, comparisons=comparisons or len(z), time=time)
    return {arm for arm, limit in found.items() if abs(z[arm]) >= limit.boundary}


@pytest.mark.parametrize("spending", ["obrien_fleming", "pocock"])
@pytest.mark.parametrize("steps", UNEVEN.values(), ids=UNEVEN)
def test_looks_of_any_spacing_have_the_sequential_bounds(steps, spending):
    found = nightly(Policy(horizon_nights=10, minimum_nights=1, spending=spending), steps)
    told = bounds(steps, 0.05, spending)
    assert [each.z for each in found] == pytest.approx([each.z for each in told], rel=1e-12)
    assert [each.alpha_spent for each in found] == [each.alpha_spent for each in told]
    assert found[-1].alpha_spent == 0.05


def test_five_equal_nights_have_the_published_bounds():
    found = nightly(FIVE, [(float(night), night / 5) for night in range(1, 6)])
    assert [round(each.z, 3) for each in found] == [4.877, 3.357, 2.680, 2.290, 2.031]


def test_three_uneven_looks_solve_the_trivariate_normal():
    steps = [(10.0, 0.3), (12.0, 0.5), (40.0, 1.0)]
    first, second, third = (each.z for each in nightly(FIVE, steps))
    root = np.sqrt([information for information, _ in steps])
    covariance = np.minimum.outer(root, root) / np.maximum.outer(root, root)
    joint = stats.multivariate_normal(cov=covariance, seed=1, abseps=1e-7, releps=1e-7)
    inside = joint.cdf([first, second, third], lower_limit=[-first, -second, -third])
    assert 1 - inside == pytest.approx(0.05, abs=2e-5)


def test_a_night_that_was_held_spends_nothing():
    held = [look(1, boundary=None, outcome="held", information=500.0, time=0.2)]
    steps = {"comparisons": 1, "time": 0.4}
    with_it, without = (limits(FIVE, {"B": candidate(0.0)}, looks, **steps) for looks in (held, []))
    assert with_it == without
    assert with_it["B"].alpha_spent == spent(0.4, 0.05, "obrien_fleming")


def test_a_second_look_at_the_same_time_may_spend_nothing_and_changes_nothing():
    once = [look(1, information=50.0, time=0.4)]
    assert limits(FIVE, {"B": candidate(20.0)}, once, comparisons=1, time=0.4) == {"B": None}
    again = [*once, look(2, information=60.0, time=0.4, boundary=None)]
    steps = {"comparisons": 1, "time": 0.6}
    assert limits(FIVE, {"B": candidate(0.0)}, again, **steps) == limits(
        FIVE, {"B": candidate(0.0)}, once, **steps
    )


def test_the_looks_of_another_arm_are_not_its_own():
    other = [look(1, arm="C", information=50.0, time=0.2)]
    steps = {"comparisons": 2, "time": 0.4}
    assert limits(FIVE, {"B": candidate(0.0)}, other, **steps) == limits(
        FIVE, {"B": candidate(0.0)}, [], **steps
    )


@pytest.mark.parametrize("df", [3.0, 12.0, 80.0])
def test_few_sessions_move_the_boundary_to_the_same_tail_of_student(df):
    limit = limits(FIVE, {"B": candidate(0.0, df=df)}, [], comparisons=1, time=0.6)["B"]
    assert limit.boundary > limit.z
    assert stats.t.sf(limit.boundary, df) == pytest.approx(stats.norm.sf(limit.z), rel=1e-9)


class TestExtension:
    POLICY = Policy(horizon_nights=5, minimum_nights=1, extend=True)
    LOOKS = tuple(nights([1, 2, 3, 4, 5], horizon=5))

    def test_four_fifths_of_alpha_are_spent_until_the_horizon(self):
        steps = [(float(night), night / 5) for night in range(1, 6)]
        found = nightly(self.POLICY, steps)
        assert [each.z for each in found] == [each.z for each in bounds(steps, 0.04, "obrien_fleming")]
        assert found[-1].alpha_spent == pytest.approx(0.04, rel=1e-12)

    @pytest.mark.parametrize("sessions", [500, 600, 5_000, 500_000])
    def test_after_it_the_confidence_sequence_holds_on_the_fifth_kept_back(self, sessions):
        tonight = {"B": candidate(0.0, sessions=sessions)}
        limit = limits(self.POLICY, tonight, self.LOOKS, comparisons=1, time=1.0)["B"]
        assert limit.z == limit.boundary == pytest.approx(sequence_bound(sessions, 0.01, 500), rel=1e-12)
        assert limit.alpha_spent == 0.05

    def test_it_stays_tuned_to_the_horizon_and_not_to_the_last_look(self):
        later = [*self.LOOKS, look(6, horizon=5), look(7, horizon=5)]
        tonight = {"B": candidate(0.0, sessions=900)}
        assert limits(self.POLICY, tonight, later, comparisons=1, time=1.0)["B"].z == sequence_bound(
            900, 0.01, 500
        )

    def test_without_extension_nothing_is_left(self):
        assert limits(FIVE, {"B": candidate(9.0)}, self.LOOKS, comparisons=1, time=1.0) == {"B": None}

    @pytest.mark.parametrize("policy", [FIVE, POLICY])
    def test_a_horizon_that_was_held_is_made_up_for_by_the_next_night(self, policy):
        looks = [*self.LOOKS[:4], look(5, horizon=5, boundary=None, outcome="held")]
        limit = limits(policy, {"B": candidate(0.0, 60.0)}, looks, comparisons=1, time=1.0)["B"]
        steps = [*((10.0 * night, night / 5) for night in range(1, 5)), (60.0, 1.0)]
        assert limit.z == bounds(steps, policy.spending_alpha, "obrien_fleming")[-1].z

    def test_several_arms_share_what_was_kept_back(self):
        arms = {arm: candidate(0.0, sessions=900) for arm in "BC"}
        looks = [*self.LOOKS, *nights([1, 2, 3, 4, 5], horizon=5, arm="C")]
        found = limits(self.POLICY, arms, looks, comparisons=2, time=1.0)
        assert {each.z for each in found.values()} == {sequence_bound(900, 0.005, 500)}
        crossed = [*looks, look(6, horizon=5, arm="C", outcome="crossed_up")]
        assert limits(self.POLICY, arms, crossed, comparisons=2, time=1.0)["B"].z == sequence_bound(
            900, 0.01, 500
        )

    def test_both_parts_together_err_no_more_than_alpha(self):
        rng = np.random.default_rng(11)
        worlds, late = 4_000, [6, 8, 12, 20, 40, 80]
        steps = [(10.0 * night, night / 5) for night in range(1, 6)]
        bound = [each.z for each in nightly(self.POLICY, steps)]
        for night in late:
            tonight = {"B": candidate(0.0, 10.0 * night, sessions=100 * night)}
            bound.append(limits(self.POLICY, tonight, self.LOOKS, comparisons=1, time=1.0)["B"].z)
        at = np.array([*range(1, 6), *late], float)
        paths = rng.normal(0, np.sqrt(np.diff(at, prepend=0)), (worlds, len(at))).cumsum(axis=1) / np.sqrt(at)
        wrong = (np.abs(paths) >= bound).any(axis=1).mean()
        assert 0.03 < wrong < 0.05 + 2 * (0.05 * 0.95 / worlds) ** 0.5


class TestSeveralArms:
    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.floats(-4.5, 4.5), min_size=2, max_size=4))
    def test_one_look_decides_as_the_adjusted_p_values_do(self, values):
        z = dict(zip(NAMES, values, strict=False))
        p = [float(2 * stats.norm.sf(abs(each))) for each in values]
        for correction, adjust in (("holm", holm), ("bonferroni", bonferroni)):
            told = {arm for arm, each in zip(z, adjust(p), strict=True) if each < 0.05}
            assert rejected(Policy(correction=correction), z) == told

    @pytest.mark.parametrize("comparisons", [2, 3])
    @pytest.mark.parametrize("correction", ["holm", "bonferroni"])
    def test_until_one_has_crossed_each_has_its_part(self, comparisons, correction):
        policy = Policy(correction=correction, horizon_nights=5, minimum_nights=1)
        arms = {arm: candidate(0.1) for arm in NAMES[:comparisons]}
        found = limits(policy, arms, [], comparisons=comparisons, time=0.6)
        told = bounds([(100.0, 0.6)], 0.05 / comparisons, "obrien_fleming")[-1]
        assert {each.z for each in found.values()} == {told.z}
        assert {each.alpha_spent for each in found.values()} == {told.alpha_spent}

    def test_alpha_passes_on_from_arm_to_arm_in_one_night(self):
        alone, two, three = (bounds([(100.0, 1.0)], 0.05 / each, "obrien_fleming")[0].z for each in (1, 2, 3))
        z = {"B": -three - 0.01, "C": two + 0.01, "D": -alone - 0.01}
        found = limits(
            Policy(), {arm: candidate(each) for arm, each in z.items()}, [], comparisons=3, time=1.0
        )
        assert {arm: limit.z for arm, limit in found.items()} == {"B": three, "C": two, "D": alone}
        assert rejected(Policy(), z) == set("BCD")
        assert rejected(Policy(correction="bonferroni"), z) == {"B"}
        assert rejected(Policy(), {**z, "C": two - 0.01}) == {"B"}, "the chain breaks where one stays within"

    @pytest.mark.parametrize(("crossed", "left"), [(1, 3), (2, 2), (3, 1)])
    def test_what_crossed_on_earlier_nights_leaves_its_alpha_to_the_rest(self, crossed, left):
        gone = [
            look(1, arm=arm, information=50.0, time=0.4, outcome="crossed_down") for arm in NAMES[:crossed]
        ]
        rest = NAMES[crossed:]
        before = [look(1, arm=arm, information=50.0, time=0.4) for arm in rest]
        arms = {arm: candidate(0.0) for arm in rest}
        found = limits(FIVE, arms, [*gone, *before], comparisons=4, time=0.8)
        told = bounds([(50.0, 0.4), (100.0, 0.8)], 0.05 / left, "obrien_fleming")[-1]
        assert {limit.z for limit in found.values()} == {told.z}
        kept = limits(
            Policy(horizon_nights=5, correction="bonferroni"), arms, [*gone, *before], comparisons=4, time=0.8
        )
        assert {limit.z for limit in kept.values()} == {
            bounds([(50.0, 0.4), (100.0, 0.8)], 0.05 / 4, "obrien_fleming")[-1].z
        }

    def test_an_arm_that_crosses_twice_leaves_its_alpha_once(self):
        twice = [look(night, arm="B", outcome="crossed_up") for night in (1, 2)]
        found = limits(FIVE, {"B": candidate(9.0), "C": candidate(0.0)}, twice, comparisons=3, time=0.6)
        assert found["C"].z == bounds([(100.0, 0.6)], 0.025, "obrien_fleming")[0].z

    @pytest.mark.parametrize(
        ("correction", "low", "high"), [("holm", 0.036, 0.06), ("bonferroni", 0.012, 0.032)]
    )
    def test_beside_an_arm_that_is_truly_better_the_other_errs_at_what_is_left(self, correction, low, high):
        policy = Policy(horizon_nights=3, minimum_nights=1, correction=correction)
        rng = np.random.default_rng(5)
        worlds, wrong = 1_500, 0
        paths = rng.normal(size=(worlds, 3)).cumsum(axis=1) / np.sqrt([1, 2, 3])
        for path in paths:
            looks = []
            for night, z in enumerate(path, start=1):
                information, time = 10.0 * night, night / 3
                arms = {"B": candidate(20.0, information), "C": candidate(z, information)}
                found = limits(policy, arms, looks, comparisons=2, time=time)
                if abs(z) >= found["C"].boundary:
                    wrong += 1
                    break
                looks += [
                    look(night, arm="B", information=information, time=time, outcome="crossed_up"),
                    look(night, arm="C", information=information, time=time),
                ]
        assert low < wrong / worlds < high

    @pytest.mark.parametrize("comparisons", [2, 3])
    @pytest.mark.parametrize("correction", ["holm", "bonferroni"])
    def test_the_family_errs_no_more_than_alpha_where_nothing_differs(self, comparisons, correction):
        policy = Policy(horizon_nights=4, minimum_nights=1, correction=correction)
        rng = np.random.default_rng(6)
        worlds = 4_000
        steps = [(10.0 * night, night / 4) for night in range(1, 5)]
        arms = {arm: candidate(0.0) for arm in NAMES[:comparisons]}
        bound, looks = [], []
        for night, (information, time) in enumerate(steps, start=1):
            tonight = {arm: candidate(0.0, information) for arm in arms}
            found = limits(policy, tonight, looks, comparisons=comparisons, time=time)
            bound.append(found["B"].z)
            looks += [look(night, arm=arm, information=information, time=time) for arm in arms]
        means = rng.normal(size=(worlds, comparisons + 1, 4)).cumsum(axis=2)
        z = (means[:, 1:] - means[:, :1]) / np.sqrt(2 * np.arange(1, 5))
        wrong = (np.abs(z) >= bound).any(axis=(1, 2)).mean()
        assert 0.02 < wrong < 0.05 + 2 * (0.05 * 0.95 / worlds) ** 0.5


def test_the_last_boundary_of_a_plan_is_that_of_its_looks():
    planned = boundary_at_horizon(2, 14, 0.05, "obrien_fleming")
    steps = [(float(night), night / 14) for night in range(2, 15)]
    assert planned == pytest.approx(bounds(steps, 0.05, "obrien_fleming")[-1].z, rel=1e-9)
    fewer_alpha = [boundary_at_horizon(2, 14, alpha, "obrien_fleming") for alpha in (0.05, 0.025, 0.01)]
    assert all(low < high for low, high in pairwise(fewer_alpha))
    assert stats.norm.isf(0.025) < planned < 2.2
