"""A value in JSON's words: what has none of its own is told as text, and nothing goes deeper than asked for."""

from __future__ import annotations

from collections.abc import Mapping

DEEPEST = 8
UNREADABLE = "(unreadable)"


def plain(value: object, *, depth: int = DEEPEST) -> object:
    """The value with everything that JSON has no word for told as text, and nothing deeper than `depth`."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if depth > 0 and isinstance(value, Mapping):
        return {_told(key): plain(inner, depth=depth - 1) for key, inner in value.items()}
    if depth > 0 and isinstance(value, list | tuple):
        return [plain(inner, depth=depth - 1) for inner in value]
    return "…" if isinstance(value, Mapping | list | tuple) else _told(value)


def _told(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return UNREADABLE
