"""The registry's changes: creating, starting, changing and stopping an experiment, each with its entry in the ledger.

The registry is written first, under the version that was read; the entry's key names the version, so that it is the
same entry when it is told twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from kenshin.days import start_of
from kenshin.errors import ExperimentNotFound, InvalidExperiment, InvalidInput
from kenshin.experiments.collect import first_day
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.store import ExperimentStore
from kenshin.ledger import Ledger, LedgerEntry
from kenshin.ports import Versioned

if TYPE_CHECKING:
    import pandas as pd

CHANGEABLE = (
    "traffic_split",
    "prompt_a_version",
    "prompt_b_version",
    "arms",
    "holdout",
    "overrides",
    "unit",
    "description",
    "randomised",
    "left_out",
    "score_unit",
    "policy",
)
"""What may change while an experiment is a draft or running; of the policy of a running one, its `promotion` alone."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Experiments in order of id."""

    experiments: tuple[Versioned[Experiment], ...]

    def __iter__(self) -> Iterator[Versioned[Experiment]]:
        return iter(self.experiments)

    def __len__(self) -> int:
        return len(self.experiments)

    def rows(self) -> list[dict[str, Any]]:
        """One row an experiment: its definition and version."""
        return [{**each.value.as_dict(), "version": each.version} for each in self.experiments]

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.rows())


def find_version(store: ExperimentStore, experiment_id: str) -> Versioned[Experiment]:
    """An experiment and its version.

    Raises:
        ExperimentNotFound: the registry does not know it.
    """
    found = store.get(experiment_id)
    if found is None:
        raise ExperimentNotFound(
            value=experiment_id,
            reason="the registry does not know it",
            mend="See 'kenshin experiments list', or create it with 'kenshin experiments create'.",
        )
    return found


def find(store: ExperimentStore, experiment_id: str) -> Experiment:
    """An experiment as it is defined now; raises ExperimentNotFound."""
    return find_version(store, experiment_id).value


def create(
    store: ExperimentStore,
    ledger: Ledger,
    definition: Mapping[str, Any],
    *,
    start: bool,
    at: datetime,
    by: str,
) -> Versioned[Experiment]:
    """Add an experiment, as a draft or running.

    Args:
        store: the registry.
        ledger: gets the entry ``created``, and ``started`` where it starts.
        definition: its keys; ``created_at`` is `at` unless it is given.
        start: whether it runs at once.
        at: the present instant.
        by: who creates it.

    Raises:
        InvalidExperiment: the definition contradicts itself, or already names an outcome.
        Conflict: the experiment exists already.
    """
    outcome = sorted(
        {"winner", "concluded_at"} & {name for name, value in definition.items() if value is not None}
    )
    if outcome or definition.get("status", "draft") not in ("draft", "running"):
        raise InvalidExperiment(
            value=", ".join(outcome) or f"status={definition['status']!r}",
            reason="a new experiment has no outcome yet",
            mend="Leave it out; the experiment is concluded by stopping it.",
        )
    created_at = definition.get("created_at") or at.timestamp()
    status = "running" if start else "draft"
    experiment = Experiment.from_dict({**definition, "status": status, "created_at": created_at})
    version = store.put(experiment, expected=None)
    _tell(ledger, experiment, "created", version, at=at, by=by)
    if start:
        _tell(ledger, experiment, "started", version, at=at, by=by)
    return Versioned(experiment, version)


def start(
    store: ExperimentStore, ledger: Ledger, experiment_id: str, *, at: datetime, by: str
) -> Versioned[Experiment]:
    """Let a draft run.

    Raises:
        ExperimentNotFound: the registry does not know it.
        InvalidInput: it is no draft.
        Conflict: somebody else changed it at the same time.
    """
    found = find_version(store, experiment_id)
    if found.value.status != "draft":
        raise InvalidInput(
            value=experiment_id,
            reason=f"it is {found.value.status}, and only a draft can be started",
            mend="Create another experiment to repeat a comparison.",
        )
    return _change(store, ledger, found, "started", {"status": "running"}, at=at, by=by)


def change(
    store: ExperimentStore,
    ledger: Ledger,
    experiment_id: str,
    changes: Mapping[str, Any],
    *,
    at: datetime,
    by: str,
) -> Versioned[Experiment]:
    """Change a draft or a running experiment.

    Another split, prompt or holdout of a running experiment opens a phase, since what is observed from now on compares
    something else, or other sessions; the ledger gets the entry ``phase_opened``, and for any other change ``changed``.
    A change that changes nothing writes nothing.

    Args:
        store: the registry.
        ledger: gets the entry.
        experiment_id: which experiment.
        changes: the new values, by the definition's keys; see `CHANGEABLE`. Where the experiment has ``arms``, a new
            ``prompt_a_version`` or ``prompt_b_version`` is also that of the first or second of them. Of a ``policy``
            and of its ``promotion``, what is left out stays.
        at: the present instant.
        by: who changes it.

    Raises:
        ExperimentNotFound: the registry does not know it.
        InvalidExperiment: the changed definition contradicts itself, or lacks an arm that was observed.
        InvalidInput: it has ended, or a key is none that may change.
        Conflict: somebody else changed it at the same time.
    """
    found = find_version(store, experiment_id)
    before = found.value
    fixed = sorted(set(changes) - set(CHANGEABLE))
    if fixed:
        raise InvalidInput(
            value=", ".join(fixed),
            reason="cannot be changed",
            mend=f"These can: {', '.join(CHANGEABLE)}.",
        )
    if before.status not in ("draft", "running"):
        raise InvalidInput(
            value=experiment_id,
            reason=f"it is {before.status}, and its outcome stays as it was",
            mend="Create another experiment.",
        )
    after = Experiment.from_dict(
        {**before.as_dict(), **_with_arms(before, changes), **_with_policy(before, changes)}
    )
    if after == before:
        return found
    running = before.status == "running"
    _check_rules(before, after)
    lost = sorted(set(before.arm_names()) - set(after.arm_names()))
    if running and lost:
        raise InvalidExperiment(
            value=", ".join(lost),
            reason="an arm that has been observed cannot be taken away",
            mend="Give it a share of 0.",
        )
    if running and (after.all_arms(), after.holdout) != (before.all_arms(), before.holdout):
        after = after.changed(phase=before.phase + 1)
        return _put(store, ledger, found.version, after, "phase_opened", at=at, by=by)
    return _put(store, ledger, found.version, after, "changed", at=at, by=by)


def stop(
    store: ExperimentStore, ledger: Ledger, experiment_id: str, *, winner: str | None, at: datetime, by: str
) -> Versioned[Experiment]:
    """Conclude an experiment with a winner, or cancel it where none is named.

    Raises:
        ExperimentNotFound: the registry does not know it.
        InvalidExperiment: the winner is none of its arms.
        InvalidInput: it has ended already, or never ran and so has no winner.
        Conflict: somebody else changed it at the same time.
    """
    found = find_version(store, experiment_id)
    status = found.value.status
    if status not in ("draft", "running") or (status == "draft" and winner is not None):
        raise InvalidInput(
            value=experiment_id,
            reason="it never ran, so nothing has won" if status == "draft" else f"it is {status} already",
            mend="Stop it without a winner." if status == "draft" else "Nothing is left to do.",
        )
    changes = {
        "status": "cancelled" if winner is None else "concluded",
        "winner": winner,
        "concluded_at": at.timestamp(),
    }
    return _change(store, ledger, found, "stopped", changes, at=at, by=by)


def shares_by_phase(ledger: Ledger, experiment_id: str) -> dict[int, dict[str, float]]:
    """The arms' shares in every phase that the ledger tells of; the last definition within a phase counts."""
    found: dict[int, dict[str, float]] = {}
    for entry in ledger.read(f"experiment:{experiment_id}"):
        definition = entry.value.body.get("definition")
        if isinstance(definition, Mapping):
            experiment = Experiment.from_dict(definition)
            found[experiment.phase] = {arm.name: arm.share for arm in experiment.all_arms()}
    return found


def backdate(
    store: ExperimentStore,
    ledger: Ledger,
    experiment_id: str,
    first: date,
    *,
    zone: tzinfo,
    at: datetime,
    by: str,
) -> Versioned[Experiment]:
    """Let an experiment begin on an earlier day, because observations of that day were imported.

    Raises:
        ExperimentNotFound: the registry does not know it.
        Conflict: somebody else changed it at the same time.
    """
    found = find_version(store, experiment_id)
    if first >= first_day(found.value, zone):
        return found
    created_at = start_of(first, zone).timestamp()
    return _change(store, ledger, found, "backdated", {"created_at": created_at}, at=at, by=by)


def _change(
    store: ExperimentStore,
    ledger: Ledger,
    found: Versioned[Experiment],
    kind: str,
    changes: Mapping[str, object],
    *,
    at: datetime,
    by: str,
) -> Versioned[Experiment]:
    return _put(store, ledger, found.version, found.value.changed(**changes), kind, at=at, by=by)


def _put(
    store: ExperimentStore,
    ledger: Ledger,
    expected: int,
    changed: Experiment,
    kind: str,
    *,
    at: datetime,
    by: str,
) -> Versioned[Experiment]:
    version = store.put(changed, expected=expected)
    _tell(ledger, changed, kind, version, at=at, by=by)
    return Versioned(changed, version)


def _with_arms(before: Experiment, changes: Mapping[str, Any]) -> dict[str, Any]:
    changed = dict(changes)
    if not before.arms:
        return changed
    if "traffic_split" in changed:
        raise InvalidInput(
            value=f"traffic_split={changed['traffic_split']!r}",
            reason=f"'{before.experiment_id}' has arms, and their shares replace it",
            mend="Change 'arms', with a share for each.",
        )
    if "arms" not in changed:
        arms = [asdict(arm) for arm in before.arms]
        for arm, key in zip(arms, ("prompt_a_version", "prompt_b_version"), strict=False):
            arm["prompt_version"] = changed.get(key, arm["prompt_version"])
        changed["arms"] = arms
    return changed


def _with_policy(before: Experiment, changes: Mapping[str, Any]) -> dict[str, Any]:
    given, now = changes.get("policy"), before.policy.as_dict()
    if not isinstance(given, Mapping):
        return {"policy": given} if "policy" in changes else {}
    promotion = given.get("promotion", {})
    if isinstance(promotion, Mapping):
        promotion = {**now["promotion"], **promotion}
    return {"policy": {**now, **given, "promotion": promotion}}


def _check_rules(before: Experiment, after: Experiment) -> None:
    """Refuse other rules for an experiment of which figures may have been seen."""
    old, new = before.policy.rules(), after.policy.rules()
    other = sorted(name for name in old if old[name] != new[name])
    if before.status == "running" and other:
        raise InvalidInput(
            value=", ".join(f"policy.{name}" for name in other),
            reason="rules that are changed after figures were seen no longer hold what they promise",
            mend="Change only policy.promotion, or create another experiment.",
        )


def _tell(ledger: Ledger, experiment: Experiment, kind: str, version: int, *, at: datetime, by: str) -> None:
    ledger.append(
        LedgerEntry(
            subject=f"experiment:{experiment.experiment_id}",
            key=f"{kind}:{version}",
            kind=kind,
            at=at,
            by=by,
            body={"version": version, "definition": experiment.as_dict()},
        )
    )
