"""Experiments, bound to the process's current runtime; the pure versions take their ports as arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, overload

from kenshin.current import current
from kenshin.days import day_of
from kenshin.errors import NotFound
from kenshin.experiments import collect, registry, tester
from kenshin.experiments.assignment import Assignment
from kenshin.experiments.chronicle import Chronicle, chronicle_of
from kenshin.experiments.columns import SAME, ColumnMap
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.exporting import Export, What
from kenshin.experiments.importing import ImportResult, Progress, import_file
from kenshin.experiments.looks import Look, looks_of, subject_of
from kenshin.experiments.observation import ABObservation
from kenshin.experiments.promotion import Answer, Outcome, settle
from kenshin.experiments.proposal import Proposal, propose
from kenshin.experiments.report import ExperimentReport, read_report, report_days
from kenshin.experiments.tally import RecorderStats
from kenshin.ledger import LedgerEntry
from kenshin.ports import Versioned

BY = "api"
"""Who the ledger says it was, unless a caller says otherwise."""


class PromptABTester(tester.PromptABTester):
    """The proof of concept's tester over the current registry and observation store."""

    def __init__(self) -> None:
        runtime = current()
        super().__init__(
            runtime.experiments,
            runtime.observations,
            runtime.ledger,
            clock=runtime.clock,
            zone=runtime.settings.zone,
            definitions=runtime.definitions,
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


def prime(deadline_s: float = 2.0) -> bool:
    """Let this process read the registry before its first request; answers whether it has.

    A service calls it when a worker starts (after the fork, where a server forks its workers). Without it the requests
    of the first moment get control.

    Args:
        deadline_s: wait no longer than so many seconds.
    """
    return current().definitions.prime(deadline_s)


def assign_group(experiment_id: str, session_id: str, default: str | None = None) -> str:
    """The session's arm, from memory.

    Args:
        experiment_id: which experiment.
        session_id: which session.
        default: instead of control, for an experiment that has not started or is cancelled, and for one whose
            definition this process has not read yet. A concluded experiment answers control.

    Raises:
        ExperimentNotFound: the registry was read, and does not know the experiment.
    """
    definitions = current().definitions
    try:
        arm = definitions.arms[experiment_id]
    except KeyError:
        return definitions.assign_group(experiment_id, session_id, default)
    return arm(session_id)


@overload
def get_prompt_version(experiment_id: str, session_id: str, default: str) -> str: ...
@overload
def get_prompt_version(experiment_id: str, session_id: str, default: None = None) -> str | None: ...
def get_prompt_version(experiment_id: str, session_id: str, default: str | None = None) -> str | None:
    """The prompt version that the session gets, from memory; once the experiment is concluded, the winner's.

    Args:
        experiment_id: which experiment.
        session_id: which session.
        default: instead of control's version, for an experiment that has not started or is cancelled; and for one
            whose definition this process has not read yet, where without it the answer is None.

    Raises:
        ExperimentNotFound: the registry was read, and does not know the experiment.
    """
    return current().definitions.get_prompt_version(experiment_id, session_id, default)


def get_assignment(experiment_id: str, session_id: str) -> Assignment:
    """What the session gets and why, from memory: arm, prompt version, phase, and whether it is to be observed.

    Raises:
        ExperimentNotFound: the registry was read, and does not know the experiment.
    """
    return current().definitions.assignment(experiment_id, session_id)


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


def list_experiments() -> registry.Listing:
    """All experiments, in order of id."""
    return registry.Listing(tuple(current().experiments.list()))


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
    made = registry.create(
        runtime.experiments, runtime.ledger, definition, start=start, at=runtime.clock(), by=by
    )
    runtime.definitions.learn(made)
    return made


def start_experiment(experiment_id: str, *, by: str = BY) -> Versioned[Experiment]:
    """Let a draft run.

    Raises:
        ExperimentNotFound: the registry does not know it.
        InvalidInput: it is no draft.
    """
    runtime = current()
    started = registry.start(runtime.experiments, runtime.ledger, experiment_id, at=runtime.clock(), by=by)
    runtime.definitions.learn(started)
    return started


def change_experiment(
    experiment_id: str, changes: Mapping[str, Any], *, by: str = BY
) -> Versioned[Experiment]:
    """Change a draft or a running experiment; another split, prompt or holdout opens a phase.

    Raises:
        ExperimentNotFound: the registry does not know it.
        InvalidExperiment: the changes contradict the definition.
        InvalidInput: it has ended, or a change is none that can be made.
    """
    runtime = current()
    changed = registry.change(
        runtime.experiments, runtime.ledger, experiment_id, changes, at=runtime.clock(), by=by
    )
    runtime.definitions.learn(changed)
    return changed


def stop_experiment(experiment_id: str, *, winner: str | None = None, by: str = BY) -> Versioned[Experiment]:
    """Conclude an experiment with a winner, or cancel it.

    Raises:
        ExperimentNotFound: the registry does not know it.
        InvalidExperiment: the winner is none of its arms.
        InvalidInput: it has ended already.
    """
    runtime = current()
    stopped = registry.stop(
        runtime.experiments, runtime.ledger, experiment_id, winner=winner, at=runtime.clock(), by=by
    )
    runtime.definitions.learn(stopped)
    return stopped


def propose_promotion(experiment_id: str, day: date | None = None) -> Proposal:
    """What the verdict of a report, of the newest unless a day is given, asks of a person; see `propose`."""
    runtime = current()
    return propose(runtime.experiments, runtime.lake, experiment_id, day)


def settle_promotion(proposal: Proposal, *, by: str, choice: str | None = None) -> Outcome:
    """Answer a proposal without Airflow, under the same checks.

    Args:
        proposal: what is asked, see `propose_promotion`.
        by: who answers.
        choice: one of the proposal's two options; the one that acts unless given.

    Raises:
        PromotionRefused: it is stale, or its policy names others.
    """
    runtime = current()
    at = runtime.clock()
    answer = Answer(choice or proposal.act, by, by, at)
    settled = settle(
        runtime.experiments, runtime.ledger, runtime.lake, proposal, answer, occasion="by hand", at=at
    )
    runtime.definitions.learn(registry.find_version(runtime.experiments, proposal.experiment_id))
    return settled


def chronicle(experiment_id: str) -> Chronicle:
    """Everything that happened to an experiment: definitions, looks and decisions, answers; the oldest first.

    Raises:
        ExperimentNotFound: the registry does not know it.
    """
    runtime = current()
    registry.find(runtime.experiments, experiment_id)
    return chronicle_of(runtime.ledger, experiment_id)


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
    days: set[date] = set()
    try:
        return import_file(
            path,
            experiment,
            runtime.observations,
            zone=zone,
            recorded_at=at,
            rejects=rejects,
            columns=columns,
            progress=progress,
            days=days,
        )
    finally:
        if days:
            registry.backdate(
                runtime.experiments, runtime.ledger, experiment_id, min(days), zone=zone, at=at, by=by
            )
            collect.mark_arrivals(runtime.lake, experiment_id, sorted(days), at=runtime.clock())


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


def ledger_entries(experiment_id: str) -> Sequence[Versioned[LedgerEntry]]:
    """What happened to an experiment, in order; raises ExperimentNotFound."""
    runtime = current()
    registry.find(runtime.experiments, experiment_id)
    return runtime.ledger.read(subject_of(experiment_id))


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


def looks(experiment_id: str) -> tuple[Look, ...]:
    """Every recorded look of an experiment, oldest first; raises ExperimentNotFound."""
    runtime = current()
    registry.find(runtime.experiments, experiment_id)
    return looks_of(runtime.ledger, experiment_id)
