"""Columns of a file, and which field of an observation each fills: by its name, or by a map for another tool's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kenshin import names
from kenshin.errors import InvalidInput, InvalidName

ALIASES = {"group": "arm", "timestamp": "observed_at"}
"""The proof of concept's names of two columns."""

REQUIRED = ("session_id", "arm", "observed_at", "quality_score")
OPTIONAL = (
    "observation_id",
    "experiment_id",
    "prompt_version",
    "recorded_at",
    "phase",
    "intent",
    "trace_id",
    "latency_ms",
    "metrics",
    "covariates",
)
REJECTED = "rejected"
"""The column of a reject file that says why a row is in it."""

DERIVED = ("day", "shard", REJECTED)
"""Columns that an export or a reject file has, and that mean nothing in an import."""

GROUPS = ("metrics", "covariates")


def field_of(column: str) -> str | None:
    """The field that a column fills: its own name, an alias, ``metrics.…``, ``covariates.…``; None for others.

    Raises:
        InvalidName: what follows the dot is no name.
    """
    name = ALIASES.get(column, column)
    if name in REQUIRED or name in OPTIONAL:
        return name
    group, dot, figure = name.partition(".")
    if dot and group in GROUPS:
        names.checked(figure, what=f"one of the {group}")
        return name
    return None


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """How another tool's columns and values become those of observations.

    A field that is not mapped is filled by the column of its own name. A field that is mapped is filled by no other
    column, so one that has its name means nothing here.

    Args:
        columns: field to the column that fills it; an empty column: nothing fills it.
        values: by field, what a value means; values that are not named stay as they are. Numbers and truth values are
            named as JSON writes them.

    Raises:
        InvalidInput: a field is unknown, or one column is to fill two.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = {_known(name): column for name, column in _object(self.columns, "columns").items()}
        values = {
            _known(name): _object(meanings, f"values of '{name}'")
            for name, meanings in _object(self.values, "values").items()
        }
        for name, column in columns.items():
            if not isinstance(column, str):
                raise _refused(f"{name}={column!r}", "no column's name", "Write it as text.")
        filled = [column for column in columns.values() if column]
        for column in filled:
            if filled.count(column) > 1:
                raise _refused(column, "the column is to fill two fields", "Map it to one of them.")
        for name in GROUPS:
            if name in values:
                raise _refused(
                    name, "holds several figures", f"Name one of them in a map file: '{name}.rating'."
                )
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "values", values)

    def field_of(self, column: str) -> str | None:
        """The field that a column fills, or None; raises InvalidName, see `field_of`."""
        for name, mapped in self.columns.items():
            if mapped == column:
                return name
        own = field_of(column)
        return None if own in self.columns else own

    def value(self, name: str, value: Any) -> Any:
        """What a cell of a field means."""
        meanings = self.values.get(name)
        if meanings is None or isinstance(value, list | dict):
            return value
        spelled = value if isinstance(value, str) else json.dumps(value, default=str)
        return meanings.get(spelled, value)

    @classmethod
    def parse(
        cls, columns: Iterable[str] = (), values: Iterable[str] = (), *, file: Path | None = None
    ) -> ColumnMap:
        """Read a map as the command line has it.

        Args:
            columns: each ``field=column``.
            values: each ``field.value=meaning``, as in ``arm.control=A``.
            file: a JSON object with ``columns`` and ``values``; what the others say goes before it.

        Raises:
            InvalidInput: something cannot be read, or a field is unknown.
        """
        of_file = cls() if file is None else cls._read(file)
        mapped: dict[str, str] = {}
        for text in columns:
            name, equals, column = text.partition("=")
            if not equals:
                raise _refused(text, "no map of a field", "Write FIELD=COLUMN, as in observed_at=ts.")
            mapped[_known(name.strip())] = column.strip()
        meanings: dict[str, dict[str, str]] = {}
        for text in values:
            name, equals, meaning = text.partition("=")
            name, dot, value = name.partition(".")
            if not equals or not dot:
                raise _refused(text, "no map of a value", "Write FIELD.VALUE=MEANING, as in arm.control=A.")
            meanings.setdefault(_known(name.strip()), {})[value] = meaning
        return cls(
            {**of_file.columns, **mapped},
            {**of_file.values, **{n: {**of_file.values.get(n, {}), **m} for n, m in meanings.items()}},
        )

    @classmethod
    def _read(cls, path: Path) -> ColumnMap:
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise _refused(str(path), f"not readable as JSON ({error})", "Correct the file.") from error
        if not isinstance(body, dict) or not set(body) <= {"columns", "values"}:
            raise _refused(
                str(path), "no map of columns", "Write one JSON object with 'columns' and 'values'."
            )
        return cls(**body)


def _known(name: str) -> str:
    try:
        known = field_of(name)
    except InvalidName as error:
        raise _refused(name, "not usable as a figure's name", error.mend) from error
    if known is None:
        every = ", ".join([*REQUIRED, *OPTIONAL, *(f"{group}.<name>" for group in GROUPS)])
        raise _refused(name, "no field of an observation", f"Known fields: {every}.")
    return known


def _object(raw: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise _refused(what, "no object", "Write names and values.")
    return raw


def _refused(value: str, reason: str, mend: str) -> InvalidInput:
    return InvalidInput(value=value, reason=reason, mend=mend)


SAME = ColumnMap()
"""Every column under its own name."""
