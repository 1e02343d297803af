"""The embedding cache in SQLite: vectors of texts embedded before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from kenshin.backends import Opening
from kenshin.backends.local.sqlite import Database
from kenshin.drift.embedder import Embedded, Kind
from kenshin.urls import PortURL

SCHEMA = """
CREATE TABLE IF NOT EXISTS embeddings (
    fingerprint TEXT NOT NULL,
    kind TEXT NOT NULL,
    text_hash TEXT NOT NULL,
    truncated INTEGER NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (fingerprint, kind, text_hash)
) WITHOUT ROWID;
"""
_BATCH = 500


class SqliteEmbeddings:
    """Vectors as float32 BLOBs; no text is kept, only its hash."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, fingerprint: str, kind: Kind, text_hashes: Sequence[str]) -> Mapping[str, Embedded]:
        """What is known of these texts; see `EmbeddingCache.get`."""
        found: dict[str, Embedded] = {}
        with self._database.read() as connection:
            for first in range(0, len(text_hashes), _BATCH):
                for row in connection.execute(
                    "SELECT text_hash, truncated, vector FROM embeddings WHERE fingerprint = ? AND kind = ?"
                    " AND text_hash IN (SELECT value FROM json_each(?))",
                    (fingerprint, kind, json.dumps(list(text_hashes[first : first + _BATCH]))),
                ):
                    vector = np.frombuffer(row["vector"], dtype="<f4")
                    found[row["text_hash"]] = Embedded(vector, truncated=bool(row["truncated"]))  # type: ignore[arg-type]
        return found

    def put(self, fingerprint: str, kind: Kind, embedded: Mapping[str, Embedded]) -> None:
        """Remember successes; see `EmbeddingCache.put`. The first vector of a text stays."""
        rows = [
            (fingerprint, kind, digest, each.truncated, np.asarray(each.vector, dtype="<f4").tobytes())
            for digest, each in embedded.items()
            if each.error is None and each.vector is not None
        ]
        if rows:
            with self._database.write() as connection:
                connection.executemany("INSERT OR IGNORE INTO embeddings VALUES (?, ?, ?, ?, ?)", rows)

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def open_embeddings(url: PortURL, opening: Opening) -> SqliteEmbeddings:
    """The backend of ``sqlite:///path.db``."""
    return SqliteEmbeddings(Database(url.only().file(), SCHEMA))
