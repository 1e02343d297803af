"""Documents in SQLite, in one file with the registry of experiments."""

from __future__ import annotations

import json
from collections.abc import Mapping

from kenshin import names
from kenshin.backends import Opening
from kenshin.backends.local.sqlite import Database
from kenshin.backends.local.versioned import VersionedTexts
from kenshin.documents import Documents
from kenshin.errors import InvalidInput
from kenshin.ports import Versioned
from kenshin.urls import PortURL

LARGEST = 350_000
"""Bytes of a document as JSON: every backend's, so that a cloud's items of 400 KB can hold it."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    name TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    body TEXT NOT NULL
) WITHOUT ROWID;
"""


class SqliteDocuments:
    """Documents as JSON, each with its version."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._texts = VersionedTexts(database, table="documents", key="name", body="body", what="document")

    def get(self, key: str) -> Versioned[Mapping[str, object]] | None:
        """The document in force; see `Documents.get`. Asking makes no file where there is none."""
        if not self._database.exists:
            return None
        found = self._texts.get(key)
        return None if found is None else Versioned(json.loads(found.value), found.version)

    def put(self, key: str, body: Mapping[str, object], *, expected: int | None) -> int:
        """Write a document if the expected version is in force; see `Documents.put`."""
        names.checked(key, what="a document")
        try:
            text = json.dumps(body, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidInput(
                value=key, reason=f"the document is no JSON ({error})", mend="Store plain values."
            ) from error
        if len(text) > LARGEST:
            raise InvalidInput(
                value=key,
                reason=f"the document has {len(text)} bytes",
                mend=f"Keep it within {LARGEST}.",
            )
        return self._texts.put(key, text, expected=expected)

    def close(self) -> None:
        """Close the file."""
        self._texts.close()


def open_documents(url: PortURL, opening: Opening) -> Documents:
    """The backend of ``sqlite:///path.db``."""
    return SqliteDocuments(Database(url.only().file(), SCHEMA))
