"""Aggregating in the lake: observations to session deltas of a day, and to a shard's totals through it.

A delta is what one day adds to a session. Totals are exact sums (see `exact`), so a night's are made of an earlier
night's: what the new days' sessions had before is taken away, what they have now is added. That gives, bit for bit,
what summing all observations gives.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta, tzinfo
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from kenshin.days import days_between
from kenshin.errors import NotFound
from kenshin.experiments.collect import first_day, partition_of
from kenshin.experiments.deltas import DATASET as SESSIONS
from kenshin.experiments.deltas import DeltaRows, load_new, load_seen, names_of
from kenshin.experiments.exact import ObservationRows, sums_of
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.observation import SHARDS
from kenshin.experiments.session_days import SessionDay, keep_delta, session_day, with_ending
from kenshin.experiments.stats.quantile import QuantileEstimate, quantile
from kenshin.experiments.stats.ratio import RatioStatistics
from kenshin.experiments.stats.winsorise import winsorised
from kenshin.experiments.sufficient import LATENCY, Statistics
from kenshin.experiments.totals import SCHEMA as STATISTICS_SCHEMA
from kenshin.experiments.totals import Totals, added, merged
from kenshin.experiments.units import Extent, Units
from kenshin.experiments.values import DATASET as VALUES
from kenshin.experiments.values import ORDER, read_values, values_of_files
from kenshin.experiments.values import SCHEMA as VALUES_SCHEMA
from kenshin.lake import Lake
from kenshin.parquet import encode
from kenshin.publishing import (
    MANIFEST,
    Manifest,
    as_json,
    code_version,
    local_parts,
    made_of,
    publish,
    read_json,
    read_manifest,
)

if TYPE_CHECKING:
    import duckdb

STATISTICS = "statistics"
MEMORY_LIMIT = "1GB"
P95 = 0.95
METRICS = "metrics"
"""Among the inputs of values, beside the manifest of their observations."""

LOOKED_BACK = 14
"""Totals to go on from are looked for in so many days."""


def reduce(lake: Lake, experiment: Experiment, *, shard: int, through_day: date, zone: tzinfo) -> Statistics:
    """Publish one shard's deltas of all days and its totals through a day, unless they are up to date."""
    name = experiment.experiment_id
    target = partition_of(name, through_day, shard, dataset=STATISTICS)
    metrics = sorted({LATENCY, *experiment.policy.winsorise})
    with _database() as connection:
        days: dict[date, SessionDay] = {}
        for day in days_between(first_day(experiment, zone), through_day):
            observed = read_manifest(lake, partition_of(name, day, shard))
            if observed is not None:
                delta = partition_of(name, day, shard, dataset=SESSIONS)
                days[day] = session_day(lake, connection, observed, delta)
                values = partition_of(name, day, shard, dataset=VALUES)
                _keep_values(lake, connection, observed, values, metrics=metrics)
        units = Units.of(Extent.total(each.extent for each in days.values()))
        for day, known in days.items():
            delta = partition_of(name, day, shard, dataset=SESSIONS)
            days[day] = keep_delta(lake, connection, known, delta, units=units)
        inputs = {key: etag for each in days.values() for key, etag in each.inputs.items()}
        if _is_current(lake, target, inputs, STATISTICS_SCHEMA):
            return merged([_read_totals(lake, target)])
        earlier = [
            partition_of(name, through_day - timedelta(days=back), shard, dataset=STATISTICS)
            for back in range(1, LOOKED_BACK + 1)
        ]
        totals = _totals(lake, connection, days, _latest(lake, earlier, inputs, units))
    body = {"experiment_id": name, "day": through_day.isoformat(), "shard": shard, **totals.as_dict()}
    publish(lake, target, [("json", as_json(body))], schema=STATISTICS_SCHEMA, inputs=inputs)
    return merged([totals])


def read_statistics(
    lake: Lake, experiment_id: str, through_day: date
) -> tuple[Statistics, Mapping[str, str]]:
    """All shards' statistics through a day, merged, and the etags of the manifests they come from.

    Raises:
        NotFound: a shard has not been reduced through that day.
    """
    shards, inputs = [], {}
    for shard in range(SHARDS):
        target = partition_of(experiment_id, through_day, shard, dataset=STATISTICS)
        manifest = read_manifest(lake, target)
        if manifest is None:
            raise NotFound(
                value=target,
                reason="this shard's statistics are missing",
                mend="Run the day's reduction again.",
            )
        shards.append(_read_totals(lake, target))
        inputs[f"{target}/{MANIFEST}"] = manifest.etag
    return merged(shards), inputs


def read_latencies(lake: Lake, experiment_id: str, days: Sequence[date]) -> dict[str, QuantileEstimate]:
    """The 95th percentile of each arm's latency; of an arm without one there is no entry."""
    with _database() as connection:
        samples = read_values(lake, connection, experiment_id, days)
    return {arm: quantile(sample, P95) for arm, sample in samples.items()}


def read_winsorised(
    lake: Lake, experiment: Experiment, days: Sequence[date]
) -> dict[str, Mapping[str, RatioStatistics]]:
    """Statistics of the metrics that the policy cuts, by metric and arm.

    Args:
        lake: where each session's values are.
        experiment: its policy.
        days: that count.
    """
    found = {}
    with _database() as connection:
        for metric, percentile in experiment.policy.winsorise.items():
            samples = read_values(lake, connection, experiment.experiment_id, days, metric)
            found[metric] = winsorised(samples, percentile).statistics
    return found


def _keep_values(
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    observed: Manifest,
    target: str,
    *,
    metrics: Sequence[str],
) -> None:
    inputs = {f"{observed.partition}/{MANIFEST}": observed.etag, METRICS: json.dumps(metrics)}
    if _is_current(lake, target, inputs, VALUES_SCHEMA):
        return
    parts = []
    if observed.parts:
        with local_parts(lake, [observed]) as paths:
            table = values_of_files(connection, paths, metrics)
        parts.append(("parquet", encode(table, schema=VALUES_SCHEMA, sort_by=ORDER)))
    publish(lake, target, parts, schema=VALUES_SCHEMA, inputs=inputs)


def _latest(lake: Lake, partitions: Sequence[str], inputs: Mapping[str, str], units: Units) -> Totals:
    """The first totals in these units whose days are still what they were; empty ones where there are none."""
    for target in partitions:
        found = read_manifest(lake, target)
        if (
            found is not None
            and (found.schema, found.code_version) == (STATISTICS_SCHEMA, code_version())
            and found.inputs.items() <= inputs.items()
        ):
            totals = _read_totals(lake, target)
            if totals.units == units:
                return totals
    return Totals(units=units)


def _totals(
    lake: Lake, connection: duckdb.DuckDBPyConnection, days: Mapping[date, SessionDay], before: Totals
) -> Totals:
    """Totals of all days: on from earlier ones where the deltas are in their units and most rows are in them."""
    filled = {day: each for day, each in days.items() if each.observed.parts}
    old = [each for day, each in filled.items() if day in before.days]
    new = [each for day, each in filled.items() if day not in before.days]
    known, further = (Extent.total(each.extent for each in part) for part in (old, new))
    if known.rows >= further.rows and all(each.units.text == before.units.text for each in filled.values()):
        totals = _advanced(lake, connection, before, old, new)
    else:
        with local_parts(lake, [each.observed for each in filled.values()]) as paths:
            extent = Extent.total((known, further))
            sums = sums_of(connection, ObservationRows.of(connection, paths, extent, before.units))
        totals = Totals(sums.cells, sums.crossing, before.units)
    return replace(totals, days=tuple(days), filled_days=tuple(filled))


def _advanced(
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    before: Totals,
    old: Sequence[SessionDay],
    new: Sequence[SessionDay],
) -> Totals:
    """Earlier totals with new days: their sessions' figures so far are taken away, their whole ones added."""
    if not new:
        return before
    rows, units = Extent.total(each.extent for each in (*old, *new)), before.units
    with _deltas(lake, new) as paths:
        load_new(connection, paths, rows, units)
    with _deltas(lake, old) as paths:
        again = load_seen(connection, paths, rows, units)
    so_far = sums_of(connection, DeltaRows.of(connection, ["seen"], rows, units)).cells if again else {}
    tables = ["new", "seen"] if again else ["new"]
    whole = sums_of(connection, DeltaRows.of(connection, tables, rows, units))
    cells = added(
        [*before.cells.items(), *whole.cells.items(), *((cell, -exact) for cell, exact in so_far.items())]
    )
    with _deltas(lake, new) as paths:
        names = names_of(connection, paths, list(whole.crossing))
    crossing = {**before.crossing, **{names[key]: arms for key, arms in whole.crossing.items()}}
    return Totals(cells, crossing, units)


@contextmanager
def _deltas(lake: Lake, days: Sequence[SessionDay]) -> Iterator[list[Path]]:
    with local_parts(lake, [each.delta for each in days if each.delta is not None]) as paths:
        yield with_ending(paths, "parquet")


def _is_current(lake: Lake, target: str, inputs: Mapping[str, str], schema: str) -> bool:
    before = read_manifest(lake, target)
    return before is not None and made_of(before, inputs, schema)


def _read_totals(lake: Lake, target: str) -> Totals:
    return Totals.from_dict(read_json(lake, target))


@contextmanager
def _database() -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    with TemporaryDirectory(prefix="kenshin-") as spill:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "threads": 1,
            "memory_limit": MEMORY_LIMIT,
            "temp_directory": spill,
        }
        with duckdb.connect(config=settings) as connection:
            yield connection
