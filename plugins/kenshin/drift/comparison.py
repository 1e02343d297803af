"""The comparison: from a snapshot's pairs to a status and a distance per document, and to the report.

A distance means little without knowing how far two unrelated documents of the same model lie apart (0.19 on one model,
0.77 on another), so each distance is also divided by that: the median distance of random pairs of fresh vectors. Pairs
are neighbours in the order of sample keys, which is an order of hashes: random, and the same on every run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from kenshin.drift.distance import Status, cosine_distances, norm, ranked, status_of
from kenshin.drift.report import DriftReport, Stratum, by_kind, stated
from kenshin.drift.snapshot import Mode, Pair

MOST_SHIFTS = 32
"""Each document is paired with at most so many others for the pair distance."""

OWN_PAIR_DISTANCE = 20
"""A language with fewer valid documents borrows the pair distance of the whole sample."""

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DocumentDrift:
    """One document of a day.

    Args:
        doc_id: which.
        mode: see `Mode`.
        status: ``ok``, or why it was not compared.
        cause: why it drifted, where somebody found out; this module does not.
        distance: cosine distance, 0 to 2; None unless the status is ``ok``.
        relative_distance: divided by the pair distance; None where there is none.
        stored_norm: Euclidean length of the stored vector; None where it has none.
        fresh_norm: likewise of the fresh one.
        stratum: language, or ``unknown``.
        language: where it is known.
        text_hash: of the text that was embedded, where the index recorded it.
        fingerprint: of the embedder that made the stored vector, where the index recorded it.
        embedded_at: when, where the index recorded it.
        sample_weight: how much it counts beside the sample's other documents; 1 in a uniform sample.
    """

    doc_id: str
    mode: Mode
    status: Status
    cause: str | None
    distance: float | None
    relative_distance: float | None
    stored_norm: float | None
    fresh_norm: float | None
    stratum: str
    language: str | None
    text_hash: str | None
    fingerprint: str | None
    embedded_at: datetime | None
    sample_weight: float


def compare_pairs(
    pairs: Sequence[Pair], *, index: str, day: date, mode: Mode, threshold: float, fingerprint: str
) -> tuple[list[DocumentDrift], DriftReport]:
    """Every document's status and distance in order of id, and the report.

    Args:
        pairs: the snapshot.
        index: whose.
        day: of the snapshot.
        mode: how the sample came about.
        threshold: cosine distance above which a document counts as drifted.
        fingerprint: of the model that made the fresh vectors.
    """
    pairs = sorted(pairs, key=lambda pair: pair.doc_id)
    statuses = _statuses(pairs)
    valid = [pair for pair, status in zip(pairs, statuses, strict=True) if status == "ok"]
    distances = _distances(valid)
    overall = pair_distance(valid)
    strata = _strata(valid)
    scales = {name: _scale(members, overall) for name, members in strata.items()}
    relative = {
        pair.doc_id: distances[pair.doc_id] / scale for pair in valid if (scale := scales[_stratum(pair)])
    }
    documents = [
        DocumentDrift(
            doc_id=pair.doc_id,
            mode=mode,
            status=status,
            cause=None,
            distance=distances.get(pair.doc_id),
            relative_distance=relative.get(pair.doc_id),
            stored_norm=None if pair.stored is None else norm(pair.stored),
            fresh_norm=None if pair.fresh is None else norm(pair.fresh),
            stratum=_stratum(pair),
            language=pair.language,
            text_hash=pair.text_hash,
            fingerprint=pair.fingerprint,
            embedded_at=pair.embedded_at,
            sample_weight=1.0,
        )
        for pair, status in zip(pairs, statuses, strict=True)
    ]
    ordered, ordered_relative = sorted(distances.values()), sorted(relative.values())
    worst_first = sorted(distances, key=lambda doc_id: (-distances[doc_id], doc_id))
    report = DriftReport(
        index=index,
        day=day,
        mode=mode,
        threshold=threshold,
        fingerprint=fingerprint,
        drawn=len(pairs),
        sample_size=len(valid),
        mean_drift=stated(_mean(ordered)),
        p50_drift=stated(_ranked(ordered, 50)),
        p95_drift=stated(_ranked(ordered, 95)),
        max_drift=stated(_ranked(ordered, 100)),
        drifted_ids=tuple(doc_id for doc_id in worst_first if distances[doc_id] > threshold),
        invalid=by_kind(statuses),
        repair_ids=tuple(
            pair.doc_id
            for pair, status in zip(pairs, statuses, strict=True)
            if status not in ("ok", "embed_error")
        ),
        embed_errors=statuses.count("embed_error"),
        truncated=sum(pair.truncated for pair in pairs),
        pair_distance=stated(overall),
        relative_p50=stated(_ranked(ordered_relative, 50)),
        relative_p95=stated(_ranked(ordered_relative, 95)),
        relative_max=stated(_ranked(ordered_relative, 100)),
        strata=tuple(
            _figures(name, strata[name], distances, threshold, scales[name]) for name in sorted(strata)
        ),
    )
    return documents, report


def pair_distance(pairs: Sequence[Pair]) -> float | None:
    """Median cosine distance of random pairs of fresh vectors; None for fewer than two documents, or where it is 0."""
    import numpy as np

    ordered = sorted(pairs, key=lambda pair: (pair.sample_key, pair.doc_id))
    shifts = min(len(ordered) // 2, MOST_SHIFTS)
    if shifts == 0:
        return None
    fresh: Any = np.asarray([pair.fresh for pair in ordered], dtype=np.float64)
    found = [cosine_distances(fresh, np.roll(fresh, -shift, axis=0)) for shift in range(1, shifts + 1)]
    median = float(np.median(np.concatenate(found)))
    return median or None


def _statuses(pairs: Sequence[Pair]) -> list[Status]:
    # One model made all fresh vectors, so any of them tells its dimensions, also for documents that it was not asked.
    dimensions = next((len(pair.fresh) for pair in pairs if pair.fresh is not None), None)
    return [_status(pair, dimensions) for pair in pairs]


def _status(pair: Pair, dimensions: int | None) -> Status:
    text = None if pair.current_text_hash is None else "present"
    status = status_of(text, pair.stored, dimensions=dimensions)
    if status == "ok" and (pair.fresh is None or not norm(pair.fresh)):
        return "embed_error"
    return status


def _distances(valid: Sequence[Pair]) -> dict[str, float]:
    if not valid:
        return {}
    found = cosine_distances([pair.stored for pair in valid], [pair.fresh for pair in valid])
    return dict(zip((pair.doc_id for pair in valid), found.tolist(), strict=True))


def _strata(valid: Sequence[Pair]) -> dict[str, list[Pair]]:
    strata: dict[str, list[Pair]] = {}
    for pair in valid:
        strata.setdefault(_stratum(pair), []).append(pair)
    return strata


def _stratum(pair: Pair) -> str:
    return pair.language or UNKNOWN


def _scale(members: Sequence[Pair], overall: float | None) -> float | None:
    return (pair_distance(members) or overall) if len(members) >= OWN_PAIR_DISTANCE else overall


def _figures(
    name: str,
    members: Sequence[Pair],
    distances: Mapping[str, float],
    threshold: float,
    scale: float | None,
) -> Stratum:
    ordered = sorted(distances[pair.doc_id] for pair in members)
    return Stratum(
        name=name,
        sample_size=len(ordered),
        mean_drift=math.fsum(ordered) / len(ordered),
        p95_drift=ranked(ordered, 95),
        drifted_count=sum(distance > threshold for distance in ordered),
        pair_distance=scale,
    )


def _mean(ordered: Sequence[float]) -> float | None:
    return math.fsum(ordered) / len(ordered) if ordered else None


def _ranked(ordered: Sequence[float], percent: int) -> float | None:
    return ranked(ordered, percent) if ordered else None
