"""A vector index in SQLite: ``sqlite:///absolute/index.db?index=name``.

Vectors are float32 BLOBs, one file may hold several indexes, and a row's version is its locator, so `replace` notices
a document that changed meanwhile. Good for samples and for some ten thousand documents; search compares with all.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from kenshin import names
from kenshin.backends import Opening
from kenshin.backends.local.sqlite import Database
from kenshin.drift.embedder import Vector
from kenshin.drift.index import IndexInfo, Outcome, StoredDocument, sample_key
from kenshin.errors import InvalidInput, NotFound, SettingError
from kenshin.ports import Page
from kenshin.urls import PortURL

SCHEMA = """
CREATE TABLE IF NOT EXISTS indexes (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS documents (
    index_name TEXT NOT NULL,
    doc_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    sample_key INTEGER NOT NULL,
    embedded_at INTEGER,
    text_hash TEXT,
    fingerprint TEXT,
    language TEXT,
    text TEXT,
    vector BLOB,
    PRIMARY KEY (index_name, doc_id)
);
CREATE INDEX IF NOT EXISTS documents_by_sample_key ON documents (index_name, sample_key, doc_id);
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FETCH = 500


class SqliteIndex:
    """Documents of one index in a file."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name

    def describe(self) -> IndexInfo:
        """Count, dimensions (of the most frequent kind among the first thousand) and manners; raises NotFound."""
        with self._database.read() as connection:
            known = [row["name"] for row in connection.execute("SELECT name FROM indexes ORDER BY name")]
            if self._name not in known:
                raise NotFound(
                    value=self._name,
                    reason="no such index in this file",
                    mend=f"Known: {', '.join(known)}."
                    if known
                    else "No index is there yet: add documents to it; 'kenshin demo load' loads a sample.",
                )
            (count,) = connection.execute(
                "SELECT count(*) FROM documents WHERE index_name = ?", (self._name,)
            ).fetchone()
            usual = connection.execute(
                "SELECT bytes / 4 AS dimensions FROM (SELECT length(vector) AS bytes FROM documents"
                " WHERE index_name = ? ORDER BY sample_key, doc_id LIMIT 1000)"
                " WHERE bytes > 0 GROUP BY bytes ORDER BY count(*) DESC, bytes LIMIT 1",
                (self._name,),
            ).fetchone()
        return IndexInfo(
            name=self._name,
            count=count,
            dimensions=None if usual is None else usual["dimensions"],
            optimistic=True,
            visible_after_s=0.0,
        )

    def scan(
        self, *, start: int, limit: int, as_of: datetime | None = None, page: str | None = None
    ) -> Page[StoredDocument]:
        """Documents in order of (sample_key, doc_id); see `VectorIndex.scan`.

        A document of unknown `embedded_at` is never left out.
        """
        if limit < 1:
            raise InvalidInput(
                value=limit, reason="a page needs room for a document", mend="Ask for at least 1."
            )
        key, doc_id = (start, "") if page is None else _cursor(page)
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT * FROM documents WHERE index_name = :name AND (sample_key, doc_id) > (:key, :doc_id)"
                " AND (:as_of IS NULL OR embedded_at IS NULL OR embedded_at <= :as_of)"
                " ORDER BY sample_key, doc_id LIMIT :limit",
                {
                    "name": self._name,
                    "key": key,
                    "doc_id": doc_id,
                    "as_of": _microseconds(as_of),
                    "limit": limit + 1,
                },
            ).fetchall()
        further = len(rows) > limit
        items = [_document(row) for row in rows[:limit]]
        return Page(items, json.dumps([items[-1].sample_key, items[-1].doc_id]) if further else None)

    def fetch(self, doc_ids: Sequence[str]) -> Sequence[StoredDocument]:
        """Documents by id; see `VectorIndex.fetch`."""
        found: dict[str, StoredDocument] = {}
        with self._database.read() as connection:
            for first in range(0, len(doc_ids), _FETCH):
                for row in connection.execute(
                    "SELECT * FROM documents WHERE index_name = ? AND doc_id IN (SELECT value FROM json_each(?))",
                    (self._name, json.dumps(list(doc_ids[first : first + _FETCH]))),
                ):
                    found[row["doc_id"]] = _document(row)
        return [found[doc_id] for doc_id in doc_ids if doc_id in found]

    def replace(self, updates: Sequence[tuple[StoredDocument, StoredDocument]]) -> Sequence[Outcome]:
        """Replace documents that still are as they were read; see `VectorIndex.replace`."""
        with self._database.write() as connection:
            return [self._replace(connection, before, after) for before, after in updates]

    def search(self, vectors: Sequence[Sequence[float]], k: int) -> Sequence[Sequence[str]]:
        """The nearest documents of each vector; documents without a usable vector are never near.

        Args:
            vectors: shape (n, d), finite and not zero.
            k: how many at most.
        """
        queries = np.asarray(vectors, dtype=np.float64)
        if queries.ndim != 2:
            raise InvalidInput(
                value=f"shape {queries.shape}", reason="not of shape (n, d)", mend="Give a list of vectors."
            )
        doc_ids, matrix = self._matrix(queries.shape[1])
        if not doc_ids:
            return [[] for _ in queries]
        cosines = (queries / np.linalg.norm(queries, axis=1, keepdims=True)) @ matrix.T
        order = np.argsort(-cosines, axis=1, kind="stable")[:, : max(k, 0)]
        return [[doc_ids[position] for position in row] for row in order]

    def add(self, documents: Iterable[StoredDocument]) -> int:
        """Load documents, replacing those of the same id; answers how many the index now holds.

        All or nothing. The index exists from then on, even without a document.
        """
        with self._database.write() as connection:
            connection.execute("INSERT OR IGNORE INTO indexes (name) VALUES (?)", (self._name,))
            connection.executemany(
                "INSERT INTO documents (index_name, doc_id, version, sample_key, embedded_at, text_hash,"
                " fingerprint, language, text, vector)"
                " VALUES (:index_name, :doc_id, 1, :sample_key, :embedded_at, :text_hash,"
                " :fingerprint, :language, :text, :vector)"
                " ON CONFLICT (index_name, doc_id) DO UPDATE SET version = version + 1,"
                " sample_key = excluded.sample_key, embedded_at = excluded.embedded_at,"
                " text_hash = excluded.text_hash, fingerprint = excluded.fingerprint,"
                " language = excluded.language, text = excluded.text, vector = excluded.vector",
                (self._row(document) for document in documents),
            )
            (count,) = connection.execute(
                "SELECT count(*) FROM documents WHERE index_name = ?", (self._name,)
            ).fetchone()
        return int(count)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _replace(
        self, connection: sqlite3.Connection, before: StoredDocument, after: StoredDocument
    ) -> Outcome:
        if before.doc_id != after.doc_id:
            return Outcome(before.doc_id, "failed", f"the replacement is another document, {after.doc_id}")
        if not before.locator.isdecimal():
            return Outcome(before.doc_id, "failed", "it was not read from this index: it has no locator")
        changed = connection.execute(
            "UPDATE documents SET version = version + 1, sample_key = :sample_key, embedded_at = :embedded_at,"
            " text_hash = :text_hash, fingerprint = :fingerprint, language = :language, text = :text,"
            " vector = :vector WHERE index_name = :index_name AND doc_id = :doc_id AND version = :version",
            {**self._row(after), "version": int(before.locator)},
        ).rowcount
        if changed:
            return Outcome(before.doc_id, "replaced")
        there = connection.execute(
            "SELECT version FROM documents WHERE index_name = ? AND doc_id = ?", (self._name, before.doc_id)
        ).fetchone()
        if there is None:
            return Outcome(before.doc_id, "missing", "the index does not hold it")
        return Outcome(
            before.doc_id, "conflict", f"it is at version {there['version']}, not {before.locator}"
        )

    def _row(self, document: StoredDocument) -> dict[str, object]:
        return {
            "index_name": self._name,
            "doc_id": document.doc_id,
            "sample_key": sample_key(document.doc_id) if document.sample_key is None else document.sample_key,
            "embedded_at": _microseconds(document.embedded_at),
            "text_hash": document.text_hash,
            "fingerprint": document.fingerprint,
            "language": document.language,
            "text": document.text,
            "vector": _blob(document.vector),
        }

    def _matrix(self, dimensions: int) -> tuple[list[str], NDArray[np.float64]]:
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT doc_id, vector FROM documents WHERE index_name = ? AND length(vector) = ? ORDER BY doc_id",
                (self._name, 4 * dimensions),
            ).fetchall()
        doc_ids = np.array([row["doc_id"] for row in rows], dtype=object)
        matrix = np.frombuffer(b"".join(row["vector"] for row in rows), dtype="<f4").astype(np.float64)
        matrix = matrix.reshape(len(rows), dimensions)
        lengths = np.linalg.norm(matrix, axis=1)
        usable = np.isfinite(lengths) & (lengths > 0)
        return list(doc_ids[usable]), matrix[usable] / lengths[usable, None]


def _document(row: sqlite3.Row) -> StoredDocument:
    at = row["embedded_at"]
    return StoredDocument(
        doc_id=row["doc_id"],
        text=row["text"],
        vector=None if row["vector"] is None else np.frombuffer(row["vector"], dtype="<f4"),  # type: ignore[arg-type]
        sample_key=row["sample_key"],
        text_hash=row["text_hash"],
        fingerprint=row["fingerprint"],
        embedded_at=None if at is None else _EPOCH + timedelta(microseconds=at),
        language=row["language"],
        locator=str(row["version"]),
    )


def _blob(vector: Vector | None) -> bytes | None:
    return None if vector is None else np.asarray(vector, dtype="<f4").tobytes()


def _microseconds(instant: datetime | None) -> int | None:
    return None if instant is None else (instant - _EPOCH) // timedelta(microseconds=1)


def _cursor(page: str) -> tuple[int, str]:
    try:
        key, doc_id = json.loads(page)
        return int(key), str(doc_id)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            value=page, reason="not a page token of this index", mend="Start again without a page."
        ) from error


def open_index(url: PortURL, opening: Opening) -> SqliteIndex:
    """The backend of ``sqlite:///path.db?index=name``."""
    name = url.only("index").params.get("index")
    if name is None:
        raise SettingError(
            value=url.raw, reason="it does not say which index", mend=f"Write '{url.raw}?index=name'."
        )
    return SqliteIndex(Database(url.file(), SCHEMA), names.checked(name, what="an index"))
