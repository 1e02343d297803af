"""Drift: has the vector index moved away from the embedding model, and which documents have?

- `api`: the conveniences, bound to the process's current runtime; `check_drift` runs a whole check-up.
- `index`, `embedder`: the two ports, a vector index and an embedding model; `cached` puts a cache before the latter.
- `sampling`: which documents of a day are looked at; the same for everybody who asks.
- `snapshot`: stored and fresh vectors side by side, as the lake keeps them, so that a replay makes no calls.
- `distance`: cosine distances, and why a vector allows none.
- `comparison`: from a snapshot to a status and a distance per document, and to the report.
- `report`: one day of one index in figures, under the proof of concept's keys.
- `checkup`: the steps that the DAG's tasks call: draw, embed a chunk, compare.
- `announcement`: the record and the log lines that a finished report gives.
- `history`: the read side: one row a day, and the documents of a day.

Importing the package loads the standard library alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kenshin.drift.api import check_drift, embed_text, lambda_handler, sample_documents
    from kenshin.drift.distance import cosine_distance, cosine_distances
    from kenshin.drift.report import DriftReport

__all__ = [
    "DriftReport",
    "check_drift",
    "cosine_distance",
    "cosine_distances",
    "embed_text",
    "lambda_handler",
    "sample_documents",
]

_HOMES = {
    "DriftReport": "kenshin.drift.report",
    "check_drift": "kenshin.drift.api",
    "cosine_distance": "kenshin.drift.distance",
    "cosine_distances": "kenshin.drift.distance",
    "embed_text": "kenshin.drift.api",
    "lambda_handler": "kenshin.drift.api",
    "sample_documents": "kenshin.drift.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kenshin.drift' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
