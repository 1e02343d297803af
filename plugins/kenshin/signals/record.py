"""What a record is: one event, in a form that every sink can render."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import ClassVar, Protocol, runtime_checkable


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
        for name in field_names(type(self)):
            value = getattr(self, name)
            if value is not None:
                line[name] = value.isoformat() if hasattr(value, "isoformat") else value
        return line


_field_names: dict[type, tuple[str, ...]] = {}


def field_names(kind: type) -> tuple[str, ...]:
    """A record class's fields but the instant, in order; read once a class, since a line is rendered per request."""
    names = _field_names.get(kind)
    if names is None:
        names = _field_names[kind] = tuple(field.name for field in fields(kind) if field.name != "at")
    return names
