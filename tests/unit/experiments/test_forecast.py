from __future__ import annotations

import numpy as np
import pytest
from unit.experiments.judged import candidate, look, nights

from kenshin.experiments.forecast import conditional_power_of, information_fraction, plan_of
from kenshin.experiments.policy import Policy
from kenshin.experiments.stats.power import minimal_detectable_effect
from kenshin.experiments.stats.sequential import boundary
from kenshin.experiments.stopping import boundary_at_horizon

POLICY = Policy(horizon_nights=10, minimum_nights=2)


class TestInformationFraction:
    @pytest.mark.parametrize("night", range(1, 11))
    def test_what_grows_evenly_is_there_in_step_with_the_nights(self, night):
        looks = nights(range(1, night), horizon=10)
        assert information_fraction(10.0 * night, night, 10, looks) == pytest.approx(night / 10, rel=1e-12)

    def test_without_earlier_looks_it_is_taken_to_have_grown_evenly(self):
        assert information_fraction(37.0, 4, 10, []) == pytest.approx(0.4, rel=1e-12)

    def test_growth_that_slowed_down_is_expected_to_go_on_slowly(self):
        looks = [look(2, information=100.0)]
        assert information_fraction(120.0, 4, 10, looks) == pytest.approx(120 / (120 + 6 * 10), rel=1e-12)

    def test_information_that_shrank_falls_back_on_the_mean_night(self):
        assert information_fraction(80.0, 4, 10, [look(2, information=100.0)]) == pytest.approx(
            0.4, rel=1e-12
        )

    def test_tonights_own_look_is_no_earlier_one(self):
        assert information_fraction(40.0, 4, 10, [look(4, information=39.0)]) == pytest.approx(0.4, rel=1e-12)

    @pytest.mark.parametrize("night", [10, 11, 30])
    def test_from_the_horizon_on_all_of_it_is_there(self, night):
        assert information_fraction(55.0, night, 10, nights(range(1, 10))) == 1.0


class TestConditionalPower:
    @pytest.mark.parametrize(
        ("z", "night", "effect"), [(0.5, 5, 0.1), (1.5, 5, 0.1), (-0.5, 8, 0.15), (1.0, 3, 0.05)]
    )
    def test_it_is_the_share_of_paths_that_end_beyond_the_last_boundary(self, z, night, effect):
        policy = Policy(horizon_nights=10, minimum_nights=2, minimal_effect=effect)
        information, fraction = 40.0 * night, night / 10
        found = conditional_power_of(policy, candidate(z, information), night, fraction, comparisons=1)
        rng = np.random.default_rng(1)
        final = information / fraction
        score = z * np.sqrt(information)
        ends = score + rng.normal(effect * (final - information), np.sqrt(final - information), 200_000)
        end = boundary_at_horizon(2, 10, 0.05, "obrien_fleming")
        assert found == pytest.approx((ends / np.sqrt(final) >= end).mean(), abs=0.004)

    def test_without_a_smallest_effect_it_is_the_one_that_a_fixed_look_finds(self):
        tonight = candidate(0.8, 200.0)
        effect = minimal_detectable_effect(1.0, 1.0) / np.sqrt(400.0)
        declared = Policy(horizon_nights=10, minimum_nights=2, minimal_effect=effect)
        found, told = (
            conditional_power_of(each, tonight, 5, 0.5, comparisons=1) for each in (POLICY, declared)
        )
        assert found == pytest.approx(told, rel=1e-12)

    def test_it_grows_with_z_and_shrinks_with_the_number_of_arms(self):
        by_z = [conditional_power_of(POLICY, candidate(z), 6, 0.6, comparisons=1) for z in (-2, -1, 0, 1, 2)]
        assert by_z == sorted(by_z)
        assert by_z[0] < 0.1 < by_z[-1]
        declared = Policy(horizon_nights=10, minimal_effect=0.1)
        by_arms = [
            conditional_power_of(declared, candidate(1.0), 6, 0.6, comparisons=each) for each in (3, 2, 1)
        ]
        assert by_arms == sorted(by_arms)
        assert by_arms[0] < by_arms[-1]

    @pytest.mark.parametrize("night", [10, 11])
    def test_from_the_horizon_on_there_is_none(self, night):
        assert conditional_power_of(POLICY, candidate(1.0), night, 1.0, comparisons=1) is None

    def test_what_is_kept_back_for_the_extension_is_not_counted_on(self):
        extended = Policy(horizon_nights=10, minimum_nights=2, extend=True, minimal_effect=0.1)
        plain = Policy(horizon_nights=10, minimum_nights=2, minimal_effect=0.1)
        four = Policy(horizon_nights=10, minimum_nights=2, minimal_effect=0.1, alpha=0.04)
        found = [
            conditional_power_of(each, candidate(1.0), 6, 0.6, comparisons=1)
            for each in (extended, plain, four)
        ]
        assert found[0] == pytest.approx(found[2], rel=1e-12)
        assert found[0] < found[1]


class TestPlan:
    def test_without_a_candidate_it_is_the_calendar(self):
        plan = plan_of(POLICY, 4)
        assert (plan.horizon_nights, plan.night, plan.nights_left) == (10, 4, 6)
        assert (
            plan.nights_needed
            is plan.power
            is plan.minimal_detectable_effect
            is plan.conditional_power
            is None
        )
        assert plan_of(POLICY, 12).nights_left == 0

    def test_the_effect_it_names_is_found_four_times_in_five(self):
        """The chance to cross any of the nightly boundaries by the horizon."""
        plan = plan_of(POLICY, 5, candidate(0.3, 200.0), 0.5, fraction=0.5)
        looks = [(40.0 * night, night / 10) for night in range(2, 11)]
        chance = boundary(looks, 0.05, "obrien_fleming").crossed(plan.minimal_detectable_effect)
        assert chance == pytest.approx(0.8, abs=0.005)
        assert plan.conditional_power == 0.5

    def test_it_takes_longer_for_less_and_agrees_with_its_own_power(self):
        tonight = candidate(0.3, 200.0)
        smallest = plan_of(POLICY, 5, tonight, None, fraction=0.5).minimal_detectable_effect
        plans = [
            plan_of(
                Policy(horizon_nights=10, minimum_nights=2, minimal_effect=times * smallest),
                5,
                tonight,
                fraction=0.5,
            )
            for times in (0.501, 1.001, 2.0)
        ]
        assert [each.nights_needed for each in plans] == [35, 5, 0]
        assert plans[1].power == pytest.approx(0.8, abs=1e-3)
        assert plans[0].power < 0.8 < plans[2].power

    def test_several_arms_find_less(self):
        one, three = (
            plan_of(
                POLICY, 5, candidate(0.3, 200.0), fraction=0.5, comparisons=each
            ).minimal_detectable_effect
            for each in (1, 3)
        )
        assert three > 1.05 * one
