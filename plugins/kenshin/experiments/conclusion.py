"""Conclusions: what an answered verdict does to an experiment, exactly once and only as it was when somebody was asked.

The registry is written under the version that was asked about; a retry finds its own work at the next version, and only
tells the ledger what it could not tell before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from kenshin.errors import Conflict
from kenshin.experiments.experiment import CONTROL, Experiment
from kenshin.experiments.looks import subject_of
from kenshin.experiments.registry import find_version
from kenshin.experiments.store import ExperimentStore
from kenshin.ledger import Ledger, LedgerEntry
from kenshin.ports import Versioned


@dataclass(frozen=True, slots=True)
class Grounds:
    """On what an experiment is changed.

    Args:
        expected: the registry's version that was asked about.
        because: report and verdict, for the ledger.
        at: the instant of the answer; a retry gives the same one, and by it knows its own work.
        by: who answered.
    """

    expected: int
    because: Mapping[str, object]
    at: datetime
    by: str


def conclude(
    store: ExperimentStore, ledger: Ledger, experiment_id: str, winner: str, grounds: Grounds
) -> Versioned[Experiment]:
    """End an experiment with a winner; the ledger gets the entry ``concluded``.

    Raises:
        ExperimentNotFound: the registry does not know it.
        InvalidExperiment: the winner is none of its arms.
        Conflict: it was changed since somebody was asked.
    """
    instant = grounds.at.timestamp()

    def concluded(experiment: Experiment) -> Experiment:
        return experiment.changed(status="concluded", winner=winner, concluded_at=instant)

    def done(experiment: Experiment) -> bool:
        return experiment == concluded(experiment)

    return _once(store, ledger, experiment_id, concluded, done, "concluded", grounds)


def withdraw(
    store: ExperimentStore, ledger: Ledger, experiment_id: str, arm: str, grounds: Grounds
) -> Versioned[Experiment]:
    """Give an arm's sessions to control and let the experiment go on in a new phase; the entry is ``withdrawn``.

    Raises:
        ExperimentNotFound: the registry does not know it.
        Conflict: it was changed since somebody was asked.
    """

    def withdrawn(experiment: Experiment) -> Experiment:
        freed = sum(each.share for each in experiment.arms if each.name == arm)
        arms = tuple(
            replace(each, share={CONTROL: each.share + freed, arm: 0.0}.get(each.name, each.share))
            for each in experiment.arms
        )
        return experiment.changed(arms=arms, phase=experiment.phase + 1)

    def done(experiment: Experiment) -> bool:
        return any(each.name == arm and each.share == 0 for each in experiment.arms)

    return _once(store, ledger, experiment_id, withdrawn, done, "withdrawn", grounds)


def _once(
    store: ExperimentStore,
    ledger: Ledger,
    experiment_id: str,
    change: Callable[[Experiment], Experiment],
    done: Callable[[Experiment], bool],
    kind: str,
    grounds: Grounds,
) -> Versioned[Experiment]:
    found = find_version(store, experiment_id)
    if found.version == grounds.expected and found.value.status == "running":
        after = change(found.value)
        found = Versioned(after, store.put(after, expected=grounds.expected))
    elif found.version != grounds.expected + 1 or not done(found.value):
        raise Conflict(
            value=experiment_id,
            reason=f"the experiment was changed since: version {grounds.expected} was asked about, "
            f"and {found.version} ({found.value.status}) is in force",
            mend="Answer the question about the newest report.",
        )
    body = {"version": found.version, "definition": found.value.as_dict(), **grounds.because}
    ledger.append(
        LedgerEntry(subject_of(experiment_id), f"{kind}:{found.version}", kind, grounds.at, grounds.by, body)
    )
    return found
