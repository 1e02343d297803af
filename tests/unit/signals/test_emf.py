from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import emf_lines
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.signals.emf import LONGEST_LINE, EmfRenderer
from kenshin.signals.guard import OTHER, DimensionGuard
from kenshin.signals.records import PromptTraced, SpanTimed


@pytest.fixture
def renderer() -> EmfRenderer:
    return EmfRenderer("MangaAssist", DimensionGuard())


def test_a_line_carries_metrics_dimensions_and_fields(renderer, drift_record):
    (line,) = map(emf_lines.parse, renderer.lines(drift_record()))
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "MangaAssist/RetrievalHealth"
    assert directive["Dimensions"] == [[], ["Index"]]
    assert line["_aws"]["Timestamp"] == 1793901600000
    assert line["Index"] == "products"
    assert line["log_type"] == "drift_report"
    assert line["alert"] is True
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}[
        "DriftedDocumentCount"
    ] == "Count"


def test_every_record_is_one_line_that_keeps_to_the_specification(renderer, every_record):
    for record in every_record:
        (line,) = map(emf_lines.parse, renderer.lines(record))
        assert line["log_type"] == record.record_type
        assert emf_lines.metrics(line)


def test_an_error_is_counted_on_the_common_dimensions_and_by_its_code(renderer, call_record):
    (line,) = map(emf_lines.parse, renderer.lines(call_record(status="error")))
    assert emf_lines.sets_of(line, "ErrorCount") == [
        [],
        ["ModelId"],
        ["ModelId", "Intent"],
        ["ModelId", "ErrorCode"],
    ]
    assert emf_lines.sets_of(line, "InvocationCount") == [[], ["ModelId"], ["ModelId", "Intent"]]
    assert emf_lines.sets_of(line, "CircuitBreakerState") == [[], ["ModelId"]]
    assert (line["ErrorCode"], line["ErrorCount"]) == ("Unknown", 1)


def test_a_tier_adds_its_dimension_to_the_calls_alone(renderer, call_record):
    (line,) = map(emf_lines.parse, renderer.lines(call_record(tier="fast")))
    assert ["Tier"] in emf_lines.sets_of(line, "InvocationCount")
    assert ["Tier"] not in emf_lines.sets_of(line, "InputTokens")


def test_kept_patterns_do_not_leak_from_record_to_record(renderer, call_record):
    first, second, third = (
        next(map(emf_lines.parse, renderer.lines(call_record(**changes))))
        for changes in ({"tier": "fast"}, {}, {"status": "throttled", "intent": "greeting"})
    )
    assert ["Tier"] in emf_lines.sets_of(first, "InvocationCount")
    assert ["Tier"] not in emf_lines.sets_of(second, "InvocationCount")
    assert (third["Intent"], third["ThrottleCount"]) == ("greeting", 1)
    assert "SuccessCount" not in third


def test_more_values_than_a_metric_may_have_take_further_lines(renderer, trace_record):
    spans = tuple(SpanTimed("tool", float(number)) for number in range(250))
    lines = [emf_lines.parse(line) for line in renderer.lines(trace_record(spans=spans))]
    assert [len(line["Span_tool"]) for line in lines] == [100, 100, 50]
    assert [value for line in lines for value in line["Span_tool"]] == [span.duration_ms for span in spans]
    assert [("TraceCount" in line, "spans" in line) for line in lines] == [
        (True, True),
        *[(False, False)] * 2,
    ]


def test_more_metrics_than_a_directive_may_have_are_divided(trace_record):
    renderer = EmfRenderer("M", DimensionGuard(cap=500))
    spans = tuple(SpanTimed(f"step{number}", 1.0) for number in range(250))
    (line,) = map(emf_lines.parse, renderer.lines(trace_record(spans=spans)))
    assert len({name for name in emf_lines.metrics(line) if name.startswith("Span_")}) == 250


def test_a_line_that_would_be_too_long_keeps_its_metrics_and_says_what_it_left_out(renderer, trace_record):
    spans = tuple(SpanTimed("tool", 1.0, metadata={"note": "長" * 5000}) for _ in range(90))
    record = trace_record(spans=spans, template_version="1" * 2000)
    (line,) = renderer.lines(record)
    assert len(line) <= LONGEST_LINE
    members = emf_lines.parse(line)
    assert len(members["Span_tool"]) == 90
    assert members["left_out"] == ["spans", "template_version"]
    assert members["trace_id"] == record.trace_id


def test_what_json_has_no_word_for_is_told_as_text(renderer, trace_record):
    class Odd:
        def __str__(self) -> str:
            return "odd"

    metadata = {
        "nan": math.nan,
        "odd": Odd(),
        "inner": {1: (math.inf, 2.5)},
        "when": datetime(2026, 1, 1, tzinfo=UTC),
    }
    (line,) = map(
        emf_lines.parse, renderer.lines(trace_record(spans=(SpanTimed("a", 1.0, metadata=metadata),)))
    )
    assert line["spans"][0]["metadata"] == {
        "nan": "nan",
        "odd": "odd",
        "inner": {"1": ["inf", 2.5]},
        "when": "2026-01-01 00:00:00+00:00",
    }


def test_a_record_that_cannot_be_rendered_costs_itself_alone(renderer, trace_record):
    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError("no")

    loop: dict[str, object] = {}
    loop["loop"] = loop
    bad = trace_record(spans=(SpanTimed("a", 1.0, metadata={"x": Hostile()}),))
    deep = trace_record(spans=(SpanTimed("a", 1.0, metadata=loop),))
    rendered = renderer.batch([bad, deep, trace_record()])
    assert [text is None for text in rendered] == [True, False, False]


def test_folded_dimension_values_are_told_in_the_same_batch(call_record):
    renderer = EmfRenderer("MangaAssist", DimensionGuard(cap=2))
    rendered = renderer.batch([call_record(intent=f"intent-{number}") for number in range(5)])
    lines = [emf_lines.parse(line) for text in rendered for line in text.splitlines()]
    assert [line.get("Intent") for line in lines] == ["intent-0", "intent-1", OTHER, OTHER, OTHER, None]
    assert lines[3]["intent"] == "intent-3", "the log line keeps what the metric cannot"
    assert (lines[-1]["DimensionValuesFolded"], lines[-1]["Dimension"]) == (3, "Intent")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(alphabet="\ud800\udfff\x00\u2028"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(
    texts=st.tuples(*[st.text() | st.text(alphabet='\ud800\x00\n"\\商')] * 4),
    metadata=st.dictionaries(st.text(), JSON, max_size=4),
    duration=st.floats(),
    score=st.none() | st.floats(),
)
def test_any_record_is_a_line_that_cloudwatch_takes(texts, metadata, duration, score):
    record = PromptTraced(
        datetime(2026, 11, 5, tzinfo=UTC),
        *texts,
        template_version="v",
        elapsed_ms=1.0,
        spans=(SpanTimed(texts[0], duration, metadata=metadata),),
        quality_score=score,
    )
    (line,) = map(emf_lines.parse, EmfRenderer("M", DimensionGuard()).lines(record))
    assert json.loads(json.dumps(line["session_id"])) == texts[1]
