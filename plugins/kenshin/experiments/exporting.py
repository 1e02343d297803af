"""Exports: an experiment's observations, or its sessions, of some days, as a table or as a file.

Observations come from the store, so that those of today are among them; sessions are what the nights made of them: for
each day what it added to a session, by phase, segment and metric, additive over days. Rows are read in batches, so a
file may be larger than the memory; it appears at its place whole, or not at all.

A file of observations can be imported again. Only an empty text is not told apart from none there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kenshin.days import days_between
from kenshin.errors import InvalidInput, NotFound
from kenshin.experiments.collect import observations_of, partition_of, to_table
from kenshin.experiments.columns import GROUPS
from kenshin.experiments.deltas import DATASET as SESSIONS
from kenshin.experiments.deltas import long_rows
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.observation import SHARDS
from kenshin.experiments.session_days import with_ending
from kenshin.experiments.store import ObservationStore
from kenshin.experiments.writing import FORMATS, open_writer
from kenshin.lake import Lake
from kenshin.publishing import Manifest, local_parts, read_manifest

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

What = Literal["observations", "sessions"]

BATCH_ROWS = 20_000
"""So many rows are in memory at once, at most."""

Progress = Callable[[int, int], None]
"""Is told how many shards of days are done, of how many."""


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What a file holds.

    Args:
        path: the file.
        rows: in it.
        first_day: from which day on.
        last_day: to which day, included.
    """

    path: Path
    rows: int
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class Export:
    """Rows to be had as a table or as a file; nothing is read before that.

    Args:
        experiment: whose.
        store: where the observations are.
        lake: where the sessions are.
        first_day: from which day on.
        last_day: to which day, included.
        what: observations or sessions.

    Raises:
        InvalidInput: the days end before they begin.
    """

    experiment: Experiment
    store: ObservationStore
    lake: Lake
    first_day: date
    last_day: date
    what: What = "observations"

    def __post_init__(self) -> None:
        if self.last_day < self.first_day:
            raise InvalidInput(
                value=f"{self.first_day} to {self.last_day}",
                reason="the last day lies before the first",
                mend="Exchange them, or give the last day.",
            )

    def to_file(self, path: Path, *, progress: Progress = lambda done, total: None) -> ExportResult:
        """Write a CSV, JSONL or Parquet file, whose ending tells the format; one that is there is replaced.

        Raises:
            InvalidInput: the format is unknown, or the file cannot be written.
            NotFound: there are no sessions of these days.
        """
        if path.suffix.lower() not in FORMATS:
            raise InvalidInput(
                value=str(path),
                reason=f"unknown format '{path.suffix}'",
                mend=f"Known endings: {', '.join(FORMATS)}.",
            )
        rows = 0
        try:
            with open_writer(path) as writer:
                for table in self.tables(progress=progress):
                    writer.write(table)
                    rows += table.num_rows
        except OSError as error:
            raise InvalidInput(
                value=str(path),
                reason=f"cannot be written ({error})",
                mend="Check the path, its permissions and the room on the disk.",
            ) from error
        return ExportResult(path, rows, self.first_day, self.last_day)

    def to_pandas(self) -> pd.DataFrame:
        """All rows in memory; each of the metrics and covariates becomes a column, e.g. ``metrics.cost``.

        Raises:
            NotFound: there are no sessions of these days.
        """
        import pyarrow as pa

        frame: pd.DataFrame = pa.concat_tables(self.tables()).to_pandas()
        for group in GROUPS:
            if group in frame:
                cells = [dict(cell) for cell in frame.pop(group)]
                for name in sorted({name for cell in cells for name in cell}):
                    frame[f"{group}.{name}"] = [cell.get(name, float("nan")) for cell in cells]
        return frame

    def tables(self, *, progress: Progress = lambda done, total: None) -> Iterator[pa.Table]:
        """The rows in order of day and shard, at least one table, each of at most `BATCH_ROWS` rows.

        Raises:
            NotFound: there are no sessions of these days.
        """
        if self.what == "sessions":
            yield from self._sessions(progress)
        else:
            yield from self._observations(progress)

    def _places(self) -> Sequence[tuple[date, int]]:
        return [
            (day, shard) for day in days_between(self.first_day, self.last_day) for shard in range(SHARDS)
        ]

    def _observations(self, progress: Progress) -> Iterator[pa.Table]:
        places = self._places()
        yield _with_day(to_table([]), self.first_day)
        for done, (day, shard) in enumerate(places, start=1):
            rows = observations_of(self.store, self.experiment.experiment_id, day, shard)
            while batch := list(islice(rows, BATCH_ROWS)):
                yield _with_day(to_table(batch), day)
            progress(done, len(places))

    def _sessions(self, progress: Progress) -> Iterator[pa.Table]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        places = self._places()
        found = False
        for done, (day, shard) in enumerate(places, start=1):
            manifest = self._session_manifest(day, shard)
            if manifest is not None:
                with local_parts(self.lake, [manifest]) as paths:
                    for path in with_ending(paths, "parquet"):
                        with pq.ParquetFile(path) as file:
                            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                                found = True
                                yield _with_day(long_rows(pa.Table.from_batches([batch])), day)
            progress(done, len(places))
        if not found:
            raise NotFound(
                value=f"sessions of {self.experiment.experiment_id}, {self.first_day} to {self.last_day}",
                reason="no night has counted any",
                mend="Run the DAG experiment_analysis, wait for the night, or export the observations.",
            )

    def _session_manifest(self, day: date, shard: int) -> Manifest | None:
        return read_manifest(
            self.lake, partition_of(self.experiment.experiment_id, day, shard, dataset=SESSIONS)
        )


def _with_day(table: pa.Table, day: date) -> pa.Table:
    import pyarrow as pa

    days = pa.repeat(pa.scalar(day, pa.date32()), table.num_rows)
    return table.append_column("day", days).replace_schema_metadata(None)
