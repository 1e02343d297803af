"""The chronicle: everything that happened to an experiment, as the ledger tells it, in words a reader can follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kenshin.experiments.looks import subject_of
from kenshin.ledger import Ledger

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Args:
        number: of its entry in the ledger.
        at: when, in UTC.
        kind: created, started, phase_opened, changed, backdated, stopped, look, answer, refusal, concluded or
            withdrawn.
        by: who or what did it.
        words: what it was.
        body: the entry's details.
    """

    number: int
    at: datetime
    kind: str
    by: str
    words: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chronicle:
    """Events in the order in which they happened."""

    events: tuple[Event, ...]

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def rows(self) -> list[dict[str, Any]]:
        """One row an event."""
        return [
            {
                "number": each.number,
                "at": each.at.isoformat(),
                "kind": each.kind,
                "by": each.by,
                "words": each.words,
                "body": dict(each.body),
            }
            for each in self.events
        ]

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.rows())


def chronicle_of(ledger: Ledger, experiment_id: str) -> Chronicle:
    """The chronicle of an experiment."""
    return Chronicle(
        tuple(
            Event(
                each.version,
                each.value.at,
                each.value.kind,
                each.value.by,
                _words(each.value.kind, each.value.body),
                each.value.body,
            )
            for each in ledger.read(subject_of(experiment_id))
        )
    )


def _words(kind: str, body: Mapping[str, Any]) -> str:
    match kind:
        case "look":
            return f"look {body['look']}, through {body['day']}: {body['decision']['verdict']}"
        case "answer":
            how = {"timed_out": ", nobody answered in time", "automatic": ", by the policy"}
            return f"{body['choice']}{how.get(body['how'], '')} ({body['report_key']})"
        case "refusal":
            return f"{body['choice']} refused: {body['reason']}"
        case "withdrawn":
            return f"arm {body['arm']} gets no more sessions; version {body['version']}"
        case "concluded" | "stopped" if body["definition"]["winner"] is not None:
            return f"arm {body['definition']['winner']} wins; version {body['version']}"
    return f"{body['definition']['status']}, phase {body['definition']['phase']}; version {body['version']}"
