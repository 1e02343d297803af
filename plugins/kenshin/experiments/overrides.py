"""Overrides: sessions of testers, each with the arm that it is to see whatever its bucket says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class Overrides(Mapping[str, str]):
    """Arms by session id; a mapping that cannot be changed, so a definition that holds it can be hashed."""

    __slots__ = ("_arms",)

    def __init__(self, arms: Mapping[str, str] | None = None) -> None:
        self._arms = dict(arms or {})

    def __getitem__(self, session_id: str) -> str:
        return self._arms[session_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arms)

    def __len__(self) -> int:
        return len(self._arms)

    def __hash__(self) -> int:
        return hash(frozenset(self._arms.items()))

    def __repr__(self) -> str:
        return repr(self._arms)


NONE = Overrides()
"""No session is overridden."""
