from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.signals.guard import DimensionGuard
from kenshin.signals.points import dimensions_of, points_of
from kenshin.signals.records import SpanTimed


def named(record, guard=None) -> dict[str, list[float]]:
    return {name: values for _, name, values in points_of(record, guard or DimensionGuard())}


def test_a_field_without_value_emits_no_metric(drift_record):
    emitted = named(drift_record(mean_drift=None))
    assert "EmbeddingDriftMean" not in emitted
    assert emitted["EmbeddingDriftP95"] == [0.17]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2.0**361, 10**400])
def test_a_value_that_cloudwatch_refuses_is_left_out(drift_record, value):
    emitted = named(drift_record(p95_drift=value))
    assert "EmbeddingDriftP95" not in emitted
    assert "EmbeddingDriftMean" in emitted


def test_spans_make_a_metric_of_each_name_and_keep_every_duration(trace_record):
    spans = (SpanTimed("tool", 1.5), SpanTimed("tool", 2.5, parent_id="a" * 16), SpanTimed("reply", math.nan))
    emitted = named(trace_record(spans=spans))
    assert emitted["Span_tool"] == [1.5, 2.5]
    assert "Span_reply" not in emitted


def test_the_names_of_spans_are_capped_and_nothing_of_them_is_lost(trace_record):
    spans = tuple(SpanTimed(f"step-{number}", float(number)) for number in range(10))
    emitted = named(trace_record(spans=spans), DimensionGuard(cap=3))
    assert {name for name in emitted if name.startswith("Span_")} == {
        "Span_step-0",
        "Span_step-1",
        "Span_step-2",
        "Span_(other)",
    }
    assert emitted["Span_(other)"] == [3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]


def test_a_dimension_without_value_is_missing(call_record):
    assert set(dimensions_of(call_record(), DimensionGuard())) == {"ModelId", "Intent"}
    failed = dimensions_of(call_record(status="error", tier="fast"), DimensionGuard())
    assert failed["ErrorCode"] == "Unknown"
    assert failed["Tier"] == "fast"
    assert failed["ModelId"] == "anthropic.claude-3-haiku-20240307-v1:0"


@given(st.lists(st.tuples(st.text(max_size=20), st.floats(0, 1e6)), max_size=30))
def test_no_duration_is_lost_or_doubled_whatever_spans_are_called(pairs):
    from datetime import UTC, datetime

    from kenshin.signals.records import PromptTraced

    spans = tuple(SpanTimed(name, duration) for name, duration in pairs)
    record = PromptTraced(datetime.now(UTC), "t", "s", "i", "n", "v", 1.0, spans)
    emitted = named(record, DimensionGuard(cap=5))
    found = [value for name, values in emitted.items() if name.startswith("Span_") for value in values]
    assert sorted(found) == sorted(duration for _, duration in pairs)
