"""Tables to CSV, JSONL and Parquet files, batch by batch: written beside their place, and put there whole at the end.

Figures by name (maps) are one JSON object in a cell of CSV and in a line of JSONL; instants are ISO 8601 in UTC.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


GROUP_ROWS = 50_000
"""Rows of a Parquet file are gathered to groups of at least so many."""


class TableWriter(Protocol):
    """Takes tables of one schema."""

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        ...

    def close(self) -> None:
        """Write what is left; the file itself stays open."""
        ...


@contextmanager
def open_writer(path: Path) -> Iterator[TableWriter]:
    """A writer of the format that the file's ending tells; after an error the place is as it was before."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("wb") as file:
            writer = FORMATS[path.suffix.lower()](file)
            try:
                yield writer
            finally:
                writer.close()
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


class ParquetTables:
    """Parquet as the lake has it: zstd, UTC microseconds."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._writer: Any = None
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def write(self, table: pa.Table) -> None:
        """Add rows; a table without any tells the schema."""
        import pyarrow.parquet as pq

        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._file, table.schema, compression="zstd", coerce_timestamps="us"
            )
        self._waiting.append(table)
        self._rows += table.num_rows
        if self._rows >= GROUP_ROWS:
            self._write_group()

    def close(self) -> None:
        """Write the last rows and the footer."""
        if self._writer is not None:
            try:
                self._write_group()
            finally:
                self._writer.close()

    def _write_group(self) -> None:
        import pyarrow as pa

        if self._rows:
            self._writer.write_table(pa.concat_tables(self._waiting))
        self._waiting, self._rows = [], 0


class CsvTables:
    """CSV in UTF-8 with a header; a missing value is an empty cell."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._header_written = False

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        maps = _maps(table)
        lines: list[list[Any]] = [] if self._header_written else [table.column_names]
        self._header_written = True
        for row in table.to_pylist():
            lines.append(
                [
                    json.dumps(dict(cell), ensure_ascii=False) if name in maps else _plain(cell)
                    for name, cell in row.items()
                ]
            )
        # The writer quotes what is in its line terminator: with "\n" alone, a lone "\r" would end a row.
        csv.writer(_Utf8(self._file), lineterminator="\r\n").writerows(lines)

    def close(self) -> None:
        """Nothing is left."""


class JsonlTables:
    """One JSON object a line; a missing value is null."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        maps = _maps(table)
        for row in table.to_pylist():
            cells = {name: dict(cell) if name in maps else _plain(cell) for name, cell in row.items()}
            self._file.write(json.dumps(cells, ensure_ascii=False, allow_nan=False).encode() + b"\n")

    def close(self) -> None:
        """Nothing is left."""


class _Utf8:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(text.encode())


def _maps(table: pa.Table) -> set[str]:
    import pyarrow as pa

    return {field.name for field in table.schema if pa.types.is_map(field.type)}


def _plain(cell: Any) -> Any:
    return cell.isoformat() if isinstance(cell, date) else cell


FORMATS: dict[str, Callable[[IO[bytes]], TableWriter]] = {
    ".csv": CsvTables,
    ".jsonl": JsonlTables,
    ".parquet": ParquetTables,
}
"""How tables are written, by the file's ending."""
