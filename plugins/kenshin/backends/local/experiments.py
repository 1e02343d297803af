"""The registry of experiments in SQLite, in one file with the ledger."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from kenshin.backends import Opening
from kenshin.backends.local.sqlite import Database
from kenshin.errors import Conflict
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
        self._database = database

    def get(self, experiment_id: str) -> Versioned[Experiment] | None:
        """The definition in force; see `ExperimentStore.get`."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT * FROM experiments WHERE experiment_id = ?", (experiment_id,)
            ).fetchone()
        return None if row is None else _experiment(row)

    def list(self) -> Sequence[Versioned[Experiment]]:
        """All definitions in order of id; see `ExperimentStore.list`."""
        with self._database.read() as connection:
            rows = connection.execute("SELECT * FROM experiments ORDER BY experiment_id").fetchall()
        return [_experiment(row) for row in rows]

    def put(self, experiment: Experiment, *, expected: int | None) -> int:
        """Write a definition if the expected version is in force; see `ExperimentStore.put`."""
        name = experiment.experiment_id
        with self._database.write() as connection:
            row = connection.execute(
                "SELECT version FROM experiments WHERE experiment_id = ?", (name,)
            ).fetchone()
            version = None if row is None else int(row["version"])
            if version != expected:
                raise _conflict(name, version, expected)
            following = (version or 0) + 1
            connection.execute(
                "INSERT INTO experiments (experiment_id, version, definition) VALUES (?, ?, ?) "
                "ON CONFLICT (experiment_id) DO UPDATE "
                "SET version = excluded.version, definition = excluded.definition",
                (name, following, json.dumps(experiment.as_dict(), sort_keys=True)),
            )
        return following

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _experiment(row: sqlite3.Row) -> Versioned[Experiment]:
    return Versioned(Experiment.from_dict(json.loads(row["definition"])), row["version"])


def _conflict(name: str, version: int | None, expected: int | None) -> Conflict:
    if expected is None:
        return Conflict(
            value=name, reason="the experiment exists already", mend="Choose another id, or change that one."
        )
    there = "does not exist" if version is None else f"is at version {version}"
    return Conflict(
        value=name,
        reason=f"the experiment {there}, not at version {expected}",
        mend="Read it again, then decide anew.",
    )


def open_experiments(url: PortURL, opening: Opening) -> ExperimentStore:
    """The backend of ``sqlite:///path.db``."""
    return SqliteExperiments(Database(url.only().file(), SCHEMA))
