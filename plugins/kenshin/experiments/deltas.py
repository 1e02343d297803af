# ruff: noqa: S608, expressions are made of numbers and quoted names; every value is bound
"""Session deltas: what one day adds to a session in an arm, phase and segment; additive over days, and exact.

A row holds the session's observations of the day, and of each metric its sum, what rounding left of the sum, and its
count. Sums are whole numbers of units (see `units`), so two doubles hold them without a remainder.
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
    terms = ["n"]
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
    """Deltas as rows to be added up by `exact`.

    Args:
        relation: a table made by `load_deltas`.
        units: of its sums.
        codes: its arms, phases and segments by number.
    """

    relation: str
    units: Units
    codes: Codes

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection, relation: str, units: Units) -> DeltaRows:
        """The rows of a table, with its arms, phases and segments looked up."""
        found = [
            sorted(
                value for (value,) in connection.execute(f"SELECT DISTINCT {name} FROM {relation}").fetchall()
            )
            for name in KEYS[1:]
        ]
        return cls(relation, units, Codes(*found))

    @property
    def query(self) -> str:
        """One row for each delta."""
        code = self.codes.expression("segment")
        return f"SELECT * EXCLUDE (arm, phase, segment), {code} AS code FROM {self.relation}"

    @property
    def parameters(self) -> dict[str, Any]:
        """What the query names."""
        return self.codes.parameters

    @property
    def sums(self) -> str:
        """What a session's rows add up to."""
        terms = ["sum(n) AS n"]
        for place, unit in enumerate(self.units.metrics):
            terms += [f"sum(s{place}) AS s{place}", f"sum(k{place}) AS k{place}"]
            if unit.covariate_bits is not None:
                terms += [f"sum(x{place}) AS x{place}", f"sum(xk{place}) AS xk{place}"]
        return ", ".join(terms)

    def holds(self, place: int) -> bool:
        """Whether there may be a metric: each has columns of its own."""
        return True

    def holds_covariate(self, place: int) -> bool:
        """Whether there may be its covariate."""
        return self.units.metrics[place].covariate_bits is not None

    def complete(self, place: int) -> bool:
        """Whether every observation surely has the metric."""
        return False


def load_deltas(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    paths: Sequence[Path],
    units: Units,
    *,
    seen_in: str | None = None,
) -> int:
    """Read deltas into a temporary table in whole units; answers how many rows there are.

    Args:
        connection: to DuckDB.
        table: the temporary table's name.
        paths: files of `sessions/2`, all in `units`.
        units: of their sums.
        seen_in: a table to whose sessions the rows are narrowed; None: all rows.
    """
    terms = [*KEYS, "n"]
    for place, unit in enumerate(units.metrics):
        terms.append(f"{_whole(unit.metric, unit.bits)} AS s{place}")
        terms.append(f"{_named('count', unit.metric)} AS k{place}")
        if unit.covariate_bits is not None:
            terms.append(f"{_whole(unit.metric, unit.covariate_bits, of='covariate_')} AS x{place}")
            terms.append(f"{_named('covariate_count', unit.metric)} AS xk{place}")
    narrowed = "" if seen_in is None else f"SEMI JOIN {seen_in} USING (session_id)"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT {', '.join(terms)} FROM read_parquet($paths) {narrowed}",
        {"paths": [str(path) for path in paths]},
    )
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


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
            "sum": table["n"].cast(pa.float64()) if everything else table[f"sum:{metric}"],
            "covariate_sum": table[f"covariate_sum:{metric}"].fill_null(0.0) if known else zeros,
            "covariate_n": table[f"covariate_count:{metric}"] if known else none,
        }
        rows = keys
        for name, column in columns.items():
            rows = rows.append_column(name, column)
        tables.append(rows.filter(pc.greater(rows["n"], 0)))
    return pa.concat_tables(tables).select(LONG)


def _kept(sums: str, bits: int, metric: str, *, of: str = "") -> list[str]:
    scale = repr(2.0**-bits)
    return [
        f"{sums}::DOUBLE * {scale} AS {_named(f'{of}sum', metric)}",
        f"({sums} - {sums}::DOUBLE::HUGEINT)::DOUBLE * {scale} AS {_named(f'{of}rest', metric)}",
    ]


def _whole(metric: str, bits: int, *, of: str = "") -> str:
    scale = repr(2.0**bits)
    return " + ".join(f"({_named(f'{of}{name}', metric)} * {scale})::HUGEINT" for name in ("sum", "rest"))


def _named(figure: str, metric: str) -> str:
    quoted = f"{figure}:{metric}".replace('"', '""')
    return f'"{quoted}"'
