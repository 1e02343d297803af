"""Footers of observation files: what Parquet already knows of its columns, so that it need not be read.

How many rows there are, whether a column is constant, how many observations have a figure, and how large the
largest is. Only where several further metrics share the column of maps are their values looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kenshin.experiments.sufficient import LATENCY, SCORE
from kenshin.experiments.units import Extent, Measured

if TYPE_CHECKING:
    import duckdb


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

    def extent(self, connection: duckdb.DuckDBPyConnection) -> Extent:
        """How much the files hold: their rows, the metrics that have a value and the covariates that have one."""
        found = [
            Measured(name, None, self._largest(name), self._filled(name))
            for name in (SCORE, LATENCY)
            if self._filled(name)
        ]
        return Extent(
            rows=sum(metadata.num_rows for metadata in self._metadata),
            metrics=(*found, *self._mapped(connection, "metrics")),
            covariates=self._mapped(connection, "covariates"),
        )

    def _mapped(self, connection: duckdb.DuckDBPyConnection, column: str) -> tuple[Measured, ...]:
        """The figures in a column of maps, by key."""
        keys, values = f"{column}.key_value.key", f"{column}.key_value.value"
        if not self._filled(keys):
            return ()
        only = self._only(keys)
        if only is not None:
            return (Measured.named(only, self._largest(values), self._filled(values)),)
        rows = connection.execute(
            "SELECT entry.key, max(abs(entry.value)), count(*) "  # noqa: S608, a name of ours
            f"FROM (SELECT unnest(map_entries({column})) AS entry FROM read_parquet($paths)) "
            "GROUP BY entry.key ORDER BY entry.key",
            {"paths": self._paths},
        ).fetchall()
        return tuple(Measured.named(*row) for row in rows)

    def _only(self, column: str) -> str | None:
        chunks = [chunk for chunk in self._chunks(column) if chunk.num_values]
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
