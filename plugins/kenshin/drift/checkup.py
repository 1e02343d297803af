"""The check-up in steps: draw a sample, embed it in chunks, compare. Each is a task of the DAG ``embedding_drift``.

Steps take ports and answer small JSON-ready summaries; the data go through the lake. Each may be run again at any
time: a finished snapshot of an index and day wins over a new draw, over another sample size and over another model,
so that a day keeps its figures; only the threshold may change, and then the day's report and row are replaced.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, TypedDict

from kenshin.days import day_of, end_of
from kenshin.drift.cached import CachedEmbedder
from kenshin.drift.comparison import compare_pairs
from kenshin.drift.distance import status_of
from kenshin.drift.documents import publish_documents
from kenshin.drift.embedder import Embedded, Embedder, EmbeddingCache
from kenshin.drift.history import publish_day
from kenshin.drift.index import StoredDocument, VectorIndex
from kenshin.drift.report import publish_report
from kenshin.drift.sampling import draw_sample, start_key
from kenshin.drift.snapshot import (
    DRAWS,
    EMBEDDINGS,
    SNAPSHOTS,
    Drawn,
    Mode,
    embedder_of,
    mode_of,
    place,
    publish_chunk,
    publish_draw,
    publish_snapshot,
    read_chunk,
    read_draw,
    read_snapshot,
    remove_working_data,
)
from kenshin.errors import BackendUnavailable, Conflict, InvalidInput, NotFound
from kenshin.lake import Lake
from kenshin.publishing import MANIFEST, Manifest, read_manifest

logger = logging.getLogger(__name__)

SAMPLE_SIZE = 300
"""299 documents find at least one of 1 % bad ones with 95 % probability."""

THRESHOLD = 0.15
CHUNK = 64
EMBED_DEADLINE_S = 900.0


class Viewpoint(TypedDict):
    """From where a day is looked at: on the day itself, or later and up to the instant `as_of`."""

    mode: Mode
    as_of: datetime | None


def viewpoint(day: date, *, now: datetime, zone: tzinfo) -> Viewpoint:
    """How a day can be looked at now: today is observed, a past day reconstructed.

    A reconstructed day leaves out documents that were embedded after it; what they replaced is gone.

    Raises:
        InvalidInput: the day lies in the future.
    """
    today = day_of(now, zone)
    if day > today:
        raise InvalidInput(
            value=day.isoformat(), reason="the day lies in the future", mend=f"Choose {today} or earlier."
        )
    if day == today:
        return {"mode": "observed", "as_of": None}
    return {"mode": "reconstructed", "as_of": end_of(day, zone) - timedelta(microseconds=1)}


def draw(
    index: VectorIndex,
    lake: Lake,
    *,
    index_name: str,
    day: date,
    sample_size: int,
    as_of: datetime | None,
    mode: Mode,
    fingerprint: str,
) -> dict[str, Any]:
    """Draw the day's sample and keep it, unless the day has a snapshot or a draw already.

    An unfinished draw keeps its documents, but is made ready for the current model.

    Args:
        index: what to draw from.
        lake: where the sample goes.
        index_name: name under which the day is kept.
        day: which day.
        sample_size: documents to draw; all where there are fewer.
        as_of: leave out what was embedded after this instant.
        mode: see `viewpoint`.
        fingerprint: of the model that is to embed the sample.

    Returns:
        ``chunks``: the numbers of the chunks to embed, none where a snapshot is reused.

    Raises:
        InvalidInput: the index does not exist.
    """
    snapshot = read_manifest(lake, place(SNAPSHOTS, index_name, day))
    if snapshot is not None:
        _tell_reuse(lake, snapshot, index_name, day, sample_size, fingerprint)
        return _draw_answer(index_name, day, mode_of(snapshot), drawn=None, chunks=[], reused=True)
    manifest = read_manifest(lake, place(DRAWS, index_name, day))
    if manifest is None:
        _check_exists(index)
        sample = _in_chunks(
            draw_sample(index, size=sample_size, start=start_key(index_name, day), as_of=as_of)
        )
        manifest = publish_draw(lake, index_name, day, sample, mode=mode, fingerprint=fingerprint)
    elif embedder_of(manifest) != fingerprint:
        # An unfinished day whose model was exchanged: the same documents, to be embedded by the new one.
        sample, mode = read_draw(lake, manifest), mode_of(manifest)
        manifest = publish_draw(
            lake, index_name, day, sample, mode=mode, fingerprint=fingerprint, existing="replace"
        )
    drawn = read_draw(lake, manifest)
    chunks = sorted({each.chunk for each in drawn if each.chunk is not None})
    return _draw_answer(index_name, day, mode_of(manifest), drawn=len(drawn), chunks=chunks, reused=False)


def embed_chunk(
    lake: Lake,
    embedder: Embedder,
    cache: EmbeddingCache,
    *,
    index_name: str,
    day: date,
    chunk: int,
    deadline: float = EMBED_DEADLINE_S,
) -> dict[str, Any]:
    """Embed a chunk of the day's sample and keep the vectors; a chunk that is kept already costs nothing.

    A text that fails alone is kept with its error. Where every text fails the model is at fault, not the text: that
    raises, so that the task is tried again.

    Args:
        lake: where the sample is and the vectors go.
        embedder: the current model.
        cache: texts embedded before.
        index_name: whose sample.
        day: whose sample.
        chunk: its number, from `draw`.
        deadline: seconds after which texts not yet embedded fail.

    Raises:
        NotFound: no sample was drawn, or it has no such chunk.
        Conflict: the sample was drawn for another model.
        BackendUnavailable: not one text could be embedded.
    """
    answer = {"chunk": chunk, "texts": 0, "errors": 0, "reused": True}
    source = read_manifest(lake, place(DRAWS, index_name, day))
    if source is None:
        if read_manifest(lake, place(SNAPSHOTS, index_name, day)) is None:
            raise _no_draw(index_name, day)
        return answer
    kept = read_manifest(lake, place(EMBEDDINGS, index_name, day, chunk=chunk))
    if kept is not None and kept.inputs.get(f"{source.partition}/{MANIFEST}") == source.etag:
        return answer
    fingerprint = str(embedder.fingerprint)
    if embedder_of(source) != fingerprint:
        raise Conflict(
            value=fingerprint,
            reason=f"the sample of {day} was drawn for {embedder_of(source)}",
            mend="Give all tasks of a run the same KENSHIN_EMBEDDER, then clear its task 'draw'.",
        )
    texts = {
        each.document.doc_id: each.document.text or ""
        for each in read_draw(lake, source)
        if each.chunk == chunk
    }
    if not texts:
        raise NotFound(
            value=f"chunk {chunk}", reason=f"the sample of {day} has no such chunk", mend="Draw the day anew."
        )
    embedded = _embed(CachedEmbedder(embedder, cache), texts, deadline)
    errors = [each.error for each in embedded.values() if each.error is not None]
    if len(errors) == len(embedded):
        raise BackendUnavailable(
            value=fingerprint,
            reason=f"not one of {len(errors)} texts could be embedded ({errors[0]})",
            mend="See that the model answers ('kenshin doctor'), then clear the task.",
        )
    publish_chunk(lake, index_name, day, chunk, embedded, draw=source, fingerprint=fingerprint)
    return {**answer, "texts": len(texts), "errors": len(errors), "reused": False}


def compare(lake: Lake, *, index_name: str, day: date, threshold: float) -> dict[str, Any]:
    """Complete the day's snapshot, compare, and publish documents, report and history row.

    The draw with its texts is removed then. Run again with another threshold, it replaces the three.

    Args:
        lake: where everything is and goes.
        index_name: which index.
        day: which day.
        threshold: cosine distance above which a document counts as drifted, 0 to 2.

    Returns:
        The report's `summary`, and ``reused_snapshot``.

    Raises:
        InvalidInput: the threshold is no cosine distance.
        NotFound: no sample was drawn, or a chunk of it was not embedded.
    """
    if not 0 <= threshold <= 2:
        raise InvalidInput(
            value=threshold,
            reason="no cosine distance",
            mend="Choose a threshold from 0 to 2; 0.15 is usual.",
        )
    snapshot = read_manifest(lake, place(SNAPSHOTS, index_name, day))
    reused = snapshot is not None
    if snapshot is None:
        snapshot = _complete_snapshot(lake, index_name, day)
    # Read back even when it was just made, so that the first comparison and every replay see the same.
    documents, report = compare_pairs(
        read_snapshot(lake, snapshot),
        index=index_name,
        day=day,
        mode=mode_of(snapshot),
        threshold=threshold,
        fingerprint=embedder_of(snapshot),
    )
    inputs = {f"{snapshot.partition}/{MANIFEST}": snapshot.etag}
    publish_documents(lake, index_name, day, documents, inputs=inputs)
    publish_report(lake, report, inputs=inputs)
    publish_day(lake, report, inputs=inputs)
    remove_working_data(lake, index_name, day)
    return {**report.summary(), "reused_snapshot": reused}


def _check_exists(index: VectorIndex) -> None:
    try:
        index.describe()
    except NotFound as error:
        raise InvalidInput(value=error.value, reason=error.reason, mend=error.mend) from error


def _in_chunks(sample: Sequence[StoredDocument]) -> list[Drawn]:
    sound = [status_of(each.text, each.vector, dimensions=None) == "ok" for each in sample]
    # Chunks of equal size: in a tiny one, a single text that the model refuses would pass for a broken model.
    total, position = sum(sound), 0
    chunks, drawn = -(-total // CHUNK), []
    for document, is_sound in zip(sample, sound, strict=True):
        drawn.append(Drawn(document, position * chunks // total if is_sound else None))
        position += is_sound
    return drawn


def _embed(embedder: CachedEmbedder, texts: dict[str, str], deadline: float) -> dict[str, Embedded]:
    doc_ids, end = list(texts), time.monotonic() + deadline
    embedded: dict[str, Embedded] = {}
    for first in range(0, len(doc_ids), embedder.max_batch):
        batch = doc_ids[first : first + embedder.max_batch]
        left = max(end - time.monotonic(), 0.0)
        answers = embedder.embed([texts[doc_id] for doc_id in batch], kind="passage", deadline=left)
        embedded.update(zip(batch, answers, strict=True))
    return embedded


def _complete_snapshot(lake: Lake, index_name: str, day: date) -> Manifest:
    source = read_manifest(lake, place(DRAWS, index_name, day))
    if source is None:
        raise _no_draw(index_name, day)
    drawn = read_draw(lake, source)
    inputs = {
        "mode": mode_of(source),
        "embedder": embedder_of(source),
        f"{source.partition}/{MANIFEST}": source.etag,
    }
    fresh: dict[str, Embedded] = {}
    for chunk in sorted({each.chunk for each in drawn if each.chunk is not None}):
        manifest = read_manifest(lake, place(EMBEDDINGS, index_name, day, chunk=chunk))
        if manifest is None or manifest.inputs.get(f"{source.partition}/{MANIFEST}") != source.etag:
            raise NotFound(
                value=f"{index_name} on {day}, chunk {chunk}",
                reason="it has not been embedded",
                mend="Clear the task 'embed' of the run, or run the day again.",
            )
        inputs[f"{manifest.partition}/{MANIFEST}"] = manifest.etag
        fresh.update(read_chunk(lake, manifest))
    return publish_snapshot(lake, index_name, day, drawn, fresh, inputs=inputs)


def _tell_reuse(
    lake: Lake, snapshot: Manifest, index_name: str, day: date, sample_size: int, fingerprint: str
) -> None:
    kept = len(read_snapshot(lake, snapshot))
    logger.info(
        "%s of %s has a snapshot of %d documents by %s, which is kept; asked for were %d by %s",
        index_name,
        day,
        kept,
        embedder_of(snapshot),
        sample_size,
        fingerprint,
    )


def _draw_answer(
    index_name: str, day: date, mode: Mode, *, drawn: int | None, chunks: list[int], reused: bool
) -> dict[str, Any]:
    return {
        "index": index_name,
        "day": day.isoformat(),
        "mode": mode,
        "drawn": drawn,
        "chunks": chunks,
        "reused_snapshot": reused,
    }


def _no_draw(index_name: str, day: date) -> NotFound:
    return NotFound(
        value=f"{index_name} on {day}",
        reason="no sample was drawn",
        mend="Clear the task 'draw' of the run, or run the day again.",
    )
