"""Footers of observation files: what Parquet already knows of its columns, so that it need not be read.

How many rows there are, whether a column is constant, whether every observation has a figure, and how large the
largest is. Only where several further metrics share the column of maps are their values looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kenshin.experiments.sufficient import LATENCY, SCORE, metric_name

if TYPE_CHECKING:
    import duckdb

DIGITS = 62
"""Binary digits that are kept below a metric's largest value, 9 more than a double has."""

_KEYS, _VALUES = "metrics.key_value.key", "metrics.key_value.value"


@dataclass(frozen=True, slots=True)
class Column:
    """A metric of observation files.

    Args:
        metric: its name.
        key: under which it lies in the column of maps; None where it is a column of its own.
        largest: no value is further from 0.
        complete: whether every observation has it, so that its count is theirs.
    """

    metric: str
    key: str | None
    largest: float
    complete: bool

    @property
    def bits(self) -> int:
        """Binary digits after the point in its exact sums."""
        return DIGITS - exponent(self.largest)


class Footers:
    """The footers of some files.

    Args:
        paths: of files of `observations/1`.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = [str(path) for path in paths]

    @cached_property
    def _metadata(self) -> list[Any]:
        import pyarrow.parquet as pq

        return [pq.read_metadata(path) for path in self._paths]

    @property
    def rows(self) -> int:
        """How many observations there are."""
        return sum(metadata.num_rows for metadata in self._metadata)

    def constant(self, column: str) -> bool:
        """Whether a column surely has one value alone, or none at all."""
        chunks = list(self._chunks(column))
        if not any(chunk.num_values for chunk in chunks):
            return bool(chunks)
        return all(
            chunk.has_min_max
            and chunk.null_count == 0
            and (chunk.min, chunk.max) == (chunks[0].min, chunks[0].min)
            for chunk in chunks
        )

    def columns(self, connection: duckdb.DuckDBPyConnection) -> tuple[Column, ...]:
        """The metrics that have a value, score and latency first."""
        rows, found = self.rows, []
        for name in (SCORE, LATENCY):
            filled = self._filled(name)
            if filled:
                found.append(Column(name, None, self._largest(name), filled == rows))
        only = self._only_key()
        names: list[tuple[str, float, int]] = []
        if only is not None:
            names = [(only, self._largest(_VALUES), self._filled(_VALUES))]
        elif self._filled(_KEYS):
            names = connection.execute(
                "SELECT entry.key, max(abs(entry.value)), count(*) "
                "FROM (SELECT unnest(map_entries(metrics)) AS entry FROM read_parquet($paths)) "
                "GROUP BY entry.key ORDER BY entry.key",
                {"paths": self._paths},
            ).fetchall()
        found += [Column(metric_name(name), name, largest, filled == rows) for name, largest, filled in names]
        return tuple(found)

    def _only_key(self) -> str | None:
        chunks = [chunk for chunk in self._chunks(_KEYS) if chunk.num_values]
        seen = {name for chunk in chunks if chunk.has_min_max for name in (chunk.min, chunk.max)}
        return seen.pop() if len(seen) == 1 and all(chunk.has_min_max for chunk in chunks) else None

    def _filled(self, column: str) -> int:
        return sum(chunk.num_values for chunk in self._chunks(column))

    def _largest(self, column: str) -> float:
        ends = [(chunk.min, chunk.max) for chunk in self._chunks(column) if chunk.has_min_max]
        largest: float = max(abs(end) for pair in ends for end in pair)
        return largest

    def _chunks(self, column: str) -> Iterator[Any]:
        """The statistics of a column's chunks."""
        for metadata in self._metadata:
            paths = [metadata.schema.column(place).path for place in range(metadata.num_columns)]
            place = paths.index(column)
            for group in range(metadata.num_row_groups):
                yield metadata.row_group(group).column(place).statistics


def exponent(value: float) -> int:
    """The least e with value < 2^e."""
    return math.frexp(value)[1]
