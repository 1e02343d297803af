"""Imports: observations from a file into the store. A bad row goes to a reject file with its reason, the rest stays.

Columns are named as the fields of `ABObservation`, or as the proof of concept named them: ``group``, and ``timestamp``
in seconds since the epoch; a `ColumnMap` reads other names. ``metrics.<name>`` and ``covariates.<name>`` are further
figures. An observation without an id gets one made of its content, so importing a file again stores nothing twice, and
two rows that are equal in everything count once.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TextIO

from kenshin.errors import BackendUnavailable, InvalidName
from kenshin.experiments.columns import ALIASES, DERIVED, REJECTED, REQUIRED, SAME, ColumnMap
from kenshin.experiments.conversion import BadRow, Converter
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.observation import ABObservation
from kenshin.experiments.reading import Chunk, Row, RowFile, open_rows, refused
from kenshin.experiments.shortcut import Shortcut
from kenshin.experiments.store import ObservationStore, Rejected, WriteResult

BATCH_ROWS = 50_000
"""About so many rows are in memory at once. A store in order of its keys takes a large batch with less effort a row."""

STUBBORN_ROUNDS = 5
"""So often in a row a store may take nothing of what is left before the import gives up."""

Progress = Callable[[int, int | None], None]
"""Is told how many rows are done, of how many."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of a file.

    Args:
        read: rows in it.
        stored: new observations.
        duplicates: observations that were there already, or twice in the file.
        rejected: rows that were refused.
        rejects_path: the reject file; None where no row was refused.
        reasons: how many rows were refused for which reason, the most frequent first.
        days: days on which there are observations among the rows, in order.
        ignored_columns: columns that mean nothing here.
    """

    read: int
    stored: int
    duplicates: int
    rejected: int
    rejects_path: Path | None
    reasons: Mapping[str, int] = field(default_factory=dict)
    days: tuple[date, ...] = ()
    ignored_columns: tuple[str, ...] = ()


def import_file(
    path: Path,
    experiment: Experiment,
    store: ObservationStore,
    *,
    zone: tzinfo,
    recorded_at: datetime,
    rejects: Path,
    columns: ColumnMap = SAME,
    progress: Progress = lambda done, total: None,
    days: set[date] | None = None,
) -> ImportResult:
    """Import a CSV, JSONL or Parquet file; doing it again changes nothing.

    Args:
        path: the file; its ending tells the format.
        experiment: whose observations they are.
        store: where they go.
        zone: whose dates the days are.
        recorded_at: when they are recorded, where the file does not say.
        rejects: where refused rows go, one JSON object a line: row, column, value, reason.
        columns: which column fills which field.
        progress: is told how many rows of how many are done.
        days: gets the days that hold imported observations, also where the import breaks off.

    Raises:
        InvalidInput: the file cannot be used; nothing is written.
        BackendUnavailable: the store takes no more; what it took stays, and importing again goes on.
    """
    file = open_rows(path)
    ignored = _ignored_columns(file, columns)
    converter = Converter(experiment, zone=zone, recorded_at=recorded_at, columns=columns)
    shortcut = Shortcut(converter)
    read = stored = duplicates = 0
    days = set() if days is None else days
    with _RejectFile(rejects) as refusals:
        for batch in _batches(file.chunks()):
            made = [_made(chunk, shortcut, converter) for chunk in batch]
            observations = [each for part in made for each in part if isinstance(each, ABObservation)]
            refused_rows = [each for part in made for each in part if isinstance(each, _Refusal)]
            days.update(each.day for each in observations)
            result = _write(store, observations)
            if result.rejected:
                refused_rows += _refused_by_store(result.rejected, batch, made)
            refusals.add(refused_rows)
            read, stored = read + sum(map(len, batch)), stored + result.stored
            duplicates += result.duplicates
            progress(read, file.total)
    return ImportResult(
        read=read,
        stored=stored,
        duplicates=duplicates,
        rejected=refusals.reasons.total(),
        rejects_path=rejects if refusals.reasons else None,
        reasons=dict(refusals.reasons.most_common()),
        days=tuple(sorted(days)),
        ignored_columns=ignored,
    )


def _batches(chunks: Iterator[Chunk]) -> Iterator[list[Chunk]]:
    batch: list[Chunk] = []
    for chunk in chunks:
        batch.append(chunk)
        if sum(map(len, batch)) >= BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _made(chunk: Chunk, shortcut: Shortcut, converter: Converter) -> list[ABObservation | _Refusal]:
    """What becomes of a chunk's rows: first of those that can be read, then of the others."""
    made: list[ABObservation | _Refusal] = []
    for index, plain in enumerate(shortcut.observations(chunk)):
        try:
            made.append(plain or converter.observation(chunk.row(index)))
        except BadRow as bad:
            made.append(_Refusal(chunk.row(index), bad.column, bad.value, bad.reason))
    made.extend(_Refusal(row, None, None, row.problem or "") for row in chunk.broken)
    return made


def _refused_by_store(
    rejected: Iterable[Rejected], batch: Iterable[Chunk], made: Iterable[Sequence[ABObservation | _Refusal]]
) -> list[_Refusal]:
    reasons = {each.observation.observation_id: each.reason for each in rejected}
    return [
        _Refusal(chunk.row(index), None, each.observation_id, reasons[each.observation_id])
        for chunk, part in zip(batch, made, strict=True)
        for index, each in enumerate(part)
        if isinstance(each, ABObservation) and each.observation_id in reasons
    ]


def _ignored_columns(file: RowFile, columns: ColumnMap) -> tuple[str, ...]:
    for wanted, mapped in columns.columns.items():
        if mapped and mapped not in file.columns:
            mend = f"The file has {', '.join(file.columns)}."
            raise refused(
                file.path, f"the column that '{wanted}' is mapped to is missing", mend, column=mapped
            )
    fields: dict[str, str] = {}
    ignored: list[str] = []
    for column in file.columns:
        try:
            target = columns.field_of(column)
        except InvalidName as error:
            if file.uniform:
                reason = f"not usable as a figure's name ({error.reason})"
                raise refused(file.path, reason, error.mend, column=column) from error
            continue
        if target is None:
            ignored.append(column)
        elif target in fields and file.uniform:
            reason = f"it means the same as column {fields[target]}"
            raise refused(file.path, reason, "Remove one of the two.", column=column)
        else:
            fields[target] = column
    for needed in REQUIRED:
        if needed not in fields:
            other = next((f" (or '{alias}')" for alias, name in ALIASES.items() if name == needed), "")
            mend = f"Needed are {', '.join(REQUIRED)}; the file has {', '.join(file.columns)}, which can be mapped."
            raise refused(file.path, f"the column is missing{other}", mend, column=needed)
    return tuple(name for name in ignored if name not in DERIVED)


def _write(store: ObservationStore, observations: Sequence[ABObservation]) -> WriteResult:
    stored = duplicates = stubborn = 0
    rejected: list[Rejected] = []
    left = observations
    while left:
        result = store.write(left)
        stored, duplicates = stored + result.stored, duplicates + result.duplicates
        rejected.extend(result.rejected)
        stubborn = stubborn + 1 if len(result.unprocessed) == len(left) else 0
        if stubborn == STUBBORN_ROUNDS:
            raise BackendUnavailable(
                value=f"{len(left)} observations",
                reason="the observation store has no room for them just now",
                mend="Import the file again later: what is stored already is not stored twice.",
            )
        left = result.unprocessed
    return WriteResult(stored=stored, duplicates=duplicates, rejected=rejected)


class _Refusal(NamedTuple):
    """A refused row, the column and the value that it is refused for, and the reason."""

    row: Row
    column: str | None
    value: object
    reason: str


class _RejectFile:
    """Written beside its place, and put there whole at the end if it holds anything.

    A line is the row itself, so that it can be mended there and imported again, and says under ``rejected`` why it is
    here. A row that cannot be read has no columns; what was there is under ``rejected`` too, as ``text``.
    """

    def __init__(self, path: Path) -> None:
        self.reasons: Counter[str] = Counter()
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        self._file: TextIO | None = None

    def add(self, refusals: Iterable[_Refusal]) -> None:
        """Refuse rows."""
        for row, column, value, reason in sorted(refusals, key=lambda each: each.row.number):
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._temporary.open("w", encoding="utf-8")
            why = {"row": row.number, "column": column, "value": value, "reason": reason}
            if row.text is not None:
                why["text"] = row.text
            # Escaped, since a value may hold half of a surrogate pair.
            self._file.write(json.dumps({**row.cells, REJECTED: why}, default=str) + "\n")
            self.reasons[_kind(column, reason)] += 1

    def __enter__(self) -> _RejectFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        self._file.close()
        try:
            if kind is None:
                os.replace(self._temporary, self._path)
        finally:
            with suppress(FileNotFoundError):
                self._temporary.unlink()


def _kind(column: str | None, reason: str) -> str:
    """A reason without what differs from row to row: that stands in brackets."""
    kind = reason.partition(" (")[0]
    return f"{column}: {kind}" if column else kind
