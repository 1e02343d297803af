"""Collecting: a night's observations, from the store into the lake, by day and shard.

The last three days are read again each night, since observations may arrive late; an older day is read where
nothing is published of it. A shard's day without observations is published too, with no parts: a reader can
tell "none" from "not collected".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from kenshin.days import day_of, days_between
from kenshin.errors import InvalidExperiment
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.observation import ABObservation
from kenshin.experiments.store import ObservationStore
from kenshin.lake import Lake
from kenshin.parquet import encode
from kenshin.publishing import Manifest, as_json, partition, publish, read_manifest

if TYPE_CHECKING:
    import pyarrow as pa

DATASET = "observations"
ARRIVALS = "arrivals"
"""Marks of days to which observations were added by an import."""

SCHEMA = "observations/1"
LATE_DAYS = 2
"""How many days before the last one are read again each night."""

PART_ROWS = 250_000
"""A part holds at most so many observations, which bounds what is in memory at once."""


def first_day(experiment: Experiment, zone: tzinfo) -> date:
    """The day from which on an experiment has observations: the one on which it was created.

    Raises:
        InvalidExperiment: the definition does not say when that was.
    """
    if experiment.created_at <= 0:
        raise InvalidExperiment(
            value=f"created_at={experiment.created_at!r}",
            reason=f"'{experiment.experiment_id}' does not say from which day on it is to be analysed",
            mend="Set 'created_at', in seconds since the epoch.",
        )
    return day_of(datetime.fromtimestamp(experiment.created_at, UTC), zone)


def partition_of(experiment_id: str, day: date, shard: int, *, dataset: str = DATASET) -> str:
    """The partition of a shard's day."""
    return partition(dataset, experiment=experiment_id, day=day.isoformat(), shard=f"{shard:02}")


def collect(
    store: ObservationStore,
    lake: Lake,
    experiment: Experiment,
    *,
    shard: int,
    through_day: date,
    zone: tzinfo,
) -> list[Manifest]:
    """Bring one shard's days up to date in the lake; answers the manifests of the days that were read."""
    published = []
    for day in days_between(first_day(experiment, zone), through_day):
        prefix = partition_of(experiment.experiment_id, day, shard)
        # Looked up before the store is read: what arrives meanwhile leaves a newer mark for the next night.
        arrivals = _arrivals(lake, experiment.experiment_id, day)
        if day < through_day - timedelta(days=LATE_DAYS):
            before = read_manifest(lake, prefix)
            if before is not None and dict(before.inputs) == arrivals:
                continue
        rows = observations_of(store, experiment.experiment_id, day, shard)
        parts = [
            ("parquet", encode(table, schema=SCHEMA, sort_by=["observation_id"])) for table in _tables(rows)
        ]
        published.append(publish(lake, prefix, parts, schema=SCHEMA, inputs=arrivals))
    return published


def mark_arrivals(lake: Lake, experiment_id: str, days: Iterable[date], *, at: datetime) -> None:
    """Let the next night collect days anew, because observations were added to the store, maybe long after them.

    To be called when the store holds the observations.
    """
    for day in days:
        lake.put(_mark(experiment_id, day), as_json({"at": at.isoformat()}))


def _mark(experiment_id: str, day: date) -> str:
    return f"{partition(ARRIVALS, experiment=experiment_id, day=day.isoformat())}/mark.json"


def _arrivals(lake: Lake, experiment_id: str, day: date) -> dict[str, str]:
    key = _mark(experiment_id, day)
    return {ref.key: ref.etag for ref in lake.list(key) if ref.key == key}


def observations_of(
    store: ObservationStore, experiment_id: str, day: date, shard: int
) -> Iterator[ABObservation]:
    """A shard's day from the store, page by page."""
    page: str | None = None
    while True:
        found = store.read(experiment_id, day, shard, page=page)
        yield from found.items
        if found.next is None:
            return
        page = found.next


def to_table(observations: Sequence[ABObservation]) -> pa.Table:
    """Observations as an Arrow table in the columns of `observations/1`."""
    import pyarrow as pa

    schema = _arrow_schema()
    columns = [
        pa.array([_cell(each, field.name) for each in observations], type=field.type) for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _tables(rows: Iterable[ABObservation]) -> Iterator[pa.Table]:
    waiting: list[ABObservation] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == PART_ROWS:
            yield to_table(waiting)
            waiting = []
    if waiting:
        yield to_table(waiting)


def _cell(observation: ABObservation, name: str) -> object:
    value = getattr(observation, name)
    return sorted(value.items()) if name in ("metrics", "covariates") else value


def _arrow_schema() -> pa.Schema:
    import pyarrow as pa

    text, number, instant = pa.string(), pa.float64(), pa.timestamp("us", tz="UTC")
    figures = pa.map_(text, number)
    return pa.schema(
        [
            pa.field("observation_id", text, nullable=False),
            pa.field("experiment_id", text, nullable=False),
            pa.field("session_id", text, nullable=False),
            pa.field("arm", text, nullable=False),
            pa.field("phase", pa.int32(), nullable=False),
            pa.field("prompt_version", text, nullable=False),
            pa.field("intent", text),
            pa.field("observed_at", instant, nullable=False),
            pa.field("recorded_at", instant, nullable=False),
            pa.field("trace_id", text),
            pa.field("quality_score", number),
            pa.field("latency_ms", number),
            pa.field("metrics", figures, nullable=False),
            pa.field("covariates", figures, nullable=False),
        ]
    )
