"""Totals of one shard: the numbers of `RatioStatistics`, exact, so that sessions can be added and taken away.

A night adds its sessions' new sums and takes away what the same sessions had before; the result is, bit for bit, that
of summing all days.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

from kenshin.days import parse_day
from kenshin.experiments.stats.ratio import CovariateSums, RatioStatistics
from kenshin.experiments.sufficient import Cell, Statistics
from kenshin.experiments.units import Units

SCHEMA = "statistics/3"

COUNTS = ("n", "count", "count_sq", "covariate_n", "covariate_count")
FIGURES = (
    *("n", "sum", "count", "sum_sq", "sum_count", "count_sq", "mean_sum", "mean_sq"),
    *("covariate_n", "x", "x_sq", "x_sum", "x_count", "covariate_sum", "covariate_count"),
)
"""Those of `RatioStatistics`, then those of `CovariateSums`."""


@dataclass(frozen=True, slots=True)
class Exact:
    """The figures of a cell before they are rounded, in the order of `FIGURES`."""

    figures: tuple[Fraction, ...]

    def __add__(self, other: Exact) -> Exact:
        return Exact(tuple(ours + theirs for ours, theirs in zip(self.figures, other.figures, strict=True)))

    def __neg__(self) -> Exact:
        return Exact(tuple(-ours for ours in self.figures))

    def rounded(self) -> RatioStatistics:
        """Each figure rounded once."""
        named = {
            name: int(value) if name in COUNTS else float(value)
            for name, value in zip(FIGURES, self.figures, strict=True)
        }
        covariate = CovariateSums(
            n=int(named.pop("covariate_n")),
            **{name: named.pop(name) for name in ("x", "x_sq", "x_sum", "x_count")},
            sum=named.pop("covariate_sum"),
            count=int(named.pop("covariate_count")),
        )
        return RatioStatistics(**named, covariate=covariate)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Totals:
    """What a shard's observations of some days add up to.

    Args:
        cells: exact sums by cell.
        crossing: sessions seen in more than one arm, and in which.
        units: in which the values were summed.
        days: days that were collected and reduced.
        filled_days: those of them that hold observations.
    """

    cells: Mapping[Cell, Exact] = field(default_factory=dict)
    crossing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    units: Units = field(default_factory=Units)
    days: tuple[date, ...] = ()
    filled_days: tuple[date, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The totals at a JSON edge, in order of cell; sums are fractions in words."""
        return {
            "crossing": {session: list(arms) for session, arms in sorted(self.crossing.items())},
            "days": [day.isoformat() for day in self.days],
            "filled_days": [day.isoformat() for day in self.filled_days],
            "units": self.units.text,
            "rows_bits": self.units.rows,
            "rows": [
                {
                    **cell._asdict(),
                    **{name: str(value) for name, value in zip(FIGURES, exact.figures, strict=True)},
                }
                for cell, exact in sorted(self.cells.items())
            ],
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Totals:
        """Read back what `as_dict` wrote."""
        return cls(
            cells={
                Cell(*(row[name] for name in Cell._fields)): Exact(
                    tuple(Fraction(row[name]) for name in FIGURES)
                )
                for row in raw["rows"]
            },
            crossing={session: tuple(arms) for session, arms in raw["crossing"].items()},
            units=Units.from_text(raw["units"], raw["rows_bits"]),
            days=tuple(parse_day(day) for day in raw["days"]),
            filled_days=tuple(parse_day(day) for day in raw["filled_days"]),
        )


def added(cells: Iterable[tuple[Cell, Exact]]) -> dict[Cell, Exact]:
    """Sums by cell, in order."""
    found: dict[Cell, Exact] = {}
    for cell, exact in cells:
        found[cell] = found[cell] + exact if cell in found else exact
    return dict(sorted(found.items()))


def merged(shards: Sequence[Totals]) -> Statistics:
    """All shards together, each figure rounded once; a day counts as covered only where every shard covers it."""
    cells = added(item for shard in shards for item in shard.cells.items())
    return Statistics(
        cells={cell: exact.rounded() for cell, exact in cells.items()},
        crossing=dict(sorted(item for shard in shards for item in shard.crossing.items())),
        days=tuple(sorted(set.intersection(*(set(shard.days) for shard in shards)))) if shards else (),
        filled_days=tuple(sorted({day for shard in shards for day in shard.filled_days})),
    )
