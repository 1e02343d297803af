"""Two shapes in which several ports answer: a versioned value and a page of items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Versioned(Generic[T]):
    """A value and the version under which the store holds it (1 is the first)."""

    value: T
    version: int


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, and the opaque token with which to ask for the next page (None: this was the last)."""

    items: Sequence[T]
    next: str | None = None
