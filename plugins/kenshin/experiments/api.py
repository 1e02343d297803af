"""Experiments, bound to the process's current runtime; the pure versions take their ports as arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from kenshin.current import current
from kenshin.errors import NotFound
from kenshin.experiments import registry, tester
from kenshin.experiments.collect import forget
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.importing import ImportResult, Progress, import_file
from kenshin.experiments.observation import ABObservation
from kenshin.experiments.report import ExperimentReport, read_report, report_days
from kenshin.experiments.tally import RecorderStats
from kenshin.ports import Versioned

BY = "api"
"""Who the ledger says it was, unless a caller says otherwise."""


class PromptABTester(tester.PromptABTester):
    """The proof of concept's tester over the current registry and observation store."""

    def __init__(self) -> None:
        runtime = current()
        super().__init__(
            runtime.experiments, runtime.observations, clock=runtime.clock, zone=runtime.settings.zone
        )

    def record_observation(self, observation: ABObservation) -> None:
        """Record an observation in the background; see the function of the same name."""
        record_observation(observation)

    def analyze(self, experiment_id: str) -> dict[str, Any]:
        """The analysis of everything observed until now; what this process has recorded is stored first.

        Raises:
            ExperimentNotFound: the registry does not know the experiment.
        """
        flush_observations()
        return super().analyze(experiment_id)


def assign_group(experiment_id: str, session_id: str) -> str:
    """The session's arm; control unless the experiment is running.

    Raises:
        ExperimentNotFound: the registry does not know the experiment.
    """
    return PromptABTester().assign_group(experiment_id, session_id)


def get_prompt_version(experiment_id: str, session_id: str) -> str:
    """The prompt version that the session gets.

    Raises:
        ExperimentNotFound: the registry does not know the experiment.
    """
    return PromptABTester().get_prompt_version(experiment_id, session_id)


def record_observation(observation: ABObservation | None = None, **fields: Any) -> None:
    """Record an observation in the background; the same observation id counts once.

    It neither blocks nor raises: what is refused or lost is counted in `observation_stats`.

    Args:
        observation: what to record; or leave it out and give `fields`.
        fields: those of the proof of concept (session_id, experiment_id, group, prompt_version, quality_score,
            latency_ms, timestamp), and further ones of `ABObservation`; see `observing.observed`.
    """
    recorder = current().observation_recorder
    if observation is None:
        recorder.observe(**fields)
    else:
        recorder.record(observation)


def flush_observations(deadline_s: float = 5.0) -> int:
    """Wait until what this process recorded is stored, e.g. at the end of a Lambda's call.

    Answers how many observations are not stored yet; see `ObservationRecorder.flush`.
    """
    return current().observation_recorder.flush(deadline_s)


def observation_stats() -> RecorderStats:
    """What became of the observations that this process recorded."""
    return current().observation_recorder.stats()


def analyze(experiment_id: str) -> dict[str, Any]:
    """The analysis of everything observed until now, under the proof of concept's keys.

    What this process has recorded is stored first.

    Raises:
        ExperimentNotFound: the registry does not know the experiment.
    """
    return PromptABTester().analyze(experiment_id)


def list_experiments() -> Sequence[Versioned[Experiment]]:
    """All experiments, in order of id."""
    return current().experiments.list()


def show_experiment(experiment_id: str) -> Versioned[Experiment]:
    """An experiment and its version; raises ExperimentNotFound."""
    return registry.find_version(current().experiments, experiment_id)


def create_experiment(
    definition: Mapping[str, Any], *, start: bool = False, by: str = BY
) -> Versioned[Experiment]:
    """Add an experiment, as a draft or running.

    Raises:
        InvalidExperiment: the definition contradicts itself, or already names an outcome.
        Conflict: the experiment exists already.
    """
    runtime = current()
    return registry.create(
        runtime.experiments, runtime.ledger, definition, start=start, at=runtime.clock(), by=by
    )


def start_experiment(experiment_id: str, *, by: str = BY) -> Versioned[Experiment]:
    """Let a draft run.

    Raises:
        ExperimentNotFound: the registry does not know it.
        InvalidInput: it is no draft.
    """
    runtime = current()
    return registry.start(runtime.experiments, runtime.ledger, experiment_id, at=runtime.clock(), by=by)


def stop_experiment(experiment_id: str, *, winner: str | None = None, by: str = BY) -> Versioned[Experiment]:
    """Conclude an experiment with a winner, or cancel it.

    Raises:
        ExperimentNotFound: the registry does not know it.
        InvalidExperiment: the winner is none of its arms.
        InvalidInput: it has ended already.
    """
    runtime = current()
    return registry.stop(
        runtime.experiments, runtime.ledger, experiment_id, winner=winner, at=runtime.clock(), by=by
    )


def import_observations(
    experiment_id: str,
    path: Path,
    *,
    rejects: Path,
    progress: Progress = lambda done, total: None,
    by: str = BY,
) -> ImportResult:
    """Import a file of observations; see `import_file`.

    Observations from before the experiment's first day move that day back, and the days that hold imported
    observations are collected anew by the next night, however old they are.

    Raises:
        ExperimentNotFound: the registry does not know the experiment.
        InvalidInput: the file cannot be used; nothing is written.
    """
    runtime = current()
    zone, at = runtime.settings.zone, runtime.clock()
    experiment = registry.find(runtime.experiments, experiment_id)
    result = import_file(
        path,
        experiment,
        runtime.observations,
        zone=zone,
        recorded_at=at,
        rejects=rejects,
        progress=progress,
    )
    if result.days:
        registry.backdate(
            runtime.experiments, runtime.ledger, experiment_id, result.days[0], zone=zone, at=at, by=by
        )
        forget(runtime.lake, experiment_id, result.days)
    return result


def report(experiment_id: str, day: date) -> ExperimentReport:
    """An experiment's report of a day.

    Raises:
        ExperimentNotFound: the registry does not know it.
        NotFound: there is no report of that day.
    """
    runtime = current()
    registry.find(runtime.experiments, experiment_id)
    return read_report(runtime.lake, experiment_id, day)


def latest_report(experiment_id: str) -> ExperimentReport:
    """An experiment's newest report.

    Raises:
        ExperimentNotFound: the registry does not know it.
        NotFound: there is none yet.
    """
    runtime = current()
    registry.find(runtime.experiments, experiment_id)
    days = report_days(runtime.lake, experiment_id)
    if not days:
        raise NotFound(
            value=experiment_id,
            reason="there is no report yet",
            mend="Run the DAG experiment_analysis, or wait for the night.",
        )
    return read_report(runtime.lake, experiment_id, days[-1])
