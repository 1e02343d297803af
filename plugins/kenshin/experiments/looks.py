"""Looks: what each night saw of each candidate, and what was decided; one entry of the ledger a night.

The ledger holds the truth. A night's entry is keyed by its day, so that running the day again adds nothing, and a day
before the last look is retrospective: it is shown, decides nothing and is never appended, since the alpha of the later
looks is spent already. The lake gets an export for those who query it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

from kenshin.days import parse_day
from kenshin.experiments.decision import Decision
from kenshin.ledger import Ledger, LedgerEntry
from kenshin.parquet import encode
from kenshin.publishing import Manifest, partition, publish

if TYPE_CHECKING:
    from kenshin.lake import Lake

DATASET = "looks"
SCHEMA = "looks/1"
KIND = "look"
BY = "experiment_analysis"

Outcome = Literal["held", "undecided", "crossed_up", "crossed_down", "futile"]


@dataclass(frozen=True, slots=True)
class Look:
    """One candidate, one night.

    Args:
        look: number of the night's look, from 1.
        day: through which the observations were counted.
        night: days from the experiment's first to `day`.
        phase: the newest that was observed; the estimate is stratified over all.
        metric: what is decided on.
        arm: compared with control.
        sessions: of both arms, scored.
        information: 1/se².
        information_fraction: of what is to be expected at the horizon.
        time: the share of the horizon that has passed; alpha is spent by it.
        alpha_spent: of this comparison until now.
        boundary: |z| at which it decides; None where the look may not decide, and then it spends nothing.
        z: estimate by standard error.
        estimate: candidate minus control.
        se: its standard error.
        df: its degrees of freedom.
        ci_low: lower end of the repeated confidence interval; None without a boundary.
        ci_high: its upper end.
        outcome: what this look says of the arm.
        decision: the verdict of the night, over all arms.
        report_key: the night's report.
        code_version: of Kenshin that looked.
        sessions_a: of control, scored or not, as the sample ratio counts them.
        sessions_b: of the arm, counted alike.
        expected_b: the arm's assigned share of its own and control's sessions.
    """

    look: int
    day: date
    night: int
    phase: int
    metric: str
    arm: str
    sessions: int
    information: float
    information_fraction: float
    time: float
    alpha_spent: float
    boundary: float | None
    z: float
    estimate: float
    se: float
    df: float
    ci_low: float | None
    ci_high: float | None
    outcome: Outcome
    decision: str = ""
    report_key: str = ""
    code_version: str = ""
    sessions_a: int | None = None
    sessions_b: int | None = None
    expected_b: float | None = None

    @property
    def spent(self) -> bool:
        """Whether the look could decide, and so spent alpha."""
        return self.boundary is not None

    def as_dict(self) -> dict[str, Any]:
        """The look at a JSON edge."""
        return {**asdict(self), "day": self.day.isoformat()}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Look:
        """Read back what `as_dict` wrote."""
        return cls(**{**raw, "day": parse_day(raw["day"])})


@dataclass(frozen=True, slots=True)
class Night:
    """A recorded night.

    Args:
        number: of its entry in the ledger.
        look: number of the look.
        day: through which it counted.
        looks: one for each candidate that was estimated.
        decision: what was decided.
    """

    number: int
    look: int
    day: date
    looks: tuple[Look, ...]
    decision: Decision


@dataclass(frozen=True, slots=True)
class History:
    """The recorded nights of an experiment, in order of look.

    Args:
        nights: those that were recorded.
        last: number of the last entry of the ledger, of any kind; 0 where there is none.
    """

    nights: tuple[Night, ...] = ()
    last: int = 0

    @property
    def next_look(self) -> int:
        """The number of the look after the last one."""
        return max((night.look for night in self.nights), default=0) + 1

    def of(self, day: date) -> Night | None:
        """What was recorded on a day."""
        return next((night for night in self.nights if night.day == day), None)

    def looks(self, *, before: date | None = None) -> tuple[Look, ...]:
        """Every look, oldest first; those of earlier days only, if asked."""
        return tuple(
            look for night in self.nights if before is None or night.day < before for look in night.looks
        )

    def is_retrospective(self, day: date) -> bool:
        """Whether a later day was looked at already, and this one was not."""
        return self.of(day) is None and any(night.day > day for night in self.nights)


def subject_of(experiment_id: str) -> str:
    """Under what name the ledger knows an experiment."""
    return f"experiment:{experiment_id}"


def history_of(ledger: Ledger, experiment_id: str) -> History:
    """The recorded nights of an experiment."""
    entries = ledger.read(subject_of(experiment_id))
    return History(
        nights=tuple(
            _night(entry.version, entry.value.body) for entry in entries if entry.value.kind == KIND
        ),
        last=entries[-1].version if entries else 0,
    )


def signed(
    looks: Sequence[Look], *, number: int, decision: Decision, report_key: str, code_version: str
) -> tuple[Look, ...]:
    """A night's looks as the ledger keeps them: with their number, the verdict, and who looked."""
    return tuple(
        replace(
            look, look=number, decision=decision.verdict, report_key=report_key, code_version=code_version
        )
        for look in looks
    )


def looks_of(ledger: Ledger, experiment_id: str) -> tuple[Look, ...]:
    """Every recorded look of an experiment, oldest first."""
    return history_of(ledger, experiment_id).looks()


def record_night(
    ledger: Ledger,
    experiment_id: str,
    looks: Sequence[Look],
    decision: Decision,
    *,
    day: date,
    number: int,
    after: int,
    at: datetime,
) -> Night:
    """Append a night, or answer what was recorded of its day.

    Args:
        ledger: where the truth is.
        experiment_id: whose night.
        looks: one for each candidate that was estimated.
        decision: what was decided.
        day: through which it counted.
        number: of the look.
        after: the number of the last entry that the decision knew of.
        at: the present instant.

    Raises:
        Conflict: something happened to the experiment meanwhile; run the night again.
    """
    body = {
        "look": number,
        "day": day.isoformat(),
        "arms": [look.as_dict() for look in looks],
        "decision": decision.as_dict(),
    }
    entry = LedgerEntry(subject_of(experiment_id), f"{KIND}:{day.isoformat()}", KIND, at, BY, body)
    appended = ledger.append(entry, after=after)
    return _night(appended.version, appended.value.body)


def export_looks(lake: Lake, experiment_id: str, looks: Sequence[Look]) -> Manifest:
    """Write all looks of an experiment to the lake as Parquet."""
    import pyarrow as pa

    kinds = {"date": pa.date32()}
    kinds |= dict.fromkeys(("int", "int | None"), pa.int32())
    kinds |= dict.fromkeys(("float", "float | None"), pa.float64())
    schema = pa.schema([(each.name, kinds.get(str(each.type), pa.string())) for each in fields(Look)])
    table = pa.Table.from_pylist([asdict(look) for look in looks], schema=schema)
    body = encode(table, schema=SCHEMA, sort_by=("look", "arm"))
    return publish(lake, looks_partition(experiment_id), [("parquet", body)], schema=SCHEMA)


def looks_partition(experiment_id: str) -> str:
    """Where the export of an experiment's looks lies."""
    return partition(DATASET, experiment=experiment_id)


def _night(number: int, body: Mapping[str, Any]) -> Night:
    return Night(
        number=number,
        look=body["look"],
        day=parse_day(body["day"]),
        looks=tuple(Look.from_dict(each) for each in body["arms"]),
        decision=Decision.from_dict(body["decision"]),
    )
