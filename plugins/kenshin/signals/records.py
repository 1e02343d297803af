"""Records: what happened, once, in a form that every sink can render.

A record is a frozen dataclass with a `record_type`, the instant `at`, and fields that the catalogue and the
structured log line read by name. It carries figures and identifiers, never the text of a prompt or a document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
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


class _Logged:
    """Renders a dataclass's fields as a structured log line."""

    __slots__ = ()
    record_type: ClassVar[str]

    def log_fields(self) -> dict[str, object]:
        """``log_type`` and every field but the instant that is not None."""
        line: dict[str, object] = {"log_type": self.record_type}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if field.name != "at" and value is not None:
                line[field.name] = value.isoformat() if hasattr(value, "isoformat") else value
        return line


DECISION_CODES: Mapping[str, int] = {
    "continue": 0,
    "extend": 1,
    "inconclusive": 2,
    "promote": 3,
    "reject": 4,
    "roll_back": 5,
    "hold": 6,
}
"""A night's verdict as a number, for graphs."""


@dataclass(frozen=True, slots=True)
class ExperimentAnalysed(_Logged):
    """One arm compared with control, one night."""

    record_type: ClassVar[str] = "experiment_analysis"

    at: datetime
    experiment_id: str
    day: str
    arm: str
    status: str
    sample_a: int
    sample_b: int
    sessions_a: int
    sessions_b: int
    score_delta: float | None = None
    p_value: float | None = None
    significant: bool | None = None
    recommendation: str | None = None
    report_key: str | None = None
    look: int | None = None
    z: float | None = None
    boundary: float | None = None
    alpha_spent: float | None = None
    decision: str | None = None
    decision_code: int | None = None
    decided_arm: str | None = None


@dataclass(frozen=True, slots=True)
class DriftMeasured(_Logged):
    """One day's drift report of one index; figures rounded as the report rounds them."""

    record_type: ClassVar[str] = "drift_report"

    at: datetime
    index: str
    day: str
    mode: str
    sample_size: int
    drifted_count: int
    invalid_count: int
    invalid_share_pct: float
    alert: bool
    mean_drift: float | None = None
    p95_drift: float | None = None
    max_drift: float | None = None
    report_key: str | None = None


RECORD_TYPES: Mapping[str, type] = {kind.record_type: kind for kind in (ExperimentAnalysed, DriftMeasured)}
"""Every record class by its `record_type`."""
