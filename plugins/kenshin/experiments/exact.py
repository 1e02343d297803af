# ruff: noqa: S608, expressions are made of numbers and fixed names; every value is bound
"""Exact sums in DuckDB: rows of sessions to the figures of cells, the same bits in any order of rows.

Values are summed as whole numbers of units (see `units`), so addition is exact and its order is free. Sums have 128
bits; of a million rows a square is kept to 2^-78 of the largest value's, so only an outlier a million times as large
as the rest would cost the rest's variance digits that a report states.

One group-by per session does nearly all the work; only sessions that are seen in several arms, phases or segments
are grouped a second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kenshin.experiments.footers import Footers
from kenshin.experiments.sufficient import ALL_PHASES, ALL_SEGMENTS, OBSERVATIONS, Cell
from kenshin.experiments.totals import FIGURES, Exact, added
from kenshin.experiments.units import CAPACITY, DIGITS, Extent, Units

if TYPE_CHECKING:
    import duckdb

MASK_CELLS = 63
"""So many arms, phases and segments together are told apart by one bit each, which is faster than by number."""

COVARIATE = 7
"""So many of the figures are the covariate's."""

SEGMENT = "CASE intent WHEN '*' THEN '(*)' ELSE coalesce(intent, '') END"


class SessionRows(Protocol):
    """Rows that add up to sessions: observations, or what days added."""

    @property
    def units(self) -> Units:
        """In which values are summed."""
        ...

    @property
    def codes(self) -> Codes:
        """Arms, phases and segments by number."""
        ...

    @property
    def query(self) -> str:
        """One row each, with session_id, code and what `sums` adds."""
        ...

    @property
    def parameters(self) -> dict[str, Any]:
        """What the query names."""
        ...

    @property
    def sums(self) -> str:
        """A session's observations n, and of the metric at each place its sum s0, s1, …, NULL or with a count of 0
        where there is none, its count k0, … unless it is complete, its covariate's sum x0, … and count xk0, …
        """
        ...

    def holds(self, place: int) -> bool:
        """Whether there may be a metric, so that it is summed."""
        ...

    def holds_covariate(self, place: int) -> bool:
        """Whether there may be its covariate."""
        ...

    def complete(self, place: int) -> bool:
        """Whether every observation has the metric, so that its count is theirs."""
        ...


@dataclass(frozen=True, slots=True)
class SessionSums:
    """What rows of sessions add up to.

    Args:
        cells: exact figures by arm, phase, segment and metric, totals included.
        crossing: sessions that are seen in several arms, and in which.
    """

    cells: Mapping[Cell, Exact]
    crossing: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Codes:
    """Arms, phases and segments by number; a cell's code is made of the three."""

    arms: list[str]
    phases: list[int]
    segments: list[str]

    def expression(self, segment: str) -> str:
        """The code of a row; a dimension that does not vary costs nothing."""
        code = "(list_position($arms, arm) - 1)"
        if len(self.phases) > 1:
            code = f"({code} * {len(self.phases)} + list_position($phases, phase) - 1)"
        if len(self.segments) > 1:
            code = f"({code} * {len(self.segments)} + list_position($segments, {segment}) - 1)"
        return f"({code})::INTEGER"

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


@dataclass(frozen=True, slots=True)
class ObservationRows:
    """Observation files as rows: one value v0, v1, … for each metric, and its covariate c0, c1, …

    Args:
        paths: the files.
        extent: what they hold.
        units: in which their values are summed.
        codes: their arms, phases and segments by number.
    """

    paths: tuple[str, ...]
    extent: Extent
    units: Units
    codes: Codes

    @classmethod
    def of(
        cls, connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], extent: Extent, units: Units
    ) -> ObservationRows:
        """The rows of files, with their arms, phases and segments looked up; of a constant one row is enough."""
        footers, names, values = Footers(paths), [str(path) for path in paths], []
        for column, expression in (("arm", "arm"), ("phase", "phase"), ("intent", SEGMENT)):
            limit = "LIMIT 1" if footers.constant(column) else ""
            found = connection.execute(
                f"SELECT DISTINCT {expression} FROM (SELECT {column} FROM read_parquet($paths) {limit})",
                {"paths": names},
            ).fetchall()
            values.append(sorted(value for (value,) in found))
        return cls(tuple(names), extent, units, Codes(*values))

    @property
    def query(self) -> str:
        """One row for each observation."""
        terms = ["session_id", f"{self.codes.expression(SEGMENT)} AS code"]
        for place, unit in enumerate(self.units.metrics):
            if self.holds(place):
                terms.append(f"{unit.metric if unit.key is None else f'metrics[$key{place}]'} AS v{place}")
            if self.holds_covariate(place):
                terms.append(f"covariates[$covariate{place}] AS c{place}")
        return f"SELECT {', '.join(terms)} FROM read_parquet($paths)"

    @property
    def parameters(self) -> dict[str, Any]:
        """What the query names."""
        keys: dict[str, Any] = {"paths": list(self.paths), **self.codes.parameters}
        for place, unit in enumerate(self.units.metrics):
            if unit.key is not None and self.holds(place):
                keys[f"key{place}"] = unit.key
            if self.holds_covariate(place):
                keys[f"covariate{place}"] = unit.covariate_key
        return keys

    @property
    def sums(self) -> str:
        """What a session's rows add up to."""
        terms = ["count(*) AS n"]
        for place, unit in enumerate(self.units.metrics):
            if self.holds(place):
                terms.append(f"sum((v{place} * {2.0**unit.bits!r})::BIGINT) AS s{place}")
                if not self.complete(place):
                    terms.append(f"count(v{place}) AS k{place}")
            if unit.covariate_bits is not None and self.holds_covariate(place):
                terms.append(f"sum((c{place} * {2.0**unit.covariate_bits!r})::BIGINT) AS x{place}")
                terms.append(f"count(c{place}) AS xk{place}")
        return ", ".join(terms)

    def holds(self, place: int) -> bool:
        """Whether any observation has the metric."""
        return self.extent.filled(self.units.metrics[place].metric) > 0

    def holds_covariate(self, place: int) -> bool:
        """Whether any observation has the metric's covariate."""
        key = self.units.metrics[place].covariate_key
        return any(key == (each.key or each.metric) for each in self.extent.covariates)

    def complete(self, place: int) -> bool:
        """Whether every observation has the metric."""
        return self.extent.filled(self.units.metrics[place].metric) == self.extent.rows


def sums_of_files(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> SessionSums:
    """Exact figures of observation files that hold all observations of their sessions."""
    if not paths:
        return SessionSums({}, {})
    extent = Footers(paths).extent(connection)
    return sums_of(connection, ObservationRows.of(connection, paths, extent, Units.of(extent)))


def sums_of(connection: duckdb.DuckDBPyConnection, rows: SessionRows) -> SessionSums:
    """Exact figures of rows that hold all of their sessions."""
    codes = rows.codes
    one = f"SELECT {codes.only} AS code, {rows.sums} FROM ({rows.query}) GROUP BY session_id"
    parts: list[tuple[Cell, Exact]] = []
    mixed = False
    for code, figures in _figures(connection, one, rows, rows.parameters):
        if code is None:
            mixed = True
            continue
        arm, phase, segment = codes.decoded(code)
        parts += [
            (Cell(arm, one_phase, one_segment, metric), exact)
            for metric, exact in figures
            for one_phase in (phase, ALL_PHASES)
            for one_segment in (segment, ALL_SEGMENTS)
        ]
    crossing: dict[str, tuple[str, ...]] = {}
    if mixed:
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE several AS "
            f"WITH observed AS ({rows.query}) SELECT * FROM observed SEMI JOIN "
            "(SELECT session_id FROM observed GROUP BY session_id HAVING min(code) < max(code)) USING (session_id)",
            rows.parameters,
        )
        parts += _mixed(connection, rows)
        crossing = _crossing(connection, codes)
    return SessionSums(added(parts), crossing)


def _mixed(connection: duckdb.DuckDBPyConnection, rows: SessionRows) -> Iterator[tuple[Cell, Exact]]:
    """The sessions of several cells, once for each level of totals."""
    codes = rows.codes
    per_arm, per_phase = len(codes.phases) * len(codes.segments), len(codes.segments)
    for by_phase in (True, False):
        for by_segment in (True, False):
            terms = [f"code - code % {per_arm}"]
            if by_phase:
                terms.append(f"code % {per_arm} - code % {per_phase}")
            if by_segment:
                terms.append(f"code % {per_phase}")
            query = f"SELECT {' + '.join(terms)} AS code, {rows.sums} FROM several GROUP BY session_id, 1"
            for code, figures in _figures(connection, query, rows, {}):
                if code is None:
                    continue
                arm, phase, segment = codes.decoded(code)
                level = phase if by_phase else ALL_PHASES, segment if by_segment else ALL_SEGMENTS
                yield from ((Cell(arm, *level, metric), exact) for metric, exact in figures)


def _crossing(connection: duckdb.DuckDBPyConnection, codes: Codes) -> dict[str, tuple[str, ...]]:
    per_arm = len(codes.phases) * len(codes.segments)
    rows = connection.execute(
        f"SELECT session_id::VARCHAR, list_sort(list(DISTINCT code // {per_arm})) AS arms FROM several "
        "GROUP BY session_id HAVING len(arms) > 1 ORDER BY session_id"
    ).fetchall()
    return {session: tuple(codes.arms[arm] for arm in arms) for session, arms in rows}


def _figures(
    connection: duckdb.DuckDBPyConnection,
    sessions: str,
    rows: SessionRows,
    parameters: Mapping[str, Any],
) -> Iterator[tuple[int | None, list[tuple[str, Exact]]]]:
    """A query's sessions, summed by code.

    Products are scaled by what bounds them, with room for as many rows as the units say: Σs² by (Σ|v|)², Σsk by
    Σ|v| Σk, those of a session's mean or covariate by the largest of these.
    """
    room = rows.units.rows
    squares, products = CAPACITY - 2 * (DIGITS + room), CAPACITY - DIGITS - 2 * room
    single = CAPACITY - 2 * DIGITS - room
    asked, places = ["count(*)", "sum(n)", "sum(n * n)"], []
    for place, unit in enumerate(rows.units.metrics):
        if not rows.holds(place):
            continue
        s, k = f"s{place}::DOUBLE", "n" if rows.complete(place) else f"k{place}"
        has = "" if rows.complete(place) else f"FILTER ({k} > 0)"
        terms = [
            (f"count(*) {has}", 0),
            (f"sum(s{place}) {has}", unit.bits),
            (f"sum({k})", 0),
            (f"sum(({s} * {s} * {2.0**squares!r})::HUGEINT) {has}", squares + 2 * unit.bits),
            (f"sum(({s} * {k} * {2.0**products!r})::HUGEINT) {has}", products + unit.bits),
            (f"sum({k} * {k})", 0),
            (f"sum(({s} / {k})::BIGINT) {has}", unit.bits),
            (f"sum((({s} / {k}) * ({s} / {k}) * {2.0**single!r})::HUGEINT) {has}", single + 2 * unit.bits),
        ]
        if unit.covariate_bits is not None and rows.holds_covariate(place):
            x, known = f"(x{place}::DOUBLE / xk{place})", f"FILTER ({k} > 0 AND xk{place} > 0)"
            terms += [
                (f"count(*) {known}", 0),
                (f"sum({x}::BIGINT) {known}", unit.covariate_bits),
                (f"sum(({x} * {x} * {2.0**single!r})::HUGEINT) {known}", single + 2 * unit.covariate_bits),
                (
                    f"sum(({x} * {s} * {2.0**single!r})::HUGEINT) {known}",
                    single + unit.bits + unit.covariate_bits,
                ),
                (f"sum(({x} * {k})::HUGEINT) {known}", unit.covariate_bits),
                (f"sum(s{place}) {known}", unit.bits),
                (f"sum({k}) {known}", 0),
            ]
        places.append((unit.metric, [bits for _, bits in terms]))
        asked += [term for term, _ in terms]
    found = connection.execute(
        f"SELECT code, {', '.join(asked)} FROM ({sessions}) GROUP BY code", parameters
    ).fetchall()
    for code, *row in found:
        values = iter(row)
        n, count, count_sq = (Fraction(int(next(values))) for _ in range(3))
        none = (Fraction(0),) * COVARIATE
        every = (n, count, count, count_sq, count_sq, count_sq, n, n, *none)
        answer = [(OBSERVATIONS, Exact(every))]
        for metric, scales in places:
            figures = tuple(_units(next(values), bits) for bits in scales)
            if figures[0]:
                answer.append((metric, Exact(figures + none[: len(FIGURES) - len(figures)])))
        yield code, answer


def _units(count: int | None, bits: int) -> Fraction:
    return Fraction(int(count or 0)) / Fraction(2) ** bits
