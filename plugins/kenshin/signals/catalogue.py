"""The catalogue: each metric declared once; every projection (EMF, dashboards, tables, pages) reads it here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from kenshin.signals.records import DECISION_CODES, Record

Unit = Literal["Percent", "Milliseconds", "Count", "None"]
DimensionSets = tuple[tuple[str, ...], ...]

DIMENSIONS: dict[str, str] = {"Experiment": "experiment_id", "Arm": "arm", "Index": "index"}
"""Which record field gives a dimension its value."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Args:
        name: as CloudWatch shows it.
        namespace: what follows the configurable root, e.g. ``RetrievalHealth`` in ``MangaAssist/RetrievalHealth``.
        unit: CloudWatch's word for the unit.
        record_type: the record that carries it.
        field: the record's field; None there emits nothing.
        dimensions: the sets under which it is published; the empty set is the total, which CloudWatch does not form.
        meaning: one sentence for the documentation.
    """

    name: str
    namespace: str
    unit: Unit
    record_type: str
    field: str
    dimensions: DimensionSets
    meaning: str


_PER_INDEX: DimensionSets = ((), ("Index",))
_PER_ARM: DimensionSets = (("Experiment", "Arm"),)


def _drift(name: str, unit: Unit, field: str, meaning: str) -> Metric:
    return Metric(name, "RetrievalHealth", unit, "drift_report", field, _PER_INDEX, meaning)


def _experiment(name: str, unit: Unit, field: str, meaning: str) -> Metric:
    return Metric(name, "Experiments", unit, "experiment_analysis", field, _PER_ARM, meaning)


CATALOGUE: tuple[Metric, ...] = (
    _drift(
        "EmbeddingDriftMean", "None", "mean_drift", "Mean cosine distance between stored and fresh vectors."
    ),
    _drift(
        "EmbeddingDriftP95", "None", "p95_drift", "95th percentile of that distance; the alarm looks at it."
    ),
    _drift("EmbeddingDriftMax", "None", "max_drift", "Largest such distance in the sample."),
    _drift(
        "DriftedDocumentCount",
        "Count",
        "drifted_count",
        "Sampled documents whose distance passes the threshold.",
    ),
    _drift("InvalidVectorCount", "Count", "invalid_count", "Sampled documents that allow no comparison."),
    _drift("InvalidVectorShare", "Percent", "invalid_share_pct", "Their share of the sample, in percent."),
    _experiment("ExperimentSampleA", "Count", "sample_a", "Observations of the control arm so far."),
    _experiment("ExperimentSampleB", "Count", "sample_b", "Observations of the compared arm so far."),
    _experiment("ExperimentSessionsA", "Count", "sessions_a", "Sessions of the control arm so far."),
    _experiment("ExperimentSessionsB", "Count", "sessions_b", "Sessions of the compared arm so far."),
    _experiment("ExperimentScoreDelta", "None", "score_delta", "Compared arm's mean score minus control's."),
    _experiment("ExperimentPValue", "None", "p_value", "Welch's p by session, valid for one look only."),
    _experiment("ExperimentLook", "Count", "look", "Number of the night's look."),
    _experiment("ExperimentZ", "None", "z", "The difference by its standard error, stratified by phase."),
    _experiment("ExperimentBoundary", "None", "boundary", "The z that decides tonight, above or below zero."),
    _experiment(
        "ExperimentAlphaSpent", "None", "alpha_spent", "Alpha of the comparison that is spent so far."
    ),
    _experiment(
        "ExperimentDecision",
        "None",
        "decision_code",
        "The night's verdict: "
        + ", ".join(f"{code} {verdict}" for verdict, code in DECISION_CODES.items())
        + ".",
    ),
)

_BY_RECORD: dict[str, tuple[Metric, ...]] = {
    kind: tuple(metric for metric in CATALOGUE if metric.record_type == kind)
    for kind in sorted({metric.record_type for metric in CATALOGUE})
}


def metrics_of(record: Record) -> Iterator[tuple[Metric, float]]:
    """The metrics that a record carries, with their values; a field that is None carries none."""
    for metric in _BY_RECORD.get(record.record_type, ()):
        value = getattr(record, metric.field)
        if value is not None:
            yield metric, value


def dimension_values(record: Record, dimensions: DimensionSets) -> dict[str, str]:
    """The value of each dimension that the sets name."""
    return {name: str(getattr(record, DIMENSIONS[name])) for sets in dimensions for name in sets}


def as_markdown() -> str:
    """The metric table of the documentation."""
    lines = [
        "| metric | namespace | unit | dimensions | record field | meaning |",
        "|---|---|---|---|---|---|",
    ]
    for metric in CATALOGUE:
        sets = ", ".join(f"`[{', '.join(names)}]`" for names in metric.dimensions)
        lines.append(
            f"| `{metric.name}` | `MangaAssist/{metric.namespace}` | {metric.unit} | {sets} "
            f"| `{metric.record_type}.{metric.field}` | {metric.meaning} |"
        )
    return "\n".join(lines) + "\n"
