"""Aggregating in the lake: observations to session deltas of a day, and to sufficient statistics through it.

A delta is what one day adds to a session, and is made once for each day. Statistics are made of the observations of
all days, with exact sums (see `exact`). So the same observations always give the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, tzinfo
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from kenshin.days import days_between
from kenshin.errors import NotFound
from kenshin.experiments.collect import first_day, partition_of
from kenshin.experiments.exact import sums_of_files
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.observation import SHARDS
from kenshin.experiments.stats.quantile import QuantileEstimate, quantile
from kenshin.experiments.sufficient import SCHEMA as STATISTICS_SCHEMA
from kenshin.experiments.sufficient import Statistics, merged
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
    publish,
    read_json,
    read_manifest,
)

if TYPE_CHECKING:
    import duckdb

SESSIONS = "sessions"
SESSIONS_SCHEMA = "sessions/1"
STATISTICS = "statistics"
MEMORY_LIMIT = "1GB"
P95 = 0.95

_DELTA = """
WITH observation AS (
    SELECT session_id, arm, phase, observed_at, quality_score, latency_ms, metrics, covariates,
           CASE intent WHEN '*' THEN '(*)' ELSE coalesce(intent, '') END AS segment
    FROM read_parquet($paths)
), extra AS (
    SELECT session_id, arm, phase, segment, observed_at, covariates,
           unnest(map_keys(metrics)) AS name, unnest(map_values(metrics)) AS value
    FROM observation
), figure AS (
    SELECT session_id, arm, phase, segment, observed_at, 'observations' AS metric, 1.0::DOUBLE AS value,
           covariates['observations'] AS covariate
    FROM observation
    UNION ALL
    SELECT session_id, arm, phase, segment, observed_at, 'quality_score', quality_score,
           covariates['quality_score']
    FROM observation WHERE quality_score IS NOT NULL
    UNION ALL
    SELECT session_id, arm, phase, segment, observed_at, 'latency_ms', latency_ms, covariates['latency_ms']
    FROM observation WHERE latency_ms IS NOT NULL
    UNION ALL
    SELECT session_id, arm, phase, segment, observed_at,
           CASE WHEN name IN ('observations', 'quality_score', 'latency_ms')
                THEN 'metrics.' || name ELSE name END,
           value, covariates[name]
    FROM extra
)
SELECT session_id, arm, phase, segment, metric,
       count(*)::BIGINT AS n, fsum(value) AS sum, fsum(value * value) AS sum_sq,
       min(value) AS min, max(value) AS max,
       coalesce(fsum(covariate), 0.0)::DOUBLE AS covariate_sum, count(covariate)::BIGINT AS covariate_n,
       min(observed_at) AS first_seen
FROM figure
GROUP BY session_id, arm, phase, segment, metric
"""


def reduce(lake: Lake, experiment: Experiment, *, shard: int, through_day: date, zone: tzinfo) -> Statistics:
    """Publish one shard's deltas of all days and its statistics through a day, unless they are up to date."""
    name = experiment.experiment_id
    with _database() as connection:
        observed: dict[date, Manifest] = {}
        for day in days_between(first_day(experiment, zone), through_day):
            manifest = read_manifest(lake, partition_of(name, day, shard))
            if manifest is not None:
                observed[day] = manifest
                _reduce_day(lake, connection, manifest, partition_of(name, day, shard, dataset=SESSIONS))
                _keep_values(lake, connection, manifest, partition_of(name, day, shard, dataset=VALUES))
        target = partition_of(name, through_day, shard, dataset=STATISTICS)
        inputs = {f"{each.partition}/{MANIFEST}": each.etag for each in observed.values()}
        if _is_current(lake, target, inputs, STATISTICS_SCHEMA):
            return Statistics.from_dict(_read_shard(lake, target))
        statistics = _statistics(lake, connection, observed)
    body = {"experiment_id": name, "day": through_day.isoformat(), "shard": shard, **statistics.as_dict()}
    publish(lake, target, [("json", as_json(body))], schema=STATISTICS_SCHEMA, inputs=inputs)
    return statistics


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
        shards.append(Statistics.from_dict(_read_shard(lake, target)))
        inputs[f"{target}/{MANIFEST}"] = manifest.etag
    return merged(shards), inputs


def read_latencies(lake: Lake, experiment_id: str, days: Sequence[date]) -> dict[str, QuantileEstimate]:
    """The 95th percentile of each arm's latency; of an arm without one there is no entry."""
    with _database() as connection:
        samples = read_values(lake, connection, experiment_id, days)
    return {arm: quantile(sample, P95) for arm, sample in samples.items()}


def _reduce_day(
    lake: Lake, connection: duckdb.DuckDBPyConnection, observed: Manifest, target: str
) -> Manifest:
    inputs = {f"{observed.partition}/{MANIFEST}": observed.etag}
    before = read_manifest(lake, target)
    if before is not None and _same(before, inputs, SESSIONS_SCHEMA):
        return before
    parts = []
    if observed.parts:
        with local_parts(lake, [observed]) as paths:
            table = connection.sql(_DELTA, params={"paths": [str(path) for path in paths]}).to_arrow_table()
        order = ["session_id", "arm", "phase", "segment", "metric"]
        parts.append(("parquet", encode(table, schema=SESSIONS_SCHEMA, sort_by=order)))
    return publish(lake, target, parts, schema=SESSIONS_SCHEMA, inputs=inputs)


def _keep_values(lake: Lake, connection: duckdb.DuckDBPyConnection, observed: Manifest, target: str) -> None:
    inputs = {f"{observed.partition}/{MANIFEST}": observed.etag}
    if _is_current(lake, target, inputs, VALUES_SCHEMA):
        return
    parts = []
    if observed.parts:
        with local_parts(lake, [observed]) as paths:
            table = values_of_files(connection, paths)
        parts.append(("parquet", encode(table, schema=VALUES_SCHEMA, sort_by=ORDER)))
    publish(lake, target, parts, schema=VALUES_SCHEMA, inputs=inputs)


def _statistics(
    lake: Lake, connection: duckdb.DuckDBPyConnection, observed: Mapping[date, Manifest]
) -> Statistics:
    with local_parts(lake, list(observed.values())) as paths:
        found = sums_of_files(connection, paths)
    return Statistics(
        cells=found.cells,
        crossing=found.crossing,
        days=tuple(observed),
        filled_days=tuple(day for day, manifest in observed.items() if manifest.parts),
    )


def _is_current(lake: Lake, target: str, inputs: Mapping[str, str], schema: str) -> bool:
    before = read_manifest(lake, target)
    return before is not None and _same(before, inputs, schema)


def _same(before: Manifest, inputs: Mapping[str, str], schema: str) -> bool:
    return (dict(before.inputs), before.schema, before.code_version) == (dict(inputs), schema, code_version())


def _read_shard(lake: Lake, target: str) -> dict[str, Any]:
    body: dict[str, Any] = read_json(lake, target)
    return body


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
