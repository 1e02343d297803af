"""The ledger: what was looked at, decided and answered, append-only, in the order in which it happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kenshin.ports import Versioned


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One thing that happened to a subject.

    Args:
        subject: what it happened to, e.g. ``experiment:star-class-size``.
        key: what makes it the same event when it is told twice, e.g. ``look:2026-11-14``.
        kind: look, decision, answer, registration, …
        at: when, in UTC.
        by: who or what did it.
        body: JSON-ready details.
    """

    subject: str
    key: str
    kind: str
    at: datetime
    by: str
    body: Mapping[str, object]


class Ledger(Protocol):
    """An append-only, strongly consistent log per subject, numbered from 1."""

    def append(self, entry: LedgerEntry, *, after: int | None = None) -> Versioned[LedgerEntry]:
        """Add an entry; a repeated (subject, key) changes nothing and answers the first one.

        Args:
            entry: what happened.
            after: the number that must be the subject's last one now (0: none yet); None does not ask.

        Raises:
            Conflict: the subject's last number is another.
        """
        ...

    def read(self, subject: str, *, since: int = 0) -> Sequence[Versioned[LedgerEntry]]:
        """The subject's entries with a number above `since`, in order."""
        ...
