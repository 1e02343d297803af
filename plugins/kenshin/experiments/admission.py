"""Admission: which observations count for an experiment. One truth for recording and importing."""

from __future__ import annotations

from kenshin.errors import InvalidObservation
from kenshin.experiments.assignment import held_out
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.observation import ABObservation


class Admission:
    """The rules of one experiment, for many observations of it."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
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
        if observation.session_id in self._experiment.overrides:
            raise _refused("session_id", observation.session_id, "a tester's session is not counted")
        if observation.phase == self._phase and held_out(self._experiment, observation.session_id):
            raise _refused("session_id", observation.session_id, "the session is held out of all experiments")
        return observation


def admit(observation: ABObservation, experiment: Experiment) -> ABObservation:
    """The observation itself, if it belongs to the experiment.

    The prompt version is compared with the arm's for the phase in force only: an earlier phase may have had
    another, and may have counted a session that is held out now.

    Raises:
        InvalidObservation: another experiment's, an arm or phase it lacks, another prompt than the arm's, or a
            session that is not counted: a tester's, or one that is held out.
    """
    return Admission(experiment).check(observation)


def _refused(field: str, value: object, reason: str) -> InvalidObservation:
    return InvalidObservation(value=f"{field}={value!r}", reason=reason, mend=f"Correct '{field}'.")
