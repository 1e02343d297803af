"""What a record is: one event, in a form that every sink can render."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import date, datetime
from operator import attrgetter
from typing import Any, ClassVar, Protocol, runtime_checkable


@runtime_checkable
class Record(Protocol):
    """What a sink can carry out."""

    record_type: ClassVar[str]

    @property
    def at(self) -> datetime:
        """When it happened, aware, UTC."""
        ...

    def log_fields(self) -> Mapping[str, object]:
        """The fields of the structured log line, JSON-ready, without None."""
        ...


class Logged:
    """Renders a dataclass's fields as a structured log line."""

    __slots__ = ()
    record_type: ClassVar[str]

    def log_fields(self) -> dict[str, object]:
        """``log_type`` and every field but the instant that is not None."""
        line: dict[str, object] = {"log_type": self.record_type}
        kind = type(self)
        names, values_of = _readings.get(kind) or _read(kind)
        for name, value in zip(names, values_of(self), strict=True):
            if value is not None:
                line[name] = value.isoformat() if isinstance(value, date) else value
        return line


def field_names(kind: type) -> tuple[str, ...]:
    """A record class's fields but the instant, in order."""
    return (_readings.get(kind) or _read(kind))[0]


_readings: dict[type, tuple[tuple[str, ...], attrgetter[tuple[Any, ...]]]] = {}


def _read(kind: type) -> tuple[tuple[str, ...], attrgetter[tuple[Any, ...]]]:
    """Names of the fields and how their values are read; made once a class, since a line is rendered per request."""
    names = tuple(field.name for field in fields(kind) if field.name != "at")
    reading = _readings[kind] = (names, attrgetter(*names))
    return reading
