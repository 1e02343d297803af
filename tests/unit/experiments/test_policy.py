from __future__ import annotations

import json

import pytest

from kenshin.errors import InvalidExperiment, InvalidInput
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.policy import Guardrail, Policy, Promotion

FULL = {
    "alpha": 0.1,
    "spending": "pocock",
    "horizon_nights": 21,
    "guardrails": [{"metric": "latency_ms.p95", "margin_relative": 0.1}],
    "winsorise": {"latency_ms": 99},
    "extend": True,
    "promotion": {"approvers": ["vera"], "auto_roll_back": True},
}


def test_json_and_back():
    policy = Policy.from_dict(FULL)
    assert Policy.from_dict(json.loads(json.dumps(policy.as_dict()))) == policy
    assert policy.guardrails == (Guardrail("latency_ms.p95", 0.1, "higher"),)
    assert policy.promotion.approvers == ("vera",)
    assert policy.minimum_nights == Policy().minimum_nights
    experiment = Experiment("exp", "a", "b", policy=policy)
    assert Experiment.from_dict(json.loads(json.dumps(experiment.as_dict()))) == experiment
    assert isinstance(hash(experiment), int)


def test_alpha_is_divided_between_horizon_and_extension():
    assert (Policy().spending_alpha, Policy().extension_alpha) == (0.05, 0.0)
    extended = Policy(extend=True)
    assert (extended.spending_alpha, extended.extension_alpha) == pytest.approx((0.04, 0.01))


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ({"alpha": 0}, "alpha"),
        ({"alpha": "0.05"}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"spending": "haybittle"}, "spending"),
        ({"correction": "none"}, "correction"),
        ({"horizon_nights": 14.5}, "horizon_nights"),
        ({"minimum_nights": 15}, "minimum_nights"),
        ({"minimum_sessions": 10}, "minimum_sessions"),
        ({"futility": 0.9}, "futility"),
        ({"crossing_share": -0.1}, "crossing_share"),
        ({"minimal_effect": -1}, "minimal_effect"),
        ({"extend": 1}, "extend"),
        ({"winsorise": {"quality_score": 99}}, "winsorise"),
        ({"winsorise": {"latency_ms": 0.99}}, "winsorise"),
        ({"guardrails": {"metric": "cost"}}, "guardrails"),
        ({"guardrails": [{"metric": "quality_score", "margin_relative": 0.1}]}, "guardrails.metric"),
        ({"guardrails": [{"metric": "cost", "margin_relative": 5}]}, "margin_relative"),
        ({"guardrails": [{"metric": "cost", "margin_relative": 0.1, "worse": "up"}]}, "guardrails.worse"),
        ({"guardrails": [{"metric": "cost", "margin_relative": 0.1}] * 2}, "guarded once"),
        ({"guardrails": [{"metric": "cost"}]}, "cannot be read"),
        ({"promotion": {"approvers": "vera"}}, "approvers"),
        ({"promotion": {"answer_within_hours": 0}}, "answer_within_hours"),
        ({"promotion": {"on_timeout": "guess"}}, "on_timeout"),
        ({"promotion": {"auto_roll_back": "yes"}}, "auto_roll_back"),
        ({"alfa": 0.05}, "alfa"),
        ([], "not an object"),
    ],
)
def test_what_cannot_be_is_refused_by_name(raw, named):
    with pytest.raises(InvalidExperiment, match=named):
        Experiment.from_dict(
            {"experiment_id": "e", "prompt_a_version": "a", "prompt_b_version": "b", "policy": raw}
        )


def test_rules_are_fixed_once_it_runs_and_promotion_is_not(runtime):
    from kenshin.experiments import api

    api.create_experiment(
        {"experiment_id": "exp", "prompt_a_version": "a", "prompt_b_version": "b", "policy": FULL}
    )
    changed = api.change_experiment("exp", {"policy": {"alpha": 0.01}}).value
    assert (changed.policy.alpha, changed.policy.horizon_nights) == (0.01, 21)
    api.start_experiment("exp")
    with pytest.raises(InvalidInput, match=r"policy\.alpha, policy\.horizon_nights"):
        api.change_experiment("exp", {"policy": {"alpha": 0.2, "horizon_nights": 7}})
    after = api.change_experiment("exp", {"policy": {"promotion": {"approvers": ["otto"]}}}).value
    assert after.policy.promotion == Promotion(("otto",), auto_roll_back=True)
    assert (after.policy.rules(), after.phase) == (changed.policy.rules(), 1)
    assert [entry.value.kind for entry in runtime.ledger.read("experiment:exp")][-1] == "changed"
