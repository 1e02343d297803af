"""Values by session, for quantiles and for values that are to be cut: a day's values of each session and arm, capped.

Sums tell no quantile, so latencies are kept, and the values of any metric that the policy winsorises. A session's day
keeps at most `CAP` of them: those whose observation ids have the least MD5, which is as good as chance and always the
same. `n` still counts all, so that the kept ones can stand for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from kenshin.experiments.collect import partition_of
from kenshin.experiments.observation import SHARDS
from kenshin.experiments.stats.quantile import ClusteredValues
from kenshin.experiments.sufficient import LATENCY, extra_name
from kenshin.lake import Lake
from kenshin.publishing import local_parts, read_manifest

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

DATASET = "values"
SCHEMA = "values/1"
CAP = 64
"""So many values of a session's day are kept."""

ORDER = ("session_id", "arm", "metric")

_VALUES = """
SELECT session_id, arm, $metric AS metric, count(*)::BIGINT AS n, list(value) AS values
FROM (SELECT session_id, arm, {value} AS value FROM read_parquet($paths))
WHERE value IS NOT NULL
GROUP BY session_id, arm
"""

_DRAWN = """
WITH kept AS (
    SELECT session_id, arm, value,
           count(*) OVER (PARTITION BY session_id, arm) AS n,
           row_number() OVER (PARTITION BY session_id, arm ORDER BY md5(observation_id), observation_id) AS place
    FROM (SELECT observation_id, session_id, arm, {value} AS value FROM read_parquet($paths))
    SEMI JOIN (SELECT unnest($sessions) AS session_id) USING (session_id)
    WHERE value IS NOT NULL
)
SELECT session_id, arm, $metric AS metric, max(n)::BIGINT AS n, list(value ORDER BY place) AS values
FROM kept WHERE place <= $cap AND n > $cap
GROUP BY session_id, arm
"""

_BY_SESSION = """
SELECT arm, flatten(list(values)) AS values
FROM read_parquet($paths) WHERE metric = $metric
GROUP BY session_id, arm
"""

_WEIGHTED = """
SELECT arm, flatten(list(values)) AS values,
       flatten(list(list_transform(values, lambda value: n / len(values)))) AS weights
FROM read_parquet($paths) WHERE metric = $metric
GROUP BY session_id, arm
"""


def values_of_files(
    connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], metrics: Sequence[str] = (LATENCY,)
) -> pa.Table:
    """The values of a day's observation files in the columns of `values/1`.

    Args:
        connection: to DuckDB.
        paths: the files.
        metrics: latency and further metrics of the observations.
    """
    import pyarrow as pa

    return pa.concat_tables([_values_of(connection, [str(path) for path in paths], each) for each in metrics])


def _values_of(connection: duckdb.DuckDBPyConnection, paths: Sequence[str], metric: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    known: dict[str, object] = {"paths": paths, "metric": metric}
    value = metric
    if metric != LATENCY:
        value, known["key"] = "metrics[$key]", extra_name(metric)
    table = connection.sql(_VALUES.format(value=value), params=known).to_arrow_table()
    whole = pc.less_equal(table["n"], CAP)
    if pc.all(whole).as_py() is not False:
        return table
    known |= {"sessions": table.filter(pc.invert(whole))["session_id"].unique().to_pylist(), "cap": CAP}
    drawn = connection.sql(_DRAWN.format(value=value), params=known).to_arrow_table()
    return pa.concat_tables([table.filter(whole), drawn])


def values_of_sessions(
    connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], metric: str = LATENCY
) -> dict[str, ClusteredValues]:
    """Each arm's values of a metric, of files that hold all values of their sessions."""
    known = {"paths": [str(path) for path in paths], "metric": metric}
    capped = connection.execute(
        "SELECT count(*) FILTER (WHERE n > len(values)) > 0 FROM read_parquet($paths) WHERE metric = $metric",
        known,
    ).fetchall()[0][0]
    return clustered(connection.sql(_WEIGHTED if capped else _BY_SESSION, params=known).to_arrow_table())


def clustered(table: pa.Table) -> dict[str, ClusteredValues]:
    """Each arm's values, of rows of sessions."""
    import numpy as np
    import pyarrow.compute as pc

    found = {}
    figures = table.select([name for name in ("values", "weights") if name in table.column_names])
    for arm in sorted(table["arm"].unique().to_pylist()):
        rows = figures.filter(pc.equal(table["arm"], arm))
        weights = rows["weights"] if "weights" in rows.column_names else None
        found[arm] = ClusteredValues(
            values=np.asarray(pc.list_flatten(rows["values"])),
            sizes=np.asarray(pc.list_value_length(rows["values"])).astype(np.int64),
            weights=None if weights is None else np.asarray(pc.list_flatten(weights)),
        )
    return found


def read_values(
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    experiment_id: str,
    days: Sequence[date],
    metric: str = LATENCY,
) -> dict[str, ClusteredValues]:
    """Each arm's values of all shards and days, shard by shard, since a session lies in one of them."""
    shards = []
    for shard in range(SHARDS):
        found = [
            read_manifest(lake, partition_of(experiment_id, day, shard, dataset=DATASET)) for day in days
        ]
        with local_parts(lake, [manifest for manifest in found if manifest is not None]) as paths:
            if paths:
                shards.append(values_of_sessions(connection, paths, metric))
    return {
        arm: joined([shard[arm] for shard in shards if arm in shard]) for arm in sorted(set().union(*shards))
    }


def joined(parts: Sequence[ClusteredValues]) -> ClusteredValues:
    """Disjoint sets of sessions together."""
    import numpy as np

    weights = None
    if any(part.weights is not None for part in parts):
        weights = np.concatenate(
            [np.ones(len(part.values)) if part.weights is None else part.weights for part in parts]
        )
    return ClusteredValues(
        values=np.concatenate([part.values for part in parts]),
        sizes=np.concatenate([part.sizes for part in parts]),
        weights=weights,
    )
