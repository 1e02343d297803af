"""The registry of experiments in SQLite, in one file with the ledger."""

from __future__ import annotations

import json
from collections.abc import Sequence

from kenshin.backends import Opening
from kenshin.backends.local.sqlite import Database
from kenshin.backends.local.versioned import VersionedTexts
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.store import ExperimentStore
from kenshin.ports import Versioned
from kenshin.urls import PortURL

SCHEMA = """
CREATE TABLE IF NOT EXISTS experiments (
    experiment_id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    definition TEXT NOT NULL
) WITHOUT ROWID;
"""


class SqliteExperiments:
    """Definitions as JSON, each with its version."""

    def __init__(self, database: Database) -> None:
        self._texts = VersionedTexts(
            database, table="experiments", key="experiment_id", body="definition", what="experiment"
        )

    def get(self, experiment_id: str) -> Versioned[Experiment] | None:
        """The definition in force; see `ExperimentStore.get`."""
        found = self._texts.get(experiment_id)
        return None if found is None else _experiment(found)

    def list(self) -> Sequence[Versioned[Experiment]]:
        """All definitions in order of id; see `ExperimentStore.list`."""
        return [_experiment(each) for each in self._texts.list()]

    def put(self, experiment: Experiment, *, expected: int | None) -> int:
        """Write a definition if the expected version is in force; see `ExperimentStore.put`."""
        text = json.dumps(experiment.as_dict(), sort_keys=True)
        return self._texts.put(experiment.experiment_id, text, expected=expected)

    def close(self) -> None:
        """Close the file."""
        self._texts.close()


def _experiment(found: Versioned[str]) -> Versioned[Experiment]:
    return Versioned(Experiment.from_dict(json.loads(found.value)), found.version)


def open_experiments(url: PortURL, opening: Opening) -> ExperimentStore:
    """The backend of ``sqlite:///path.db``."""
    return SqliteExperiments(Database(url.only().file(), SCHEMA))
