from __future__ import annotations

import pytest

from kenshin.signals.guard import DimensionGuard
from kenshin.signals.points import points_of
from kenshin.signals.records import SpanTimed

from .conftest import SPANS, TRACE

SEED_KEYS = {
    "log_type",
    "trace_id",
    "session_id",
    "intent",
    "template_name",
    "template_version",
    "total_duration_ms",
    "schema_valid",
    "hallucination_risk",
    "spans",
}


def test_the_log_line_has_every_key_of_the_proof_of_concept(trace_record):
    line = trace_record().log_fields()
    assert line.keys() >= SEED_KEYS | {"confusion_detected"}
    assert (line["log_type"], line["trace_id"]) == ("prompt_trace", TRACE)
    assert line["total_duration_ms"] == 1565.76
    assert [span["name"] for span in line["spans"]] == list(SPANS)
    assert all(span.keys() >= {"name", "duration_ms", "success", "error"} for span in line["spans"])
    assert line["spans"][4]["duration_ms"] == 3.46


def test_the_total_counts_what_happened_within_a_span_once(trace_record):
    spans = (
        SpanTimed("outer", 100.0, span_id="a" * 16),
        SpanTimed("inner", 60.0, parent_id="a" * 16),
        SpanTimed("after", 5.0),
    )
    record = trace_record(spans=spans)
    assert record.total_duration_ms == 105.0
    assert record.span_durations == {"outer": [100.0], "inner": [60.0], "after": [5.0]}


@pytest.mark.parametrize(
    ("changes", "emitted"),
    [
        ({}, set()),
        ({"schema_checked": True}, {"SchemaValidated"}),
        ({"schema_checked": True, "schema_valid": False}, {"SchemaValidated", "SchemaViolation"}),
        (
            {"hallucination_risk": True, "hallucination_score": 0.5},
            {"HallucinationRisk", "HallucinationScore"},
        ),
        ({"confusion_detected": True}, {"ConfusionDetected"}),
        ({"quality_score": 0.7}, {"QualityScore"}),
        ({"error": "TimeoutError"}, {"TraceFailureCount"}),
        ({"spans": (SpanTimed("a", 1.0, success=False, error="E"),)}, {"TraceFailureCount"}),
        (
            {
                "spans": (
                    SpanTimed("a", 1.0, span_id="a" * 16),
                    SpanTimed("tried", 1.0, success=False, error="E", parent_id="a" * 16),
                )
            },
            set(),
        ),
    ],
)
def test_quality_signals_are_metrics_only_where_there_is_something_to_say(trace_record, changes, emitted):
    found = {name for _, name, _ in points_of(trace_record(**changes), DimensionGuard())}
    always = {"TraceCount", "TotalExecutionDuration"}
    assert {name for name in found if not name.startswith("Span_")} == always | emitted
