"""Records: what happened, once, in a form that every sink can render.

A record is a frozen dataclass with a `record_type`, the instant `at`, and fields that the catalogue and the
structured log line read by name. It carries figures and identifiers, never the text of a prompt or a document, unless
somebody switched its capture on (`content`). Those of a request live in `budgets`, `calls` and `traces`, those of the
signals themselves in `losses`; all are reachable here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from kenshin.signals.budgets import BudgetChecked
from kenshin.signals.calls import BedrockHealthMetrics
from kenshin.signals.losses import DimensionFolded, RecordsLost
from kenshin.signals.record import Logged, Record
from kenshin.signals.traces import PromptTraced, SpanTimed
from kenshin.signals.usage import UsageObserved

__all__ = [
    "RECORD_TYPES",
    "BedrockHealthMetrics",
    "BudgetChecked",
    "DimensionFolded",
    "DriftMeasured",
    "ExperimentAnalysed",
    "PromptTraced",
    "Record",
    "RecordsLost",
    "SpanTimed",
    "UsageObserved",
]


@dataclass(frozen=True, slots=True)
class ExperimentAnalysed(Logged):
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
class DriftMeasured(Logged):
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


RECORD_TYPES: Mapping[str, type] = {
    kind.record_type: kind
    for kind in (
        ExperimentAnalysed,
        DriftMeasured,
        BudgetChecked,
        UsageObserved,
        BedrockHealthMetrics,
        PromptTraced,
        RecordsLost,
        DimensionFolded,
    )
}
"""Every record class by its `record_type`."""
