"""Experiments, bound to the process's current runtime; the pure versions take their ports as arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from kenshin.current import current
from kenshin.days import day_of
from kenshin.errors import NotFound
from kenshin.experiments import collect, registry, tester
from kenshin.experiments.columns import SAME, ColumnMap
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.exporting import Export, What
from kenshin.experiments.importing import ImportResult, Progress, import_file
from kenshin.experiments.observation import ABObservation
from kenshin.experiments.report import ExperimentReport, read_report, report_days
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


def record_observation(observation: ABObservation) -> None:
    """Store an observation; storing it again changes nothing.

    Raises:
        ExperimentNotFound: the registry does not know its experiment.
        InvalidObservation: it does not belong to the experiment.
        BackendUnavailable: the store cannot take it.
    """
    PromptABTester().record_observation(observation)


def analyze(experiment_id: str) -> dict[str, Any]:
    """The analysis of everything observed until now, under the proof of concept's keys.

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
    columns: ColumnMap = SAME,
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
        columns=columns,
        progress=progress,
    )
    if result.days:
        registry.backdate(
            runtime.experiments, runtime.ledger, experiment_id, result.days[0], zone=zone, at=at, by=by
        )
        collect.forget(runtime.lake, experiment_id, result.days)
    return result


def export_observations(
    experiment_id: str,
    *,
    first_day: date | None = None,
    last_day: date | None = None,
    what: What = "observations",
) -> Export:
    """Observations or sessions of an experiment, to be had with `Export.to_pandas` or `Export.to_file`.

    Args:
        experiment_id: whose.
        first_day: from which day on; the experiment's first day unless given.
        last_day: to which day, included; today unless given.
        what: ``observations``, or ``sessions``: what the nights made of them.

    Raises:
        ExperimentNotFound: the registry does not know the experiment.
        InvalidInput: the days end before they begin.
    """
    runtime = current()
    zone = runtime.settings.zone
    experiment = registry.find(runtime.experiments, experiment_id)
    return Export(
        experiment,
        runtime.observations,
        runtime.lake,
        first_day=first_day or collect.first_day(experiment, zone),
        last_day=last_day or day_of(runtime.clock(), zone),
        what=what,
    )


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
