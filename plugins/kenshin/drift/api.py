"""Drift, bound to the process's current runtime: a whole check-up in one call, its history, and the seed's Lambda."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any, TypedDict

from kenshin.current import current
from kenshin.days import day_of, parse_day
from kenshin.drift import announcement, checkup
from kenshin.drift.cached import CachedEmbedder
from kenshin.drift.documents import DayDocuments
from kenshin.drift.history import History, newest_day, read_history
from kenshin.drift.history import worst_documents as read_worst_documents
from kenshin.drift.report import DriftReport, read_report
from kenshin.drift.sampling import draw_sample, start_key
from kenshin.errors import BackendUnavailable, InvalidInput

EMBED_TEXT_DEADLINE_S = 60.0


class SampledDocument(TypedDict):
    """A drawn document under the proof of concept's keys."""

    doc_id: str
    text: str
    stored_embedding: list[float]


def check_drift(
    sample_size: int = checkup.SAMPLE_SIZE,
    threshold: float = checkup.THRESHOLD,
    index: str | None = None,
    day: date | None = None,
) -> DriftReport:
    """Run the check-up of a day here and now, with the steps that the DAG takes.

    Args:
        sample_size: documents to draw; a day that has a snapshot keeps it.
        threshold: cosine distance above which a document counts as drifted.
        index: which index; the configured one unless given.
        day: which day; today unless given. A past day is reconstructed.

    Raises:
        KenshinError: the input is wrong, or a backend fails.
    """
    runtime = current()
    name, now, zone = index or runtime.index_name, runtime.clock(), runtime.settings.zone
    day = day or day_of(now, zone)
    drawn = checkup.draw(
        runtime.index(name),
        runtime.lake,
        index_name=name,
        day=day,
        sample_size=sample_size,
        fingerprint=str(runtime.embedder.fingerprint),
        **checkup.viewpoint(day, now=now, zone=zone),
    )
    for chunk in drawn["chunks"]:
        checkup.embed_chunk(
            runtime.lake, runtime.embedder, runtime.embeddings, index_name=name, day=day, chunk=chunk
        )
    checkup.compare(runtime.lake, index_name=name, day=day, threshold=threshold)
    announcement.emit(runtime.lake, runtime.recorder, index_name=name, day=day, now=now, zone=zone)
    return read_report(runtime.lake, name, day)


def report(index: str | None = None, day: date | None = None) -> DriftReport:
    """A day's report, the newest unless a day is given; raises NotFound."""
    lake, name = current().lake, index or current().index_name
    return read_report(lake, name, day or newest_day(lake, name))


def history(index: str | None, first: date, last: date) -> History:
    """One row a day from `first` to `last`, both included."""
    return read_history(current().lake, index or current().index_name, first, last)


def worst_documents(index: str | None = None, day: date | None = None, limit: int = 20) -> DayDocuments:
    """The documents of a day (the newest unless given) that need repair most; raises NotFound."""
    return read_worst_documents(current().lake, index or current().index_name, day, limit)


def embed_text(text: str) -> list[float]:
    """A document's fresh vector from the current model, or from the cache.

    Raises:
        BackendUnavailable: the model gave none.
    """
    embedder = CachedEmbedder(current().embedder, current().embeddings)
    (answer,) = embedder.embed([text], kind="passage", deadline=EMBED_TEXT_DEADLINE_S)
    if answer.vector is None:
        raise BackendUnavailable(
            value=str(embedder.fingerprint),
            reason=f"the text could not be embedded ({answer.error})",
            mend="See that the model answers: 'kenshin doctor'.",
        )
    return [float(element) for element in answer.vector]


def sample_documents(
    sample_size: int = checkup.SAMPLE_SIZE, index: str | None = None, day: date | None = None
) -> list[SampledDocument]:
    """The documents that the check-up of a day would draw now, today's unless a day is given."""
    runtime = current()
    name, now, zone = index or runtime.index_name, runtime.clock(), runtime.settings.zone
    day = day or day_of(now, zone)
    as_of = checkup.viewpoint(day, now=now, zone=zone)["as_of"]
    drawn = draw_sample(runtime.index(name), size=sample_size, start=start_key(name, day), as_of=as_of)
    return [
        SampledDocument(
            doc_id=each.doc_id,
            text=each.text or "",
            stored_embedding=[] if each.vector is None else [float(element) for element in each.vector],
        )
        for each in drawn
    ]


def lambda_handler(event: Mapping[str, Any] | None, context: object) -> dict[str, Any]:
    """The proof of concept's Lambda: today's check-up, answered as it answered.

    Args:
        event: may hold `sample_size`, `threshold`, `index` and `day`; what a scheduler adds is ignored.
        context: unused.

    Raises:
        KenshinError: a value of the event is wrong, or a backend fails.
    """
    asked = dict(event or {})
    found = check_drift(
        sample_size=_number(asked, "sample_size", checkup.SAMPLE_SIZE, int),
        threshold=_number(asked, "threshold", checkup.THRESHOLD, float),
        index=asked.get("index"),
        day=parse_day(asked["day"]) if asked.get("day") else None,
    )
    return {"statusCode": 200, "body": found.note or json.dumps(found.summary(), ensure_ascii=False)}


def _number(asked: Mapping[str, Any], name: str, default: float, kind: type[int] | type[float]) -> Any:
    value = asked.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
        raise InvalidInput(
            value=f"{name}={value!r}", reason="not a number", mend=f"Leave it out, or give e.g. {default}."
        )
    return value
