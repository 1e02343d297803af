"""Passages for a question, from the same index that the drift check-up samples.

The index is read into memory when the service starts: a request costs one product of a matrix and a vector, and the
embedding of its question, which is remembered.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from kenshin.errors import BackendUnavailable

if TYPE_CHECKING:
    from kenshin.drift.embedder import Embedder
    from kenshin.drift.index import StoredDocument, VectorIndex

PAGE = 500
REMEMBERED = 4096
EMBED_DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class Passage:
    """One retrieved document and its cosine similarity with the question."""

    doc_id: str
    text: str
    score: float


class Retriever:
    """Searches documents in memory.

    Args:
        documents: of the index; those without text, or with a vector that is no use, are left out.
        embedder: of the same model as most of the documents.
    """

    def __init__(self, documents: Iterator[StoredDocument], embedder: Embedder) -> None:
        self._embedder = embedder
        self._dimensions = embedder.fingerprint.dimensions
        kept = [(each, vector) for each in documents if (vector := self._usable(each)) is not None]
        self._documents = [each for each, _ in kept]
        self._matrix = (
            np.stack([vector for _, vector in kept])
            if kept
            else np.zeros((0, self._dimensions), dtype=np.float32)
        )
        self._known: OrderedDict[str, Any] = OrderedDict()
        self._lock = Lock()

    @classmethod
    def of(cls, index: VectorIndex, embedder: Embedder) -> Retriever:
        """Read a whole index.

        Raises:
            NotFound: there is no such index.
        """
        index.describe()
        return cls(_all(index), embedder)

    def __len__(self) -> int:
        return len(self._documents)

    def find(self, question: str, k: int) -> list[Passage]:
        """The k best passages, best first; none where the index is empty.

        Raises:
            BackendUnavailable: the question could not be embedded.
        """
        if not self._documents:
            return []
        scores = self._matrix @ self._vector(question)
        best = np.argsort(-scores, kind="stable")[:k]
        return [
            Passage(self._documents[at].doc_id, self._documents[at].text or "", float(scores[at]))
            for at in best
        ]

    def _vector(self, question: str) -> Any:
        with self._lock:
            if question in self._known:
                self._known.move_to_end(question)
                return self._known[question]
        (answer,) = self._embedder.embed([question], kind="query", deadline=EMBED_DEADLINE_S)
        if answer.vector is None:
            raise BackendUnavailable(
                value=str(self._embedder.fingerprint),
                reason=f"the question could not be embedded ({answer.error})",
                mend="See that the embedding model answers: 'kenshin doctor'.",
            )
        vector = np.asarray(answer.vector, dtype=np.float32)
        vector = vector / (np.linalg.norm(vector) or 1.0)
        with self._lock:
            self._known[question] = vector
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return vector

    def _usable(self, document: StoredDocument) -> Any:
        if not document.text or document.vector is None or len(document.vector) != self._dimensions:
            return None
        vector = np.asarray(document.vector, dtype=np.float32)
        length = float(np.linalg.norm(vector))
        return vector / length if np.isfinite(length) and length > 0 else None


def _all(index: VectorIndex) -> Iterator[StoredDocument]:
    page: str | None = None
    while True:
        found = index.scan(start=0, limit=PAGE, page=page)
        yield from found.items
        page = found.next
        if page is None:
            return
