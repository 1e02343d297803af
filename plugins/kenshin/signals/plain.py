"""A value in JSON's words: what has none of its own is told as text, and nothing goes deeper than asked for."""

from __future__ import annotations

from collections.abc import Mapping

DEEPEST = 8
LARGEST = 2**63
"""Whole numbers from here on are told as text: collectors take 64 bits."""

UNREADABLE = "(unreadable)"


def plain(value: object, *, depth: int = DEEPEST) -> object:
    """The value with everything that JSON has no word for told as text, and nothing deeper than `depth`."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if -LARGEST <= value < LARGEST else told(value)
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if depth > 0 and isinstance(value, Mapping):
        try:
            return {told(key): plain(inner, depth=depth - 1) for key, inner in value.items()}
        except Exception:
            return UNREADABLE
    if depth > 0 and isinstance(value, list | tuple):
        return [plain(inner, depth=depth - 1) for inner in value]
    return "…" if isinstance(value, Mapping | list | tuple) else told(value)


def told(value: object) -> str:
    """The value as text, also where it refuses to be."""
    try:
        return str(value)
    except Exception:
        return UNREADABLE
