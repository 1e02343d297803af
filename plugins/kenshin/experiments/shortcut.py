"""The short way of an import: rows that are plainly observations are made by column.

`Converter` alone knows why a row is none. Here a cell is either converted as it would convert it, or it is in doubt,
and then its row is left to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from itertools import compress
from math import isfinite
from typing import Any

from kenshin.days import day_of
from kenshin.errors import InvalidName, InvalidObservation
from kenshin.experiments.columns import GROUPS
from kenshin.experiments.conversion import BadRow, Converter, pairs_of, parsed
from kenshin.experiments.observation import ABObservation, content_ids
from kenshin.experiments.reading import Chunk

DOUBT = object()
"""Stands for a cell that `Converter` has to look at."""

TEXTS = ("session_id", "arm", "prompt_version", "intent", "trace_id", "observation_id", "experiment_id")
NUMBERS = ("quality_score", "latency_ms", "phase")
INSTANTS = ("observed_at", "recorded_at")
FIELDS = tuple(field.name for field in fields(ABObservation))

Column = Sequence[Any]


class Shortcut:
    """Makes the observations of plain rows.

    Args:
        converter: makes those of the others.
    """

    def __init__(self, converter: Converter) -> None:
        self._converter = converter

    def observations(self, chunk: Chunk) -> Sequence[ABObservation | None]:
        """By row that can be read, its observation; None where the row is in doubt."""
        count = len(chunk.numbers)
        by_field = self._converter.fields(chunk.columns)
        if by_field is None or "observed_at" not in by_field:
            return [None] * count
        cells = {
            field: self._converted(field, chunk.columns[column], count) for field, column in by_field.items()
        }
        plain = self._plain(cells, count)
        kept: dict[str, Column] = {field: list(compress(column, plain)) for field, column in cells.items()}
        made = iter(self._made(kept, sum(plain)))
        return [next(made) if each else None for each in plain]

    def _converted(self, field: str, column: Column, count: int) -> Column:
        meanings = self._converter.columns
        if field in meanings.values:
            column = [_meant(meanings.value(field, cell)) if _said(cell) else None for cell in column]
        if field in TEXTS:
            return column if _all_texts(column) else list(map(_text, column))
        if field in INSTANTS:
            return list(map(_instant, column))
        if field in GROUPS:
            return [_pairs(field, cell) for cell in column]
        return list(map(_number, column))

    def _plain(self, cells: Mapping[str, Column], count: int) -> Sequence[bool]:
        """Which rows are in no doubt."""
        converter, nothing = self._converter, [None] * count
        plain = [True] * count
        for column in cells.values():
            if DOUBT in column:
                plain = [each and cell is not DOUBT for each, cell in zip(plain, column, strict=True)]
        needed = (cells.get(name, nothing) for name in ("session_id", "arm", "observed_at"))
        earliest, latest, versions = converter.earliest, converter.latest, converter.versions
        plain = [
            each and session is not None and arm in versions and at is not None and earliest <= at <= latest
            for each, session, arm, at in zip(plain, *needed, strict=True)
        ]
        phases = cells.get("phase")
        if phases is not None:
            prompts = cells.get("prompt_version", nothing)
            plain = [
                each
                and (
                    phase is None
                    or (phase.is_integer() and (prompt is not None or phase >= converter.experiment.phase))
                )
                for each, phase, prompt in zip(plain, phases, prompts, strict=True)
            ]
        return plain

    def _made(self, cells: dict[str, Column], count: int) -> Iterable[ABObservation | None]:
        converter, nothing = self._converter, [None] * count
        experiment_id, phase = converter.experiment.experiment_id, converter.experiment.phase
        if "phase" in cells:
            cells["phase"] = [None if each is None else int(each) for each in cells["phase"]]
        groups = {group: self._group(group, cells, count) for group in GROUPS}
        said = {name: cells[name] for name in (*TEXTS[:5], *NUMBERS, "observed_at") if name in cells} | groups
        ids = cells.get("observation_id", nothing)
        if None in ids:
            hashed = content_ids(experiment_id, said)
            ids = [given or made for given, made in zip(ids, hashed, strict=True)]
        versions, zone = converter.versions, converter.zone
        columns = {
            **dict.fromkeys(FIELDS, nothing),
            **said,
            "observation_id": ids,
            "experiment_id": _filled(cells, "experiment_id", [experiment_id] * count),
            "prompt_version": _filled(cells, "prompt_version", [versions[arm] for arm in cells["arm"]]),
            "recorded_at": _filled(cells, "recorded_at", [converter.recorded_at] * count),
            "day": [day_of(at, zone) for at in cells["observed_at"]],
            "phase": _filled(cells, "phase", [phase] * count),
        }
        check = converter.admission.check
        for row in zip(*(columns[name] for name in FIELDS), strict=True):
            try:
                yield check(ABObservation(*row))
            except (InvalidObservation, InvalidName):
                yield None

    def _group(self, group: str, cells: Mapping[str, Column], count: int) -> Sequence[dict[str, float]]:
        figures = {field: name for field, name in self._converter.figures[group].items() if field in cells}
        names = tuple(figures.values())
        whole = [pairs or {} for pairs in cells[group]] if group in cells else [{}] * count
        if not names:
            return whole
        return [
            {**pairs, **{name: each for name, each in zip(names, row, strict=True) if each is not None}}
            for pairs, *row in zip(whole, *(cells[field] for field in figures), strict=True)
        ]


def _filled(cells: Mapping[str, Column], field: str, default: Column) -> Column:
    """A column, with a default where it says nothing."""
    if field not in cells:
        return default
    return [other if cell is None else cell for cell, other in zip(cells[field], default, strict=True)]


def _said(cell: Any) -> bool:
    return cell is not None and not (isinstance(cell, str) and not cell)


def _meant(meaning: Any) -> Any:
    # A meaning that says nothing is something else than a cell that does.
    return meaning if _said(meaning) else DOUBT


def _all_texts(column: Column) -> bool:
    return set(map(type, column)) == {str} and all(column)


def _text(cell: Any) -> Any:
    if not _said(cell):
        return None
    if type(cell) is int:
        return str(cell)
    return cell if type(cell) is str else DOUBT


def _number(cell: Any) -> Any:
    if not _said(cell):
        return None
    if type(cell) not in {str, float, int}:
        return DOUBT
    try:
        number = float(cell)
    except (ValueError, OverflowError):
        return DOUBT
    return number if isfinite(number) else DOUBT


def _instant(cell: Any) -> Any:
    if not _said(cell):
        return None
    if type(cell) not in {str, float, int, datetime}:
        return DOUBT
    try:
        instant = parsed(cell)
        return DOUBT if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return DOUBT


def _pairs(group: str, cell: Any) -> Any:
    if not _said(cell):
        return None
    try:
        return pairs_of(group, cell)
    except BadRow:
        return DOUBT
