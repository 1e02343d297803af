"""``drift_documents/index=…/day=…``: what the comparison found of each document of a day.

Daily figures must never be averaged; whoever wants a figure over days takes it from these distances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from kenshin.drift.comparison import DocumentDrift
from kenshin.drift.snapshot import place
from kenshin.lake import Lake
from kenshin.parquet import check_schema, encode
from kenshin.publishing import Manifest, local_parts, publish

if TYPE_CHECKING:
    import pandas as pd

DATASET = "drift_documents"
SCHEMA = "drift_documents/1"


@dataclass(frozen=True, slots=True)
class DayDocuments:
    """Some documents of one day of an index, in an order that whoever made it says."""

    index: str
    day: date
    documents: tuple[DocumentDrift, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One row a document, JSON-ready."""
        return [
            {
                "day": self.day.isoformat(),
                **asdict(each),
                "embedded_at": None if each.embedded_at is None else each.embedded_at.isoformat(),
            }
            for each in self.documents
        ]

    def to_pandas(self) -> pd.DataFrame:
        """One row a document, `embedded_at` as instants."""
        import pandas as pd

        frame = pd.DataFrame([asdict(each) for each in self.documents], columns=_names())
        frame["embedded_at"] = pd.to_datetime(frame["embedded_at"], utc=True)
        frame.insert(0, "day", pd.Timestamp(self.day))
        return frame


def publish_documents(
    lake: Lake, index_name: str, day: date, documents: Sequence[DocumentDrift], *, inputs: Mapping[str, str]
) -> Manifest:
    """Keep a day's documents; those of an earlier comparison are replaced."""
    import pyarrow as pa

    types = {
        **dict.fromkeys(_names(), pa.string()),
        **dict.fromkeys(["distance", "relative_distance", "stored_norm", "fresh_norm"], pa.float32()),
        "sample_weight": pa.float64(),
        "embedded_at": pa.timestamp("us", tz="UTC"),
    }
    table = pa.table(
        {name: pa.array([getattr(each, name) for each in documents], kind) for name, kind in types.items()}
    )
    body = encode(table, schema=SCHEMA, sort_by=["doc_id"])
    return publish(lake, place(DATASET, index_name, day), [("parquet", body)], schema=SCHEMA, inputs=inputs)


def read_documents(lake: Lake, manifest: Manifest) -> list[DocumentDrift]:
    """A day's documents in order of id; distances have float32's precision."""
    import pyarrow.parquet as pq

    with local_parts(lake, [manifest]) as (path,):
        check_schema(str(path), schema=SCHEMA)
        rows = pq.ParquetFile(path).read().to_pylist()
    return [DocumentDrift(**row) for row in rows]


def _names() -> list[str]:
    return list(DocumentDrift.__dataclass_fields__)
