"""Admission: which observations count for an experiment. One truth for recording and importing."""

from __future__ import annotations

from kenshin.errors import InvalidObservation
from kenshin.experiments.assignment import held_out
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.observation import ABObservation


def admit(observation: ABObservation, experiment: Experiment) -> ABObservation:
    """The observation itself, if it belongs to the experiment.

    The prompt version is compared with the arm's for the phase in force only: an earlier phase may have had
    another, and may have counted a session that is held out now.

    Raises:
        InvalidObservation: another experiment's, an arm or phase it lacks, another prompt than the arm's, or a
            session that is not counted: a tester's, or one that is held out.
    """
    if observation.experiment_id != experiment.experiment_id:
        raise _refused("experiment_id", observation.experiment_id, f"not '{experiment.experiment_id}'")
    for arm in experiment.all_arms():
        if arm.name == observation.arm:
            break
    else:
        raise _refused("arm", observation.arm, f"the arms are {', '.join(experiment.arm_names())}")
    if observation.phase > experiment.phase:
        raise _refused("phase", observation.phase, f"the experiment is in phase {experiment.phase}")
    if observation.phase == experiment.phase and observation.prompt_version != arm.prompt_version:
        raise _refused(
            "prompt_version", observation.prompt_version, f"arm {arm.name} has '{arm.prompt_version}'"
        )
    if observation.session_id in experiment.overrides:
        raise _refused("session_id", observation.session_id, "a tester's session is not counted")
    if observation.phase == experiment.phase and held_out(experiment, observation.session_id):
        raise _refused("session_id", observation.session_id, "the session is held out of all experiments")
    return observation


def _refused(field: str, value: object, reason: str) -> InvalidObservation:
    return InvalidObservation(value=f"{field}={value!r}", reason=reason, mend=f"Correct '{field}'.")
