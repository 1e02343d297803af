# ruff: noqa: S608, expressions are made of numbers and quoted names; every value is bound
"""Session deltas: what one day adds to a session in an arm, phase and segment; additive over days, and exact.

A row holds the session's observations of the day, and of each metric its sum, the sum's rest, and its count. The sum
ends 32 binary digits above the metric's unit (see `units`), the rest begins there: so doubles hold both, and add them
up without rounding while a session has fewer than 2^23 observations. Sessions are joined by a hash of 64 bits; the
odds that two among a million of one shard share it are below 10⁻⁷. Sums are stored plain: they hardly compress, and
each night reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kenshin.experiments.exact import Codes, ObservationRows
from kenshin.experiments.sufficient import OBSERVATIONS
from kenshin.experiments.units import Extent, Units

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

DATASET = "sessions"
SCHEMA = "sessions/2"
ENGINE = "hash"
"""Among a delta's inputs: whose hash joins its sessions; another version of DuckDB may have another."""

SPLIT = 32
KEYS = ("session_id", "arm", "phase", "segment")
LONG = (*KEYS, "metric", "n", "sum", "covariate_sum", "covariate_n")
"""Columns of `long_rows`."""


def delta_of_files(
    connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], extent: Extent, units: Units
) -> pa.Table:
    """A day's delta.

    Args:
        connection: to DuckDB, with one thread, which keeps the order of rows the same.
        paths: the day's observation files.
        extent: what they hold.
        units: in which sums are kept.
    """
    rows = ObservationRows.of(connection, paths, extent, units)
    terms = ["hash(session_id) AS key", "n::BIGINT AS n"]
    for place, unit in enumerate(units.metrics):
        held, known = rows.holds(place), rows.holds_covariate(place)
        count = "n" if rows.complete(place) else f"k{place}" if held else "0"
        terms += _kept(f"s{place}" if held else "NULL", unit.bits, unit.metric)
        terms.append(f"{count}::BIGINT AS {_named('count', unit.metric)}")
        if unit.covariate_bits is not None:
            terms += _kept(
                f"x{place}" if known else "NULL", unit.covariate_bits, unit.metric, of="covariate_"
            )
            terms.append(
                f"{f'xk{place}' if known else '0'}::BIGINT AS {_named('covariate_count', unit.metric)}"
            )
    codes = rows.codes
    per_arm, per_phase = len(codes.phases) * len(codes.segments), len(codes.segments)
    names = {"arm_names": codes.arms, "phase_numbers": codes.phases, "segment_names": codes.segments}
    query = (
        f"SELECT session_id, $arm_names[code // {per_arm} + 1] AS arm, "
        f"($phase_numbers[code % {per_arm} // {per_phase} + 1])::INTEGER AS phase, "
        f"$segment_names[code % {per_phase} + 1] AS segment, {', '.join(terms)} "
        f"FROM (SELECT session_id, code, {rows.sums} FROM ({rows.query}) GROUP BY session_id, code)"
    )
    return connection.sql(query, params={**rows.parameters, **names}).to_arrow_table()


@dataclass(frozen=True, slots=True)
class DeltaRows:
    """Deltas as rows to be added up by `exact`; what it calls a session's id is its key.

    Args:
        relation: one or several of the tables that `load_new` and `load_seen` make.
        extent: of the days that they hold.
        units: of their sums.
        codes: their arms, phases and segments by number.
    """

    relation: str
    extent: Extent
    units: Units
    codes: Codes

    @classmethod
    def of(
        cls, connection: duckdb.DuckDBPyConnection, tables: Sequence[str], extent: Extent, units: Units
    ) -> DeltaRows:
        """The rows of tables, with their arms, phases and segments looked up."""
        relation = " UNION ALL ".join(f"SELECT * FROM {table}" for table in tables)
        cells = connection.execute(f"SELECT DISTINCT arm, phase, segment FROM ({relation})").fetchall()
        found = [sorted(set(values)) for values in zip(*cells, strict=True)]
        return cls(relation, extent, units, Codes(*found))

    @property
    def query(self) -> str:
        """One row for each delta."""
        code = self.codes.expression("segment")
        return f"SELECT * EXCLUDE (key, arm, phase, segment), key AS session_id, {code} AS code FROM ({self.relation})"

    @property
    def parameters(self) -> dict[str, Any]:
        """What the query names."""
        return self.codes.parameters

    @property
    def sums(self) -> str:
        """What a session's rows add up to."""
        terms = ["sum(n) AS n"]
        for place, unit in enumerate(self.units.metrics):
            terms.append(f"{_whole(unit.metric, unit.bits)} AS s{place}")
            if not self.complete(place):
                terms.append(f"sum({_named('count', unit.metric)}) AS k{place}")
            if unit.covariate_bits is not None:
                terms.append(f"{_whole(unit.metric, unit.covariate_bits, of='covariate_')} AS x{place}")
                terms.append(f"sum({_named('covariate_count', unit.metric)}) AS xk{place}")
        return ", ".join(terms)

    def holds(self, place: int) -> bool:
        """Whether there may be a metric: each has columns of its own."""
        return True

    def holds_covariate(self, place: int) -> bool:
        """Whether there may be its covariate."""
        return self.units.metrics[place].covariate_bits is not None

    def complete(self, place: int) -> bool:
        """Whether every observation has the metric."""
        return self.extent.filled(self.units.metrics[place].metric) == self.extent.rows


def load_new(
    connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], rows: Extent, units: Units
) -> None:
    """Make a table ``new`` of deltas.

    Args:
        connection: to DuckDB.
        paths: files of `sessions/2`, all in `units`.
        rows: extent of the days that are added up.
        units: of the sums.
    """
    _load(connection, "new", paths, rows, units)


def load_seen(
    connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], rows: Extent, units: Units
) -> int:
    """Make a table ``seen`` of what the sessions of ``new`` had before; answers how many rows there are."""
    _load(connection, "seen", paths, rows, units, narrowed="SEMI JOIN new USING (key)")
    return int(connection.execute("SELECT count(*) FROM seen").fetchall()[0][0])


def _load(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    paths: Sequence[Path],
    rows: Extent,
    units: Units,
    *,
    narrowed: str = "",
) -> None:
    figures = ["n"]
    for unit in units.metrics:
        complete = rows.filled(unit.metric) == rows.rows
        figures += [_named(name, unit.metric) for name in ("sum", "rest", *(() if complete else ("count",)))]
        if unit.covariate_bits is not None:
            figures += [_named(f"covariate_{name}", unit.metric) for name in ("sum", "rest", "count")]
    # Sessions of one day have one row in each cell already.
    alone = len(paths) == 1
    sums = ", ".join(figure if alone else f"sum({figure}) AS {figure}" for figure in figures)
    grouped = "" if alone else "GROUP BY key, arm, phase, segment"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT key, arm, phase, segment, {sums} "
        f"FROM read_parquet($paths) {narrowed} {grouped}",
        {"paths": [str(path) for path in paths]},
    )


def names_of(
    connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], keys: Sequence[str]
) -> dict[str, str]:
    """The ids of sessions by key, from files of `sessions/2`."""
    if not keys:
        return {}
    found = connection.execute(
        "SELECT DISTINCT key::VARCHAR, session_id FROM read_parquet($paths) "
        "SEMI JOIN (SELECT unnest($keys)::UBIGINT AS key) USING (key)",
        {"paths": [str(path) for path in paths], "keys": list(keys)},
    )
    return dict(found.fetchall())


def plain(table: pa.Table) -> list[str]:
    """The columns of a delta that are not worth compressing: keys and sums."""
    return [
        name
        for name in table.column_names
        if name == "key" or name.partition(":")[0].removeprefix("covariate_") in ("sum", "rest")
    ]


def long_rows(table: pa.Table) -> pa.Table:
    """Deltas with one row for each metric, in the columns of `LONG`; ``n`` counts the observations that have it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    metrics = [name.removeprefix("sum:") for name in table.column_names if name.startswith("sum:")]
    keys = table.select(KEYS)
    zeros, none = (
        pa.nulls(len(table), pa.float64()).fill_null(0.0),
        pa.nulls(len(table), pa.int64()).fill_null(0),
    )
    tables = []
    for metric in (OBSERVATIONS, *metrics):
        everything = metric == OBSERVATIONS and f"sum:{metric}" not in table.column_names
        known = f"covariate_sum:{metric}" in table.column_names
        columns = {
            "metric": pa.array([metric] * len(table), pa.string()),
            "n": table["n"] if everything else table[f"count:{metric}"],
            "sum": table["n"].cast(pa.float64()) if everything else _both(table, "", metric),
            "covariate_sum": _both(table, "covariate_", metric).fill_null(0.0) if known else zeros,
            "covariate_n": table[f"covariate_count:{metric}"] if known else none,
        }
        rows = keys
        for name, column in columns.items():
            rows = rows.append_column(name, column)
        tables.append(rows.filter(pc.greater(rows["n"], 0)))
    return pa.concat_tables(tables).select(LONG)


def _both(table: pa.Table, of: str, metric: str) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.add(table[f"{of}sum:{metric}"], table[f"{of}rest:{metric}"])


def _kept(sums: str, bits: int, metric: str, *, of: str = "") -> list[str]:
    return [
        f"(({sums})::HUGEINT >> {SPLIT})::DOUBLE * {2.0 ** (SPLIT - bits)!r} AS {_named(f'{of}sum', metric)}",
        f"(({sums})::HUGEINT & {2**SPLIT - 1})::DOUBLE * {2.0**-bits!r} AS {_named(f'{of}rest', metric)}",
    ]


def _whole(metric: str, bits: int, *, of: str = "") -> str:
    scale = repr(2.0**bits)
    return " + ".join(
        f"(sum({_named(f'{of}{name}', metric)}) * {scale})::HUGEINT" for name in ("sum", "rest")
    )


def _named(figure: str, metric: str) -> str:
    quoted = f"{figure}:{metric}".replace('"', '""')
    return f'"{quoted}"'
