"""The history of drift: one row a day (``drift_days/index=…/day=…``), and the documents of a day.

Rows of several days stand side by side; they are not to be averaged (see `documents`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from kenshin.days import parse_day
from kenshin.drift.documents import DATASET as DOCUMENTS
from kenshin.drift.documents import DayDocuments, read_documents
from kenshin.drift.report import DriftReport
from kenshin.drift.snapshot import Mode, place
from kenshin.errors import InvalidInput, NotFound
from kenshin.lake import Lake
from kenshin.parquet import check_schema, encode
from kenshin.publishing import MANIFEST, Manifest, local_parts, partition, publish, read_manifest

if TYPE_CHECKING:
    import pandas as pd

DATASET = "drift_days"
SCHEMA = "drift_days/1"


@dataclass(frozen=True, slots=True)
class DriftDay:
    """One day in figures; see `DriftReport` for what each means.

    Two columns are kept for checks that do not exist yet and hold None: `canary_max`, the largest distance of texts
    whose vectors are known, and `alarm_state`.
    """

    index: str
    day: date
    mode: Mode
    sample_size: int
    mean_drift: float | None
    p50_drift: float | None
    p95_drift: float | None
    max_drift: float | None
    drifted_count: int
    drifted_share_low: float | None
    drifted_share_high: float | None
    alert: bool
    threshold: float
    drawn: int
    invalid_count: int
    invalid_share_pct: float
    invalid_missing_text: int
    invalid_missing_vector: int
    invalid_dimension: int
    invalid_nan: int
    invalid_zero: int
    embed_errors: int
    truncated: int
    pair_distance: float | None
    relative_p50: float | None
    relative_p95: float | None
    relative_max: float | None
    canary_max: float | None
    fingerprint: str
    alarm_state: str | None
    report_key: str

    @classmethod
    def of(cls, report: DriftReport) -> DriftDay:
        """The row of a report, rounded as the report is."""
        figures = report.as_dict()
        figures.update({f"invalid_{kind}": count for kind, count in report.invalid.items()})
        figures.update(day=report.day, canary_max=None, alarm_state=None)
        return cls(**{name: figures[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class History:
    """Days of one index, oldest first; a day that was not measured has no row."""

    index: str
    days: tuple[DriftDay, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One row a day, JSON-ready."""
        return [{**asdict(each), "day": each.day.isoformat()} for each in self.days]

    def to_pandas(self) -> pd.DataFrame:
        """One row a day; `day` as timestamps."""
        import pandas as pd

        frame = pd.DataFrame(
            [asdict(each) for each in self.days], columns=list(DriftDay.__dataclass_fields__)
        )
        frame["day"] = pd.to_datetime(frame["day"])
        return frame


def publish_day(lake: Lake, report: DriftReport, *, inputs: Mapping[str, str]) -> Manifest:
    """Keep a day's row; one of another threshold is replaced."""
    import pyarrow as pa

    row = DriftDay.of(report)
    table = pa.table(
        {name: pa.array([getattr(row, name)], _type(kind)) for name, kind in DriftDay.__annotations__.items()}
    )
    body = encode(table, schema=SCHEMA, sort_by=["index", "day"])
    return publish(
        lake, place(DATASET, row.index, row.day), [("parquet", body)], schema=SCHEMA, inputs=inputs
    )


def read_history(lake: Lake, index_name: str, first: date, last: date) -> History:
    """The days from `first` to `last`, both included, that were measured."""
    days = [day for day in measured_days(lake, index_name) if first <= day <= last]
    return History(index_name, tuple(_read_day(lake, index_name, day) for day in sorted(days)))


def measured_days(lake: Lake, index_name: str, *, dataset: str = DATASET) -> Iterator[date]:
    """The days of which a dataset holds something, in order."""
    prefix = f"{partition(dataset, index=index_name)}/day="
    for ref in lake.list(prefix):
        if ref.key.endswith(f"/{MANIFEST}"):
            yield parse_day(ref.key.removeprefix(prefix).partition("/")[0])


def newest_day(lake: Lake, index_name: str) -> date:
    """The last day that was measured; raises NotFound."""
    days = list(measured_days(lake, index_name))
    if not days:
        raise _not_measured(index_name, None)
    return max(days)


def worst_documents(lake: Lake, index_name: str, day: date | None, limit: int) -> DayDocuments:
    """The documents of a day that need repair most: those without a usable vector, then by distance, largest first.

    Args:
        lake: where the history is.
        index_name: which index.
        day: which day; None takes the newest.
        limit: how many at most, at least 1.

    Raises:
        NotFound: the day was not measured.
        InvalidInput: the limit is not positive.
    """
    if limit < 1:
        raise InvalidInput(value=limit, reason="not a number of documents", mend="Ask for at least 1.")
    chosen = newest_day(lake, index_name) if day is None else day
    manifest = read_manifest(lake, place(DOCUMENTS, index_name, chosen))
    if manifest is None:
        raise _not_measured(index_name, chosen)
    rank = {"ok": 1, "embed_error": 2}
    documents = sorted(
        read_documents(lake, manifest),
        key=lambda each: (rank.get(each.status, 0), -(each.distance or 0.0), each.doc_id),
    )
    return DayDocuments(index_name, chosen, tuple(documents[:limit]))


def _read_day(lake: Lake, index_name: str, day: date) -> DriftDay:
    import pyarrow.parquet as pq

    manifest = read_manifest(lake, place(DATASET, index_name, day))
    if manifest is None:
        raise _not_measured(index_name, day)
    with local_parts(lake, [manifest]) as (path,):
        check_schema(str(path), schema=SCHEMA)
        (row,) = pq.ParquetFile(path).read().to_pylist()
    return DriftDay(**row)


def _type(annotation: str) -> Any:
    import pyarrow as pa

    kinds = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "date": pa.date32()}
    return kinds.get(annotation.removesuffix(" | None"), pa.string())


def _not_measured(index_name: str, day: date | None) -> NotFound:
    return NotFound(
        value=index_name if day is None else f"{index_name} on {day}",
        reason="no drift was measured",
        mend="Run 'kenshin drift check' for today, or 'kenshin drift backfill' for past days.",
    )
