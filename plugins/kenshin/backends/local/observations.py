"""The observation store in SQLite: one row an observation, keyed by partition and observation id."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import date, datetime
from operator import itemgetter

from kenshin.backends import Opening
from kenshin.backends.local.sqlite import Database
from kenshin.experiments.observation import ABObservation
from kenshin.experiments.store import ObservationStore, Rejected, WriteResult
from kenshin.ports import Page
from kenshin.urls import PortURL

PAGE_SIZE = 5_000

SCHEMA = """
CREATE TABLE IF NOT EXISTS observations (
    partition TEXT NOT NULL,
    observation_id TEXT NOT NULL,
    experiment_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    arm TEXT NOT NULL,
    prompt_version TEXT NOT NULL,
    observed_at TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    day TEXT NOT NULL,
    phase INTEGER NOT NULL,
    intent TEXT,
    trace_id TEXT,
    quality_score REAL,
    latency_ms REAL,
    metrics TEXT NOT NULL,
    covariates TEXT NOT NULL,
    PRIMARY KEY (partition, observation_id)
) WITHOUT ROWID;
"""

_INSERT = "INSERT OR IGNORE INTO observations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

# json.dumps would make an encoder for each call.
_encode = json.JSONEncoder(sort_keys=True).encode


class SqliteObservations:
    """Observations of any number of experiments.

    Args:
        database: the file.
        page_size: how many observations `read` answers at once, at most.
    """

    def __init__(self, database: Database, *, page_size: int = PAGE_SIZE) -> None:
        self._database = database
        self._page_size = page_size

    def write(self, batch: Sequence[ABObservation]) -> WriteResult:
        """Write a batch in one transaction; see `ObservationStore.write`."""
        storable, rejected = _storable(batch)
        # In order of the key, so that neighbours land on the same page of the tree.
        rows = sorted(map(_row, storable), key=itemgetter(0, 1))
        with self._database.write() as connection:
            before = connection.total_changes
            connection.executemany(_INSERT, rows)
            stored = connection.total_changes - before
        return WriteResult(stored=stored, duplicates=len(rows) - stored, rejected=rejected)

    def read(
        self, experiment_id: str, day: date, shard: int, *, page: str | None = None
    ) -> Page[ABObservation]:
        """One page of a shard's day; see `ObservationStore.read`."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT * FROM observations WHERE partition = ? AND observation_id > ? "
                "ORDER BY observation_id LIMIT ?",
                (f"{experiment_id}#{day.isoformat()}#{shard:02}", page or "", self._page_size + 1),
            ).fetchall()
        items = [_observation(row) for row in rows[: self._page_size]]
        return Page(items, items[-1].observation_id if len(rows) > self._page_size else None)

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _storable(batch: Sequence[ABObservation]) -> tuple[Sequence[ABObservation], list[Rejected]]:
    storable, rejected = [], []
    for each in batch:
        texts = (each.observation_id, each.session_id, each.prompt_version, each.intent, each.trace_id)
        try:
            for text in texts:
                if text is not None and not text.isascii():
                    text.encode()
        except UnicodeEncodeError:
            rejected.append(
                Rejected(each, "a text holds half of a surrogate pair, which is no Unicode character")
            )
        else:
            storable.append(each)
    return storable, rejected


def _row(each: ABObservation) -> tuple[object, ...]:
    return (
        each.partition,
        each.observation_id,
        each.experiment_id,
        each.session_id,
        each.arm,
        each.prompt_version,
        each.observed_at.isoformat(),
        each.recorded_at.isoformat(),
        each.day.isoformat(),
        each.phase,
        each.intent,
        each.trace_id,
        each.quality_score,
        each.latency_ms,
        _encode(dict(each.metrics)) if each.metrics else "{}",
        _encode(dict(each.covariates)) if each.covariates else "{}",
    )


def _observation(row: sqlite3.Row) -> ABObservation:
    return ABObservation(
        observation_id=row["observation_id"],
        experiment_id=row["experiment_id"],
        session_id=row["session_id"],
        arm=row["arm"],
        prompt_version=row["prompt_version"],
        observed_at=datetime.fromisoformat(row["observed_at"]),
        recorded_at=datetime.fromisoformat(row["recorded_at"]),
        day=date.fromisoformat(row["day"]),
        phase=row["phase"],
        intent=row["intent"],
        trace_id=row["trace_id"],
        quality_score=row["quality_score"],
        latency_ms=row["latency_ms"],
        metrics=json.loads(row["metrics"]),
        covariates=json.loads(row["covariates"]),
    )


def open_observations(url: PortURL, opening: Opening) -> ObservationStore:
    """The backend of ``sqlite:///path.db``."""
    return SqliteObservations(Database(url.only().file(), SCHEMA))
