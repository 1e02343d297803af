"""The snapshot: stored and fresh vectors of a day's sample side by side, and the two steps towards it.

- ``drift_draws/index=…/day=…``: the sample with its **text**, needed until it is embedded and removed with the
  snapshot's completion; a day that is never finished keeps it until the day is run again.
- ``drift_embeddings/index=…/day=…/chunk=NN``: fresh vectors of some documents, removed at the same time.
- ``drift_snapshots/index=…/day=…``: both vectors of each document and no text. It stays: another threshold is a replay
  that asks neither the index nor the model.

How the sample came about (``mode``) and which model made the fresh vectors (``embedder``) stand among the manifest's
inputs, so that an empty sample keeps them too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from kenshin import publishing
from kenshin.drift.embedder import Embedded, Vector, text_hash
from kenshin.drift.index import StoredDocument
from kenshin.drift.sampling import key_of
from kenshin.lake import Lake
from kenshin.parquet import check_schema, encode
from kenshin.publishing import MANIFEST, Manifest

if TYPE_CHECKING:
    import pyarrow as pa

Mode = Literal["observed", "reconstructed"]
"""Drawn on the day itself, or later from what is left of it."""

DRAWS, EMBEDDINGS, SNAPSHOTS = "drift_draws", "drift_embeddings", "drift_snapshots"
SCHEMA_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Pair:
    """A document's stored and fresh vector.

    Args:
        doc_id: which document.
        sample_key: its place in the order of samples.
        stored: the vector that the index held; None where it held none.
        fresh: the vector that the model gives its text now; None where there is none.
        text_hash: of the text that was embedded, where the index recorded it.
        current_text_hash: of the text that the index held; None where it held none.
        fingerprint: of the embedder that made the stored vector, where the index recorded it.
        embedded_at: when, where the index recorded it.
        language: of the text, where it is known.
        truncated: whether the model's preprocessing cut the text.
        embed_error: why there is no fresh vector although there was something to embed.
    """

    doc_id: str
    sample_key: int
    stored: Vector | None
    fresh: Vector | None
    text_hash: str | None
    current_text_hash: str | None
    fingerprint: str | None
    embedded_at: datetime | None
    language: str | None
    truncated: bool
    embed_error: str | None


@dataclass(frozen=True, slots=True)
class Drawn:
    """One drawn document, and the chunk of documents with which it is embedded (None: nothing to embed)."""

    document: StoredDocument
    chunk: int | None


def place(dataset: str, index_name: str, day: date, *, chunk: int | None = None) -> str:
    """The partition of a dataset; raises InvalidName."""
    keys = {"index": index_name, "day": day.isoformat()}
    return publishing.partition(dataset, **keys, **({} if chunk is None else {"chunk": f"{chunk:02}"}))


def mode_of(manifest: Manifest) -> Mode:
    """How the sample of a draw or a snapshot came about."""
    return cast("Mode", manifest.inputs["mode"])


def embedder_of(manifest: Manifest) -> str:
    """Fingerprint of the model for which a sample was drawn, or which made a chunk's or snapshot's vectors."""
    return manifest.inputs["embedder"]


def publish_draw(
    lake: Lake,
    index_name: str,
    day: date,
    drawn: Sequence[Drawn],
    *,
    mode: Mode,
    fingerprint: str,
    existing: Literal["replace", "keep"] = "keep",
) -> Manifest:
    """Keep a sample with its texts; one that is there already wins unless it is to be replaced."""
    import pyarrow as pa

    documents = [each.document for each in drawn]
    table = pa.table(
        {
            **_identity(documents),
            "text": pa.array(
                [
                    None if each.text is None else each.text.encode("utf-8", "surrogatepass")
                    for each in documents
                ],
                pa.binary(),
            ),
            "text_hash": pa.array([each.text_hash for each in documents], pa.string()),
            "stored_vector": _vectors([each.vector for each in documents]),
            "chunk": pa.array([each.chunk for each in drawn], pa.int32()),
        }
    )
    return _publish(
        lake,
        place(DRAWS, index_name, day),
        table,
        dataset=DRAWS,
        inputs={"mode": mode, "embedder": fingerprint},
        existing=existing,
    )


def read_draw(lake: Lake, manifest: Manifest) -> list[Drawn]:
    """The documents of a draw, in order of id."""
    rows = _read(lake, manifest, DRAWS)
    return [
        Drawn(
            StoredDocument(
                doc_id=row["doc_id"],
                text=None if row["text"] is None else row["text"].decode("utf-8", "surrogatepass"),
                vector=row["stored_vector"],
                sample_key=row["sample_key"],
                text_hash=row["text_hash"],
                fingerprint=row["fingerprint"],
                embedded_at=row["embedded_at"],
                language=row["language"],
            ),
            row["chunk"],
        )
        for row in rows
    ]


def publish_chunk(
    lake: Lake,
    index_name: str,
    day: date,
    chunk: int,
    embedded: Mapping[str, Embedded],
    *,
    draw: Manifest,
    fingerprint: str,
) -> Manifest:
    """Keep the fresh vectors of some documents, by id."""
    import pyarrow as pa

    answers = list(embedded.values())
    table = pa.table(
        {
            "doc_id": pa.array(list(embedded), pa.string()),
            "fresh_vector": _vectors([each.vector for each in answers]),
            "truncated": pa.array([each.truncated for each in answers], pa.bool_()),
            "embed_error": pa.array([each.error for each in answers], pa.string()),
        }
    )
    inputs = {"embedder": fingerprint, f"{draw.partition}/{MANIFEST}": draw.etag}
    target = place(EMBEDDINGS, index_name, day, chunk=chunk)
    return _publish(lake, target, table, dataset=EMBEDDINGS, inputs=inputs, existing="replace")


def read_chunk(lake: Lake, manifest: Manifest) -> dict[str, Embedded]:
    """Fresh vectors of a chunk, by document id."""
    return {
        row["doc_id"]: Embedded(row["fresh_vector"], row["embed_error"], row["truncated"])
        for row in _read(lake, manifest, EMBEDDINGS)
    }


def publish_snapshot(
    lake: Lake,
    index_name: str,
    day: date,
    drawn: Sequence[Drawn],
    fresh: Mapping[str, Embedded],
    *,
    inputs: Mapping[str, str],
) -> Manifest:
    """Keep both vectors of each document, without text; a snapshot that is there already wins."""
    import pyarrow as pa

    documents = [each.document for each in drawn]
    answers = [fresh.get(each.doc_id, Embedded(None)) for each in documents]
    hashes = [text_hash(each.text) if each.text and each.text.strip() else None for each in documents]
    table = pa.table(
        {
            **_identity(documents),
            "text_hash": pa.array([each.text_hash for each in documents], pa.string()),
            "current_text_hash": pa.array(hashes, pa.string()),
            "stored_vector": _vectors([each.vector for each in documents]),
            "fresh_vector": _vectors([each.vector for each in answers]),
            "fresh_fingerprint": pa.array([inputs["embedder"]] * len(documents), pa.string()),
            "truncated": pa.array([each.truncated for each in answers], pa.bool_()),
            "embed_error": pa.array([each.error for each in answers], pa.string()),
        }
    )
    return _publish(lake, place(SNAPSHOTS, index_name, day), table, dataset=SNAPSHOTS, inputs=inputs)


def read_snapshot(lake: Lake, manifest: Manifest) -> list[Pair]:
    """The pairs of a snapshot, in order of document id."""
    return [
        Pair(
            doc_id=row["doc_id"],
            sample_key=row["sample_key"],
            stored=row["stored_vector"],
            fresh=row["fresh_vector"],
            text_hash=row["text_hash"],
            current_text_hash=row["current_text_hash"],
            fingerprint=row["fingerprint"],
            embedded_at=row["embedded_at"],
            language=row["language"],
            truncated=row["truncated"],
            embed_error=row["embed_error"],
        )
        for row in _read(lake, manifest, SNAPSHOTS)
    ]


def remove_working_data(lake: Lake, index_name: str, day: date) -> None:
    """Delete a day's draw, its texts with it, and the chunks of fresh vectors.

    Manifests go first, so that none names what is gone; the next removal completes one that was killed.
    """
    for dataset in (DRAWS, EMBEDDINGS):
        keys = [ref.key for ref in lake.list(f"{place(dataset, index_name, day)}/")]
        lake.delete(sorted(keys, key=lambda key: not key.endswith(f"/{MANIFEST}")))


def _identity(documents: Sequence[StoredDocument]) -> dict[str, pa.Array]:
    import pyarrow as pa

    return {
        "doc_id": pa.array([each.doc_id for each in documents], pa.string()),
        "fingerprint": pa.array([each.fingerprint for each in documents], pa.string()),
        "embedded_at": pa.array([each.embedded_at for each in documents], pa.timestamp("us", tz="UTC")),
        "sample_key": pa.array([key_of(each) for each in documents], pa.int64()),
        "language": pa.array([each.language for each in documents], pa.string()),
    }


def _vectors(vectors: Sequence[Vector | None]) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    rows = [None if each is None else np.asarray(each, dtype=np.float32) for each in vectors]
    return pa.array(rows, pa.list_(pa.float32()))


def _publish(
    lake: Lake,
    partition: str,
    table: pa.Table,
    *,
    dataset: str,
    inputs: Mapping[str, str],
    existing: Literal["replace", "keep"] = "keep",
) -> Manifest:
    schema = f"{dataset}/{SCHEMA_VERSION}"
    body = encode(table, schema=schema, sort_by=["doc_id"])
    return publishing.publish(
        lake, partition, [("parquet", body)], schema=schema, inputs=inputs, existing=existing
    )


def _read(lake: Lake, manifest: Manifest, dataset: str) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    with publishing.local_parts(lake, [manifest]) as (path,):
        check_schema(str(path), schema=f"{dataset}/{SCHEMA_VERSION}")
        # Not `read_table`: it would take ``index=…/day=…`` in the path for columns.
        table = pq.ParquetFile(path).read()
    columns = {
        name: _arrays(table[name]) if name.endswith("_vector") else table[name].to_pylist()
        for name in table.column_names
    }
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _arrays(column: pa.ChunkedArray) -> list[Any]:
    return [
        None if not each.is_valid else each.values.to_numpy(zero_copy_only=False)
        for chunk in column.chunks
        for each in chunk
    ]
