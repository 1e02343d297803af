"""Rows of CSV, JSONL and Parquet files, for imports: a row that cannot be read is told apart from a file that cannot.

A file is read twice: once to count its rows and to find out whether it can be read to its end, before anything is
written anywhere; and once for the rows. They come in chunks of a few thousand; no more is in memory here.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kenshin.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 5_000
WIDEST = 100
"""Lines of JSON that have more columns than this between them are not put into columns."""
LONGEST_LINE = 1 << 20
"""A line of JSON longer than this (bytes) makes the file unreadable: it is hardly lines of JSON."""


class Row(NamedTuple):
    """One row.

    Args:
        number: from 1; header and empty lines are not counted.
        cells: by column; empty where the row cannot be read.
        problem: why it cannot, else None.
        text: what is there instead of cells, where it cannot.
    """

    number: int
    cells: dict[str, Any]
    problem: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive rows of a file.

    Args:
        numbers: of the rows that can be read.
        columns: their cells by column, None where a row lacks it; empty where they have too many columns.
        broken: the rows that cannot be read.
        lines: the cells of each row that can be read, where they do not all have the same columns.
    """

    numbers: Sequence[int]
    columns: Mapping[str, Sequence[Any]]
    broken: Sequence[Row] = ()
    lines: Sequence[dict[str, Any]] | None = None

    def __len__(self) -> int:
        return len(self.numbers) + len(self.broken)

    def row(self, index: int) -> Row:
        """One of the rows that can be read, by its index among them."""
        if self.lines is not None:
            return Row(self.numbers[index], self.lines[index])
        return Row(self.numbers[index], {name: column[index] for name, column in self.columns.items()})


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

    def chunks(self) -> Iterator[Chunk]:
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
        for chunk in FORMATS[ending](path):
            total += len(chunk)
            if chunk.numbers:
                for cells in [chunk.columns] if chunk.columns else chunk.lines or ():
                    columns.update(dict.fromkeys(cells))
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


def _csv(path: Path) -> Iterator[Chunk]:
    number = 0
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        latest = ""

        def lines() -> Iterator[str]:
            nonlocal latest
            for text in file:
                latest = text
                yield text

        reader = csv.reader(lines(), strict=True)
        try:
            header = [name.strip() for name in next(reader, [])]
        except csv.Error as error:
            raise refused(path, f"its header cannot be read ({error})", "Export it again.") from error
        if len(set(header)) != len(header):
            twice = next(name for name in header if header.count(name) > 1)
            raise refused(path, "the column is there twice", "Rename one of the two.", column=twice)
        ended = False
        while not ended:
            line, records, failure = reader.line_num, [], None
            try:
                for record in islice(reader, CHUNK_ROWS):
                    records.append(record)
                    line = reader.line_num
            except csv.Error as error:
                failure = error
            ended = failure is None and len(records) < CHUNK_ROWS
            chunk = _of_records(header, [cells for cells in records if cells], number)
            number += len(chunk)
            if failure is None:
                yield chunk
                continue
            number += 1
            if reader.line_num - line > 1 or "field limit" in str(failure):
                reason = f"a quotation that begins in line {line + 1} does not end properly ({failure})"
                raise refused(path, reason, "Correct the quotes.", row=number) from failure
            broken = Row(number, {}, f"not readable as CSV ({failure})", latest.rstrip("\r\n"))
            yield replace(chunk, broken=[*chunk.broken, broken])


def _of_records(header: list[str], records: list[list[str]], before: int) -> Chunk:
    unicode = _is_unicode([text for cells in records for text in cells])
    numbers, readable, broken = [], [], []
    for number, cells in enumerate(records, before + 1):
        if len(cells) != len(header):
            reason = f"it has {len(cells)} cells, the header has {len(header)}"
        elif not unicode and not _is_unicode(cells):
            reason = "it is not UTF-8"
        else:
            numbers.append(number)
            readable.append(cells)
            continue
        broken.append(Row(number, {}, reason, _as_line(cells)))
    columns = dict(zip(header, zip(*readable, strict=True), strict=True)) if readable else {}
    return Chunk(numbers, columns or dict.fromkeys(header, ()), broken)


def _as_line(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def _is_unicode(cells: list[str]) -> bool:
    text = "".join(cells)
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _jsonl(path: Path) -> Iterator[Chunk]:
    number = 0
    with path.open("rb") as file:
        ended = False
        while not ended:
            numbers: list[int] = []
            lines: list[dict[str, Any]] = []
            broken: list[Row] = []
            while len(numbers) + len(broken) < CHUNK_ROWS:
                line = file.readline(LONGEST_LINE + 1)
                if not line:
                    ended = True
                    break
                if len(line) > LONGEST_LINE:
                    reason = f"a line is longer than {LONGEST_LINE} bytes"
                    raise refused(path, reason, "Write one JSON object a line.", row=number + 1)
                if not line.strip():
                    continue
                number += 1
                try:
                    cells = json.loads(line)
                    reason = "not a JSON object"
                except (ValueError, RecursionError) as error:
                    cells, reason = None, f"not readable as JSON ({error})"
                if isinstance(cells, dict):
                    numbers.append(number)
                    lines.append(cells)
                else:
                    broken.append(
                        Row(number, {}, reason, line.decode(errors="surrogateescape").rstrip("\r\n"))
                    )
            yield Chunk(numbers, _by_column(lines), broken, lines)


def _by_column(lines: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names: dict[str, None] = {}
    for cells in lines:
        if cells.keys() - names.keys():
            names.update(dict.fromkeys(cells))
            if len(names) > WIDEST:
                return {}
    return {name: [cells.get(name) for cells in lines] for name in names}


def _parquet(path: Path) -> Iterator[Chunk]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            for batch in file.iter_batches(batch_size=CHUNK_ROWS):
                columns = {name: _values(column) for name, column in zip(names, batch.columns, strict=True)}
                yield Chunk(range(number + 1, number + batch.num_rows + 1), columns)
                number += batch.num_rows
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


FORMATS: dict[str, Callable[[Path], Iterator[Chunk]]] = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
"""How the rows of a file are read, by its ending."""
