from __future__ import annotations

import pytest

from kenshin.errors import InvalidInput
from kenshin.experiments.policy import Guardrail, Policy
from kenshin.experiments.simulation.planning import planned, planned_like
from kenshin.experiments.simulation.rates import simulate


def test_the_effect_is_in_units_of_the_score():
    """2.8 standard errors of the last night's difference are found with a chance of .80."""
    effect = 2.8 * 0.25 * (2 / (14 * 100)) ** 0.5
    [rates] = simulate([planned(sessions=100, effect=effect, deviation=0.25)], worlds=300, seed=1)
    assert rates.one_look == pytest.approx(0.80, abs=0.08)


@pytest.mark.parametrize(
    "wrong", [{"sessions": 0}, {"arms": 1}, {"nights": 1}, {"deviation": 0.0}, {"deviation": -1.0}]
)
def test_a_number_that_no_experiment_can_have_is_refused(wrong):
    with pytest.raises(InvalidInput):
        planned(**{"sessions": 10, "effect": 0.1, "deviation": 0.2, **wrong})


def test_an_experiment_lends_its_policy_shares_and_figures(experiment, report_like):
    policy = Policy(horizon_nights=21, guardrails=(Guardrail("cost", 0.1),), minimal_effect=0.05)
    changed = experiment.changed(policy=policy, traffic_split=0.2)
    scenario = planned_like(changed, report_like(se=0.02, sessions=100, days=5), effect=0.05)
    assert (scenario.nights, scenario.policy.guardrails, scenario.shares) == (21, (), ((0.8, 0.2),))
    assert scenario.sessions == 20
    assert scenario.world.effect == pytest.approx(0.05 * scenario.world.session_deviation() / 0.2)
    assert scenario.policy.minimal_effect == pytest.approx(scenario.world.effect)
    with pytest.raises(InvalidInput, match="do not tell how much they vary"):
        planned_like(changed, report_like(se=None, sessions=1, days=1), effect=0.05)
