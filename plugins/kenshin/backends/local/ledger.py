"""The ledger in SQLite, in the registry's file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from kenshin.backends import Opening
from kenshin.backends.local.sqlite import Database
from kenshin.errors import Conflict
from kenshin.ledger import Ledger, LedgerEntry
from kenshin.ports import Versioned
from kenshin.urls import PortURL

SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger (
    subject TEXT NOT NULL,
    number INTEGER NOT NULL,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    at TEXT NOT NULL,
    by TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (subject, number),
    UNIQUE (subject, key)
) WITHOUT ROWID;
"""


class SqliteLedger:
    """Entries numbered from 1 within their subject."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, entry: LedgerEntry, *, after: int | None = None) -> Versioned[LedgerEntry]:
        """Add an entry, or answer the first one of the same key; see `Ledger.append`."""
        body = json.dumps(entry.body, sort_keys=True)
        with self._database.write() as connection:
            first = connection.execute(
                "SELECT * FROM ledger WHERE subject = ? AND key = ?", (entry.subject, entry.key)
            ).fetchone()
            if first is not None:
                return _entry(first)
            (last,) = connection.execute(
                "SELECT coalesce(max(number), 0) FROM ledger WHERE subject = ?", (entry.subject,)
            ).fetchone()
            if after is not None and after != last:
                raise Conflict(
                    value=entry.subject,
                    reason=f"its last entry is number {last}, not {after}",
                    mend="Read the ledger again, then decide anew.",
                )
            connection.execute(
                "INSERT INTO ledger (subject, number, key, kind, at, by, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (entry.subject, last + 1, entry.key, entry.kind, entry.at.isoformat(), entry.by, body),
            )
        return Versioned(entry, last + 1)

    def read(self, subject: str, *, since: int = 0) -> Sequence[Versioned[LedgerEntry]]:
        """A subject's entries in order; see `Ledger.read`."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT * FROM ledger WHERE subject = ? AND number > ? ORDER BY number", (subject, since)
            ).fetchall()
        return [_entry(row) for row in rows]

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _entry(row: sqlite3.Row) -> Versioned[LedgerEntry]:
    entry = LedgerEntry(
        subject=row["subject"],
        key=row["key"],
        kind=row["kind"],
        at=datetime.fromisoformat(row["at"]),
        by=row["by"],
        body=json.loads(row["body"]),
    )
    return Versioned(entry, row["number"])


def open_ledger(url: PortURL, opening: Opening) -> Ledger:
    """The backend of ``sqlite:///path.db``."""
    return SqliteLedger(Database(url.only().file(), SCHEMA))
