"""Rows of CSV, JSONL and Parquet files, for imports: a row that cannot be read is told apart from a file that cannot.

A file is read twice: once to count its rows and to find out whether it can be read to its end, before anything is
written anywhere; and once for the rows. No more than a few thousand rows are in memory here.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kenshin.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 5_000
LONGEST_LINE = 1 << 20
"""A line of JSON longer than this (bytes) makes the file unreadable: it is hardly lines of JSON."""


class Row(NamedTuple):
    """One row.

    Args:
        number: from 1; header and empty lines are not counted.
        cells: by column; empty where the row cannot be read.
        problem: why it cannot, else None.
    """

    number: int
    cells: dict[str, Any]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class RowFile:
    """A file that can be read to its end.

    Args:
        path: the file.
        columns: that it has; in a JSONL file, keys that any row has.
        total: rows in it.
        uniform: whether every row has the same columns.
    """

    path: Path
    columns: tuple[str, ...]
    total: int
    uniform: bool

    def rows(self) -> Iterator[Row]:
        """The rows, in order."""
        return FORMATS[self.path.suffix.lower()](self.path)


class Unreadable:
    """A cell whose value cannot be expressed."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __repr__(self) -> str:
        return "unreadable"


def open_rows(path: Path) -> RowFile:
    """Check that a file can be read to its end, and count its rows.

    Raises:
        InvalidInput: it is missing, of an unknown format, without rows, or broken; names the file, and the row where
            it breaks.
    """
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise refused(path, f"unknown format '{ending}'", f"Known endings: {', '.join(FORMATS)}.")
    total = 0
    columns: dict[str, None] = {}
    try:
        for row in FORMATS[ending](path):
            total += 1
            if ending == ".jsonl" or not columns:
                columns.update(dict.fromkeys(row.cells))
    except OSError as error:
        raise refused(path, f"cannot be opened ({error})", "Check the path and its permissions.") from error
    if total == 0 or not columns:
        raise refused(path, "no row in it can be read", "Export it again.")
    return RowFile(path, tuple(columns), total, ending != ".jsonl")


def refused(
    path: Path, reason: str, mend: str, *, row: int | None = None, column: str | None = None
) -> InvalidInput:
    """The error of a file that cannot be used."""
    place = "".join([f", row {row}" if row else "", f", column {column}" if column else ""])
    return InvalidInput(value=f"{path}{place}", reason=reason, mend=mend)


def _csv(path: Path) -> Iterator[Row]:
    number = 0
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = [name.strip() for name in next(reader, [])]
        except csv.Error as error:
            raise refused(path, f"its header cannot be read ({error})", "Export it again.") from error
        if len(set(header)) != len(header):
            twice = next(name for name in header if header.count(name) > 1)
            raise refused(path, "the column is there twice", "Rename one of the two.", column=twice)
        while True:
            line = reader.line_num
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                number += 1
                if reader.line_num - line > 1 or "field limit" in str(error):
                    reason = f"a quotation that begins in line {line + 1} does not end properly ({error})"
                    raise refused(path, reason, "Correct the quotes.", row=number) from error
                yield Row(number, {}, f"not readable as CSV ({error})")
                continue
            if not cells:
                continue
            number += 1
            if len(cells) != len(header):
                yield Row(number, {}, f"it has {len(cells)} cells, the header has {len(header)}")
            elif not _is_unicode(cells):
                yield Row(number, {}, "it is not UTF-8")
            else:
                yield Row(number, dict(zip(header, cells, strict=True)))


def _is_unicode(cells: list[str]) -> bool:
    text = "".join(cells)
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _jsonl(path: Path) -> Iterator[Row]:
    number = 0
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                reason = f"a line is longer than {LONGEST_LINE} bytes"
                raise refused(path, reason, "Write one JSON object a line.", row=number + 1)
            if not line.strip():
                continue
            number += 1
            try:
                cells = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield Row(number, {}, f"not readable as JSON ({error})")
                continue
            if isinstance(cells, dict):
                yield Row(number, cells)
            else:
                yield Row(number, {}, "not a JSON object")


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                columns = [_values(column) for column in batch.columns]
                for cells in zip(*columns, strict=True):
                    number += 1
                    yield Row(number, dict(zip(names, cells, strict=True)))
    except (pa.ArrowException, OSError) as error:
        # An error of the system has a number, and says more than that of a broken file.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise refused(
            path, f"not readable as Parquet ({error})", "Export it again.", row=number + 1
        ) from error


def _values(column: pa.Array) -> list[Any]:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        # Python's datetime has no nanoseconds.
        column = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError):
        values = [_value(scalar) for scalar in column]
    return values


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError) as error:
        return Unreadable(str(error))


FORMATS: dict[str, Callable[[Path], Iterator[Row]]] = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
"""How the rows of a file are read, by its ending."""
