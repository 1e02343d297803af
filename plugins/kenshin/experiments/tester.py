"""The proof of concept's `PromptABTester`, as a thin face over registry and observation store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, tzinfo
from typing import Any

from kenshin.days import day_of, days_between
from kenshin.errors import BackendUnavailable, InvalidObservation
from kenshin.experiments import assignment
from kenshin.experiments.admission import admit
from kenshin.experiments.analysis import ExperimentAnalysis, analyse
from kenshin.experiments.collect import first_day, observations_of
from kenshin.experiments.definitions import Definitions
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.observation import SHARDS, ABObservation
from kenshin.experiments.registry import create, find
from kenshin.experiments.store import ExperimentStore, ObservationStore
from kenshin.experiments.sufficient import of_observations
from kenshin.ledger import Ledger


class PromptABTester:
    """Deterministic A/B tests of prompt versions.

    Args:
        experiments: the registry.
        observations: the observation store.
        ledger: is told of what is created.
        clock: answers the present instant, aware.
        zone: whose dates the days are.
        definitions: what the process knows of the registry; without it, each assignment asks the registry.
    """

    def __init__(
        self,
        experiments: ExperimentStore,
        observations: ObservationStore,
        ledger: Ledger,
        *,
        clock: Callable[[], datetime],
        zone: tzinfo,
        definitions: Definitions | None = None,
    ) -> None:
        self._experiments = experiments
        self._observations = observations
        self._ledger = ledger
        self._clock = clock
        self._zone = zone
        self._definitions = definitions

    def create_experiment(
        self,
        experiment_id: str,
        prompt_a_version: str,
        prompt_b_version: str,
        traffic_split: float = 0.5,
    ) -> Experiment:
        """Define an experiment that runs at once.

        Raises:
            InvalidExperiment: the definition contradicts itself.
            Conflict: the experiment exists already.
        """
        definition = {
            "experiment_id": experiment_id,
            "prompt_a_version": prompt_a_version,
            "prompt_b_version": prompt_b_version,
            "traffic_split": traffic_split,
        }
        made = create(
            self._experiments, self._ledger, definition, start=True, at=self._clock(), by="PromptABTester"
        )
        if self._definitions is not None:
            self._definitions.learn(made)
        return made.value

    def assign_group(self, experiment_id: str, session_id: str) -> str:
        """The session's arm; raises ExperimentNotFound."""
        if self._definitions is not None:
            return self._definitions.assign_group(experiment_id, session_id)
        return assignment.assign(find(self._experiments, experiment_id), session_id)

    def get_prompt_version(
        self, experiment_id: str, session_id: str, default: str | None = None
    ) -> str | None:
        """The prompt version of the session's arm, or the winner's; raises ExperimentNotFound.

        The `default` is for an experiment that has not started or is cancelled, and for one whose definition the
        process has not read yet.
        """
        if self._definitions is not None:
            return self._definitions.get_prompt_version(experiment_id, session_id, default)
        return assignment.prompt_version(find(self._experiments, experiment_id), session_id)

    def record_observation(self, observation: ABObservation) -> None:
        """Store an observation; storing it again changes nothing.

        Raises:
            ExperimentNotFound: the registry does not know its experiment.
            InvalidObservation: it does not belong to the experiment, or the store refuses it.
            BackendUnavailable: the store has no room for it just now.
        """
        admit(observation, find(self._experiments, observation.experiment_id))
        result = self._observations.write([observation])
        for rejected in result.rejected:
            raise InvalidObservation(
                value=observation.observation_id, reason=rejected.reason, mend="Correct the observation."
            )
        if result.unprocessed:
            raise BackendUnavailable(
                value=observation.observation_id,
                reason="the observation store has no room for it just now",
                mend="Record it again later.",
            )

    def analyze(self, experiment_id: str) -> dict[str, Any]:
        """The analysis of everything observed until now, under the keys of the proof of concept.

        Reads the store itself and works in memory; the nightly report works in the lake, with the same formulas.

        Raises:
            ExperimentNotFound: the registry does not know the experiment.
        """
        return self._analysis(find(self._experiments, experiment_id)).as_dict()

    def _analysis(self, experiment: Experiment) -> ExperimentAnalysis:
        return analyse(experiment, of_observations(self._all(experiment)))

    def _all(self, experiment: Experiment) -> Iterator[ABObservation]:
        today: date = day_of(self._clock(), self._zone)
        for day in days_between(first_day(experiment, self._zone), today):
            for shard in range(SHARDS):
                yield from observations_of(self._observations, experiment.experiment_id, day, shard)
