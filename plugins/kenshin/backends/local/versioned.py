"""Texts by key, each with its version, in a table of SQLite; writes are conditional on the version."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kenshin.backends.local.sqlite import Database
from kenshin.errors import Conflict
from kenshin.ports import Versioned

_IDENTIFIER = re.compile(r"[a-z_]+")


class VersionedTexts:
    """One table.

    Args:
        database: the file.
        table: name of the table; it has the columns `key`, ``version`` and `body`.
        key: name of the column of keys.
        body: name of the column of texts.
        what: what a text is, in errors.
    """

    def __init__(self, database: Database, *, table: str, key: str, body: str, what: str) -> None:
        if not all(_IDENTIFIER.fullmatch(name) for name in (table, key, body)):
            raise ValueError((table, key, body))
        self._database = database
        self._what = what
        self._one = f"SELECT {body}, version FROM {table} WHERE {key} = ?"  # noqa: S608
        self._all = f"SELECT {body}, version FROM {table} ORDER BY {key}"  # noqa: S608
        self._put = (
            f"INSERT INTO {table} ({key}, version, {body}) VALUES (?, ?, ?) "  # noqa: S608
            f"ON CONFLICT ({key}) DO UPDATE SET version = excluded.version, {body} = excluded.{body}"
        )

    def get(self, key: str) -> Versioned[str] | None:
        """The text in force, or None."""
        with self._database.read() as connection:
            row = connection.execute(self._one, (key,)).fetchone()
        return None if row is None else Versioned(*row)

    def list(self) -> Sequence[Versioned[str]]:
        """All texts in order of key."""
        with self._database.read() as connection:
            return [Versioned(*row) for row in connection.execute(self._all)]

    def put(self, key: str, text: str, *, expected: int | None) -> int:
        """Write a text and answer its version.

        Raises:
            Conflict: another version than `expected` is in force.
        """
        with self._database.write() as connection:
            row = connection.execute(self._one, (key,)).fetchone()
            version = None if row is None else int(row["version"])
            if version != expected:
                raise self._conflict(key, version, expected)
            following = (version or 0) + 1
            connection.execute(self._put, (key, following, text))
        return following

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _conflict(self, key: str, version: int | None, expected: int | None) -> Conflict:
        if expected is None:
            return Conflict(
                value=key,
                reason=f"the {self._what} exists already",
                mend="Choose another name, or change that one.",
            )
        there = "does not exist" if version is None else f"is at version {version}"
        return Conflict(
            value=key,
            reason=f"the {self._what} {there}, not at version {expected}",
            mend="Read it again, then decide anew.",
        )
