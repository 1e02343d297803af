"""The two ports of experiments: the registry of definitions, and the store of observations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from kenshin.experiments.experiment import Experiment
from kenshin.experiments.observation import ABObservation
from kenshin.ports import Page, Versioned


@dataclass(frozen=True, slots=True)
class Rejected:
    """An observation that the store refuses for good, and why."""

    observation: ABObservation
    reason: str


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of a batch.

    Args:
        stored: how many are new and safe.
        duplicates: how many were there already, so nothing changed.
        rejected: those that will never be stored, with the reason.
        unprocessed: those that the store had no room for just now; write them again.
    """

    stored: int = 0
    duplicates: int = 0
    rejected: Sequence[Rejected] = ()
    unprocessed: Sequence[ABObservation] = ()


class ExperimentStore(Protocol):
    """The registry: versioned definitions with conditional writes."""

    def get(self, experiment_id: str) -> Versioned[Experiment] | None:
        """The definition in force, or None."""
        ...

    def list(self) -> Sequence[Versioned[Experiment]]:
        """All definitions in order of id, from one consistent query."""
        ...

    def put(self, experiment: Experiment, *, expected: int | None) -> int:
        """Write a definition and answer its version.

        Args:
            experiment: what to write.
            expected: the version that must be in force now; None: the experiment must not exist.

        Raises:
            Conflict: another version is in force.
        """
        ...


class ObservationStore(Protocol):
    """Observations by experiment, day and shard; a repeated observation id counts once."""

    def write(self, batch: Sequence[ABObservation]) -> WriteResult:
        """Write a batch; doing it again changes nothing."""
        ...

    def read(
        self, experiment_id: str, day: date, shard: int, *, page: str | None = None
    ) -> Page[ABObservation]:
        """One page of a shard's day, ordered by observation id."""
        ...
