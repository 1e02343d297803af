"""Planning: the scenario of an experiment that is yet to run, in the units of its score."""

from __future__ import annotations

from dataclasses import replace

from kenshin.errors import InvalidInput
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.policy import Policy
from kenshin.experiments.report import ExperimentReport
from kenshin.experiments.simulation.scenarios import Scenario, equal
from kenshin.experiments.simulation.worlds import World


def planned(*, sessions: int, effect: float, deviation: float, arms: int = 2, nights: int = 14) -> Scenario:
    """A scenario of equal shares.

    Args:
        sessions: of each arm and night.
        effect: by which every candidate's score exceeds control's.
        deviation: standard deviation of the score over sessions: an arm's standard error, times √sessions.
        arms: control and candidates.
        nights: until the horizon.

    Raises:
        InvalidInput: a number is none that an experiment can have.
    """
    for name, value, least in (("sessions", sessions, 1), ("arms", arms, 2), ("nights", nights, 2)):
        if value < least:
            raise InvalidInput(
                value=f"{name}={value}", reason=f"at least {least}", mend="Choose a larger one."
            )
    if deviation <= 0:
        raise InvalidInput(
            value=f"deviation={deviation}", reason="scores that do not vary", mend="Choose one above 0."
        )
    world = World()
    return Scenario(
        name=f"{sessions} sessions, effect {effect:g}",
        world=replace(world, effect=effect * world.session_deviation() / deviation),
        policy=Policy(horizon_nights=nights),
        sessions=sessions,
        shares=equal(arms),
    )


def planned_like(experiment: Experiment, report: ExperimentReport, *, effect: float) -> Scenario:
    """A scenario with an experiment's policy and shares, and with the sessions and scores that it has had so far.

    Args:
        experiment: whose policy and shares.
        report: of a night; tells how many sessions come and how much their scores vary.
        effect: by which every candidate's score exceeds control's.

    Raises:
        InvalidInput: its report tells no standard error yet.
    """
    control = report.analysis.arms[0]
    if control.score.se is None or control.score.se == 0:
        raise InvalidInput(
            value=experiment.experiment_id,
            reason="its scores do not tell how much they vary yet",
            mend="Give --sessions and --deviation instead.",
        )
    every = sum(arm.sessions for arm in report.analysis.arms)
    sessions = max(1, round(every / len(report.analysis.arms) / max(1, len(report.days))))
    deviation = control.score.se * control.score.sessions**0.5
    scenario = planned(sessions=sessions, effect=effect, deviation=deviation)
    # Guardrails and covariates are not simulated: only the score is.
    policy = replace(experiment.policy, guardrails=(), winsorise={})
    if policy.minimal_effect is not None:
        scale = scenario.world.session_deviation() / deviation
        policy = replace(policy, minimal_effect=policy.minimal_effect * scale)
    shares = tuple(arm.share for arm in experiment.all_arms())
    return replace(scenario, policy=policy, shares=(shares,))
