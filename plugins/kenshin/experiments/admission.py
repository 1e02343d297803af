"""Admission: which observations count for an experiment. One truth for recording and importing."""

from __future__ import annotations

from kenshin.errors import InvalidObservation
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.observation import ABObservation


def admit(observation: ABObservation, experiment: Experiment) -> ABObservation:
    """The observation itself, if it belongs to the experiment.

    The prompt version is compared with the arm's for the phase in force only: an earlier phase may have had
    another.

    Raises:
        InvalidObservation: another experiment's, an arm or phase it lacks, or another prompt than the arm's.
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
    return observation


def _refused(field: str, value: object, reason: str) -> InvalidObservation:
    return InvalidObservation(value=f"{field}={value!r}", reason=reason, mend=f"Correct '{field}'.")
