"""The catalogue: each metric declared once; every projection (EMF, dashboards, tables, pages) reads it here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kenshin.signals.verdicts import DECISION_CODES

Unit = Literal["Percent", "Milliseconds", "Count", "None"]
Kind = Literal["count", "distribution", "level"]
DimensionSets = tuple[tuple[str, ...], ...]

FAMILY = "<name>"
"""Where a metric's name holds this, its field gives values by name, and each name makes a metric of its own."""

DIMENSIONS: dict[str, str] = {
    "Experiment": "experiment_id",
    "Arm": "arm",
    "Index": "index",
    "ModelId": "model",
    "Intent": "intent",
    "ErrorCode": "error_kind",
    "Tier": "tier",
    "Template": "template_name",
    "Sink": "sink",
    "Reason": "reason",
    "Dimension": "dimension",
}
"""Which record field gives a dimension its value."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Args:
        name: as CloudWatch shows it.
        namespace: what follows the configurable root, e.g. ``RetrievalHealth`` in ``MangaAssist/RetrievalHealth``.
        unit: CloudWatch's word for the unit.
        record_type: the record that carries it.
        field: the record's field or property; None there emits nothing.
        dimensions: the sets under which it is published; the empty set is the total, which CloudWatch does not form. A
            set with a dimension that the record has no value for is left out.
        meaning: one sentence for the documentation.
        kind: ``count``: its sum over records means something; ``distribution``: its percentiles do; ``level``: a state,
            of which the latest counts.
    """

    name: str
    namespace: str
    unit: Unit
    record_type: str
    field: str
    dimensions: DimensionSets
    meaning: str
    kind: Kind


_PER_INDEX: DimensionSets = ((), ("Index",))
_PER_ARM: DimensionSets = (("Experiment", "Arm"),)
_PER_MODEL: DimensionSets = ((), ("ModelId",))
_PER_INTENT: DimensionSets = ((), ("ModelId",), ("ModelId", "Intent"))
_PER_TEMPLATE: DimensionSets = ((), ("Intent",), ("Intent", "Template"))


def _drift(name: str, unit: Unit, field: str, meaning: str) -> Metric:
    return Metric(name, "RetrievalHealth", unit, "drift_report", field, _PER_INDEX, meaning, "level")


def _experiment(name: str, unit: Unit, field: str, meaning: str) -> Metric:
    return Metric(name, "Experiments", unit, "experiment_analysis", field, _PER_ARM, meaning, "level")


def _budget(name: str, unit: Unit, field: str, kind: Kind, meaning: str) -> Metric:
    return Metric(name, "ContentHandling", unit, "budget_check", field, _PER_MODEL, meaning, kind)


def _usage(name: str, unit: Unit, field: str, kind: Kind, meaning: str) -> Metric:
    return Metric(name, "ContentHandling", unit, "usage_observed", field, _PER_MODEL, meaning, kind)


def _call(
    name: str, unit: Unit, field: str, kind: Kind, meaning: str, dimensions: DimensionSets = _PER_INTENT
) -> Metric:
    return Metric(name, "BedrockHealth", unit, "bedrock_health", field, dimensions, meaning, kind)


def _trace(name: str, unit: Unit, field: str, kind: Kind, meaning: str) -> Metric:
    return Metric(name, "PromptObservability", unit, "prompt_trace", field, _PER_TEMPLATE, meaning, kind)


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
    _budget(
        "BudgetUtilization",
        "Percent",
        "utilization_pct",
        "distribution",
        "Estimated share of the budget in use.",
    ),
    _budget(
        "BudgetUtilizationUpper",
        "Percent",
        "upper_pct",
        "distribution",
        "Its 95 % upper bound; status and the alarm HighBudgetUtilization go by it.",
    ),
    _budget(
        "PromptTokens",
        "Count",
        "total_tokens",
        "distribution",
        "Estimated tokens, the reserve for the answer included.",
    ),
    _budget("BudgetCheckCount", "Count", "checks", "count", "Checks made."),
    _budget("BudgetWarningCount", "Count", "warnings", "count", "Checks that ended with a warning."),
    _budget("BudgetCriticalCount", "Count", "criticals", "count", "Checks that ended critical."),
    _budget(
        "BudgetSavedTokens",
        "Count",
        "saved_tokens",
        "count",
        "Estimated tokens saved by compressing and trimming.",
    ),
    _usage(
        "TokenEstimateError",
        "Percent",
        "error_pct",
        "distribution",
        "How far the estimate in force was off what the model reported.",
    ),
    _usage(
        "TokenEstimateMissCount",
        "Count",
        "misses",
        "count",
        "Prompts that exceeded the upper bound in force, or the context window.",
    ),
    _usage("UsageObservedCount", "Count", "observations", "count", "Prompts of which usage was reported."),
    _call(
        "InvocationLatency",
        "Milliseconds",
        "sent_latency_ms",
        "distribution",
        "Time to the end of the answer, retries included; none of calls that a breaker refused.",
    ),
    _call(
        "InvocationCount",
        "Count",
        "calls",
        "count",
        "Calls, whatever became of them, those that a breaker refused included.",
        (*_PER_INTENT, ("Tier",)),
    ),
    _call(
        "InputTokens", "Count", "input_tokens", "count", "Tokens of prompts that were not read from a cache."
    ),
    _call("OutputTokens", "Count", "output_tokens", "count", "Tokens of answers."),
    _call("SuccessCount", "Count", "successes", "count", "Calls that succeeded."),
    _call("ThrottleCount", "Count", "throttles", "count", "Calls that the service throttled."),
    _call(
        "ErrorCount",
        "Count",
        "errors",
        "count",
        "Calls that failed or timed out.",
        (*_PER_INTENT, ("ModelId", "ErrorCode")),
    ),
    _call("TimeoutCount", "Count", "timeouts", "count", "Calls that timed out; they are errors too."),
    _call("RetryCount", "Count", "retries", "count", "Tries beyond the first."),
    _call(
        "CircuitBreakerState",
        "None",
        "circuit_code",
        "level",
        "0 closed, 1 half open, 2 open; without dimensions, take its maximum.",
        _PER_MODEL,
    ),
    _call(
        "FirstTokenLatency",
        "Milliseconds",
        "first_token_ms",
        "distribution",
        "Time to the first token of a stream.",
    ),
    _call(
        "CacheReadTokens",
        "Count",
        "cache_read_tokens",
        "count",
        "Tokens of prompts that were read from a cache.",
    ),
    _call(
        "CacheWriteTokens",
        "Count",
        "cache_write_tokens",
        "count",
        "Tokens of prompts that were written to a cache.",
    ),
    _call(
        "GuardrailInterventionCount",
        "Count",
        "interventions",
        "count",
        "Calls in which a guardrail intervened.",
    ),
    _call("CancelledCount", "Count", "cancellations", "count", "Calls that the client gave up."),
    _call(
        "ContextOverflowCount", "Count", "overflows", "count", "Prompts that did not fit the context window."
    ),
    _call(
        "RequestHeadroom",
        "Percent",
        "request_headroom_pct",
        "level",
        "Left of the requests-a-minute quota.",
        _PER_MODEL,
    ),
    _call(
        "TokenHeadroom",
        "Percent",
        "token_headroom_pct",
        "level",
        "Left of the tokens-a-minute quota.",
        _PER_MODEL,
    ),
    _trace(
        "TotalExecutionDuration",
        "Milliseconds",
        "total_duration_ms",
        "distribution",
        "Sum of the spans directly in the trace.",
    ),
    _trace(
        "Span_<name>", "Milliseconds", "span_durations", "distribution", "Duration of each span of that name."
    ),
    _trace("TraceCount", "Count", "traces", "count", "Traces finished."),
    _trace(
        "TraceFailureCount",
        "Count",
        "failures",
        "count",
        "Traces that ended with an exception, or a span directly in them did.",
    ),
    _trace("SchemaViolation", "Count", "violations", "count", "Answers that break their schema."),
    _trace(
        "SchemaValidated", "Count", "validations", "count", "Answers held against a schema: the denominator."
    ),
    _trace(
        "HallucinationRisk",
        "Count",
        "hallucination_risks",
        "count",
        "Answers that claim what their context does not support.",
    ),
    _trace("HallucinationScore", "None", "hallucination_score", "distribution", "How much of it, 0 to 1."),
    _trace("ConfusionDetected", "Count", "confusions", "count", "Exchanges that show confusion."),
    _trace("ConfusionScore", "None", "confusion_score", "distribution", "How strong its signs are, 0 to 1."),
    _trace("QualityScore", "None", "quality_score", "distribution", "Composite score of the answer, 0 to 1."),
    Metric(
        "RecordsLost",
        "Signals",
        "Count",
        "signals_lost",
        "lost",
        ((), ("Sink", "Reason")),
        "Records that did not reach a sink.",
        "count",
    ),
    Metric(
        "DimensionValuesFolded",
        "Signals",
        "Count",
        "dimension_folded",
        "folded",
        ((), ("Dimension",)),
        "Records whose dimension value came after the cap and was published as (other).",
        "count",
    ),
)


def as_markdown() -> str:
    """The metric table of the documentation."""
    lines = [
        "| metric | namespace | unit | kind | dimensions | record field | meaning |",
        "|---|---|---|---|---|---|---|",
    ]
    for metric in CATALOGUE:
        sets = ", ".join(f"`[{', '.join(names)}]`" for names in metric.dimensions)
        lines.append(
            f"| `{metric.name}` | `MangaAssist/{metric.namespace}` | {metric.unit} | {metric.kind} | {sets} "
            f"| `{metric.record_type}.{metric.field}` | {metric.meaning} |"
        )
    return "\n".join(lines) + "\n"
