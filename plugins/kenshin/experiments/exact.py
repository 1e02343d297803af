# ruff: noqa: S608, expressions are made of numbers and fixed names; every value is bound
"""Exact sums in DuckDB: observations to sufficient statistics, the same bits in any order of rows.

A value is summed as a whole number of units of 2^-b, so addition is exact and its order is free. The largest value
of a metric in the input fixes b: 62 binary digits are kept below it, 9 more than a double has. Sums have 128 bits; of
ten million rows a square is kept to 2^-78 of the largest value's, so only an outlier a million times as large as the
rest would cost the rest's variance digits that a report states.

One group-by per session does nearly all the work; only sessions that are seen in several arms, phases or segments
are grouped a second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kenshin.experiments.footers import Column, Footers, exponent
from kenshin.experiments.stats.ratio import RatioStatistics
from kenshin.experiments.sufficient import (
    ALL_PHASES,
    ALL_SEGMENTS,
    OBSERVATIONS,
    Cell,
)

if TYPE_CHECKING:
    import duckdb

MASK_CELLS = 63
"""So many arms, phases and segments together are told apart by one bit each, which is faster than by number."""

SEGMENT = "CASE intent WHEN '*' THEN '(*)' ELSE coalesce(intent, '') END"
CAPACITY = 126
"""Binary digits of a 128-bit integer, without its sign and one to spare."""


@dataclass(frozen=True, slots=True)
class SessionSums:
    """What observation files hold of sessions.

    Args:
        cells: statistics by arm, phase, segment and metric, totals included.
        crossing: sessions that are seen in several arms, and in which.
    """

    cells: Mapping[Cell, RatioStatistics]
    crossing: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Observed:
    """How observations are read and added: rows of session, code and one value v0, v1, … for each metric."""

    rows: int
    columns: tuple[Column, ...]
    codes: _Codes
    paths: tuple[str, ...]

    @property
    def query(self) -> str:
        """One row for each observation."""
        values = [
            f"{column.metric if column.key is None else f'metrics[$key{place}]'} AS v{place}"
            for place, column in enumerate(self.columns)
        ]
        code = f"({self.codes.expression})::INTEGER AS code"
        return f"SELECT {', '.join(['session_id', code, *values])} FROM read_parquet($paths)"

    @property
    def parameters(self) -> dict[str, Any]:
        """What the query names."""
        keys = {f"key{place}": each.key for place, each in enumerate(self.columns) if each.key is not None}
        return {"paths": list(self.paths), **self.codes.parameters, **keys}

    @property
    def sums(self) -> str:
        """What a session's rows add up to."""
        terms = ["count(*) AS n"]
        for place, column in enumerate(self.columns):
            terms.append(f"sum((v{place} * {2.0**column.bits!r})::BIGINT) AS s{place}")
            if not column.complete:
                terms.append(f"count(v{place}) AS k{place}")
        return ", ".join(terms)


@dataclass(frozen=True, slots=True)
class _Codes:
    """Arms, phases and segments by number; a cell's code is made of the three."""

    arms: list[str]
    phases: list[int]
    segments: list[str]

    @property
    def expression(self) -> str:
        """The code of an observation; a dimension that does not vary costs nothing."""
        code = "(list_position($arms, arm) - 1)"
        if len(self.phases) > 1:
            code = f"({code} * {len(self.phases)} + list_position($phases, phase) - 1)"
        if len(self.segments) > 1:
            code = f"({code} * {len(self.segments)} + list_position($segments, {SEGMENT}) - 1)"
        return code

    @property
    def only(self) -> str:
        """The code of a session's observations where they all have the same, else NULL."""
        if len(self.arms) * len(self.phases) * len(self.segments) > MASK_CELLS:
            return "CASE WHEN min(code) = max(code) THEN min(code) END"
        seen = "bit_or(1::UBIGINT << code)"
        return f"CASE bit_count({seen}) WHEN 1 THEN log2({seen})::INTEGER END"

    @property
    def parameters(self) -> dict[str, list[Any]]:
        """What the expression names."""
        several: dict[str, list[Any]] = {"phases": self.phases, "segments": self.segments}
        return {"arms": self.arms, **{name: values for name, values in several.items() if len(values) > 1}}

    def decoded(self, code: int) -> tuple[str, int, str]:
        """Arm, phase and segment of a code."""
        rest, segment = divmod(code, len(self.segments))
        arm, phase = divmod(rest, len(self.phases))
        return self.arms[arm], self.phases[phase], self.segments[segment]


def sums_of_files(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> SessionSums:
    """Statistics of observation files that hold all observations of their sessions."""
    if not paths:
        return SessionSums({}, {})
    footers = Footers(paths)
    codes = _codes(connection, footers, paths)
    observed = _Observed(footers.rows, footers.columns(connection), codes, tuple(str(path) for path in paths))
    parts: dict[Cell, list[_Exact]] = {}
    one = f"SELECT {codes.only} AS code, {observed.sums} FROM ({observed.query}) GROUP BY session_id"
    mixed = False
    for code, row in _rows(connection, one, observed, observed.parameters):
        if code is None:
            mixed = True
            continue
        arm, phase, segment = codes.decoded(code)
        for metric, exact in row:
            for one_phase in (phase, ALL_PHASES):
                for one_segment in (segment, ALL_SEGMENTS):
                    parts.setdefault(Cell(arm, one_phase, one_segment, metric), []).append(exact)
    crossing: dict[str, tuple[str, ...]] = {}
    if mixed:
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE several AS "
            f"WITH observed AS ({observed.query}) SELECT * FROM observed SEMI JOIN "
            "(SELECT session_id FROM observed GROUP BY session_id HAVING min(code) < max(code)) USING (session_id)",
            observed.parameters,
        )
        _add_mixed(connection, observed, parts)
        crossing = _crossing(connection, codes)
    return SessionSums({cell: _Exact.total(parts[cell]) for cell in sorted(parts)}, crossing)


def _add_mixed(
    connection: duckdb.DuckDBPyConnection, observed: _Observed, parts: dict[Cell, list[_Exact]]
) -> None:
    """Add the sessions of several cells, once for each level of totals."""
    codes = observed.codes
    per_arm, per_phase = len(codes.phases) * len(codes.segments), len(codes.segments)
    for by_phase in (True, False):
        for by_segment in (True, False):
            terms = [f"code - code % {per_arm}"]
            if by_phase:
                terms.append(f"code % {per_arm} - code % {per_phase}")
            if by_segment:
                terms.append(f"code % {per_phase}")
            query = f"SELECT {' + '.join(terms)} AS code, {observed.sums} FROM several GROUP BY session_id, 1"
            for code, row in _rows(connection, query, observed, {}):
                if code is None:
                    continue
                arm, phase, segment = codes.decoded(code)
                for metric, exact in row:
                    cell = Cell(
                        arm,
                        phase if by_phase else ALL_PHASES,
                        segment if by_segment else ALL_SEGMENTS,
                        metric,
                    )
                    parts.setdefault(cell, []).append(exact)


def _crossing(connection: duckdb.DuckDBPyConnection, codes: _Codes) -> dict[str, tuple[str, ...]]:
    per_arm = len(codes.phases) * len(codes.segments)
    rows = connection.execute(
        f"SELECT session_id, list_sort(list(DISTINCT code // {per_arm})) AS arms FROM several "
        "GROUP BY session_id HAVING len(arms) > 1 ORDER BY session_id"
    ).fetchall()
    return {session: tuple(codes.arms[arm] for arm in arms) for session, arms in rows}


@dataclass(frozen=True, slots=True)
class _Exact:
    """The six numbers of `RatioStatistics` before they are rounded."""

    n: int
    sum: Fraction
    count: int
    sum_sq: Fraction
    sum_count: Fraction
    count_sq: int

    @staticmethod
    def total(parts: Sequence[_Exact]) -> RatioStatistics:
        return RatioStatistics(
            n=sum(part.n for part in parts),
            sum=float(sum((part.sum for part in parts), Fraction(0))),
            count=sum(part.count for part in parts),
            sum_sq=float(sum((part.sum_sq for part in parts), Fraction(0))),
            sum_count=float(sum((part.sum_count for part in parts), Fraction(0))),
            count_sq=sum(part.count_sq for part in parts),
        )


def _rows(
    connection: duckdb.DuckDBPyConnection,
    sessions: str,
    observed: _Observed,
    parameters: Mapping[str, Any],
) -> Iterator[tuple[int | None, list[tuple[str, _Exact]]]]:
    """A query's sessions, summed by code.

    Σs² and Σsk are scaled by what bounds them: (Σ|v|)² and Σ|v| Σk, with as many values as there are rows.
    """
    asked = ["count(*)", "sum(n)", "sum(n * n)"]
    scales = []
    for place, column in enumerate(observed.columns):
        s, k = f"s{place}::DOUBLE", "n" if column.complete else f"k{place}"
        top = column.bits + exponent(column.largest) + exponent(observed.rows)
        square, product = CAPACITY - 2 * top, CAPACITY - top - exponent(observed.rows)
        scales.append((square + 2 * column.bits, product + column.bits))
        asked += [
            f"count(s{place})",
            f"sum(s{place})",
            f"sum({k})",
            f"sum(({s} * {s} * {2.0**square!r})::HUGEINT)",
            f"sum(({s} * {k} * {2.0**product!r})::HUGEINT)",
            f"sum({k} * {k})",
        ]
    found = connection.execute(
        f"SELECT code, {', '.join(asked)} FROM ({sessions}) GROUP BY code", parameters
    ).fetchall()
    for code, *row in found:
        n, count, squares = (int(value) for value in row[:3])
        every = _Exact(n, Fraction(count), count, Fraction(squares), Fraction(squares), squares)
        answer = [(OBSERVATIONS, every)]
        for place, column in enumerate(observed.columns):
            n, total, count, square_sum, product_sum, squares = row[3 + 6 * place : 9 + 6 * place]
            if n:
                square, product = scales[place]
                exact = _Exact(
                    n,
                    _units(total, column.bits),
                    int(count),
                    _units(square_sum, square),
                    _units(product_sum, product),
                    int(squares),
                )
                answer.append((column.metric, exact))
        yield code, answer


def _codes(connection: duckdb.DuckDBPyConnection, footers: Footers, paths: Sequence[Path]) -> _Codes:
    """Which arms, phases and segments there are; of a constant column one row is enough."""
    values = []
    for column, expression in (("arm", "arm"), ("phase", "phase"), ("intent", SEGMENT)):
        limit = "LIMIT 1" if footers.constant(column) else ""
        found = connection.execute(
            f"SELECT DISTINCT {expression} FROM (SELECT {column} FROM read_parquet($paths) {limit})",
            {"paths": [str(path) for path in paths]},
        ).fetchall()
        values.append(sorted(value for (value,) in found))
    return _Codes(*values)


def _units(count: int, bits: int) -> Fraction:
    return Fraction(int(count)) / Fraction(2) ** bits
