"""Admission: which observations count for an experiment. One truth for recording and importing."""

from __future__ import annotations

from kenshin.errors import InvalidObservation
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.observation import ABObservation


class Admission:
    """The rules of one experiment, for many observations of it."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment_id = experiment.experiment_id
        self._phase = experiment.phase
        self._versions = {arm.name: arm.prompt_version for arm in experiment.all_arms()}

    def check(self, observation: ABObservation) -> ABObservation:
        """The observation itself, if it belongs to the experiment; see `admit`."""
        if observation.experiment_id != self._experiment_id:
            raise _refused("experiment_id", observation.experiment_id, f"not '{self._experiment_id}'")
        version = self._versions.get(observation.arm)
        if version is None:
            raise _refused("arm", observation.arm, f"the arms are {', '.join(self._versions)}")
        if observation.phase > self._phase:
            raise _refused("phase", observation.phase, f"the experiment is in phase {self._phase}")
        if observation.phase == self._phase and observation.prompt_version != version:
            raise _refused(
                "prompt_version", observation.prompt_version, f"arm {observation.arm} has '{version}'"
            )
        return observation


def admit(observation: ABObservation, experiment: Experiment) -> ABObservation:
    """The observation itself, if it belongs to the experiment.

    The prompt version is compared with the arm's for the phase in force only: an earlier phase may have had
    another.

    Raises:
        InvalidObservation: another experiment's, an arm or phase it lacks, or another prompt than the arm's.
    """
    return Admission(experiment).check(observation)


def _refused(field: str, value: object, reason: str) -> InvalidObservation:
    return InvalidObservation(value=f"{field}={value!r}", reason=reason, mend=f"Correct '{field}'.")
