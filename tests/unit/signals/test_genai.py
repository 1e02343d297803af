from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.signals.genai import measurements_of, spans_of, trace_id_of

from .conftest import AT, TRACE


@given(st.text() | st.text(alphabet="\ud800-0"))
def test_any_text_gives_a_trace_id(text):
    assert len(trace_id_of(text)) == 32
    assert int(trace_id_of(text), 16) > 0
    assert trace_id_of(text) == trace_id_of(text)


def test_a_trace_id_and_a_uuid_are_kept():
    assert trace_id_of(TRACE) == TRACE
    assert trace_id_of("0af76519-16cd-43dd-8448-eb211c80319c") == TRACE


@pytest.mark.parametrize("step", [timedelta(0), timedelta(days=-1)])
def test_durations_do_not_depend_on_a_clock_that_steps_back(trace_record, step):
    drafts = spans_of(trace_record(at=AT + step))
    assert [draft.end_ns - draft.start_ns for draft in drafts[1:]] == [
        50_100_000,
        10_200_000,
        1_500_000_000,
        2_000_000,
        3_456_000,
    ]
    assert all(draft.start_ns >= drafts[0].start_ns for draft in drafts)


def test_captured_content_is_told_as_messages(call_record):
    (draft,) = spans_of(call_record(content={"prompt": "やあ", "response": "hello"}))
    (message,) = json.loads(draft.attributes["gen_ai.input.messages"])
    assert message == {"role": "user", "parts": [{"type": "text", "content": "やあ"}]}
    assert "gen_ai.output.messages" in draft.attributes


def test_a_call_that_was_never_sent_has_no_duration(call_record):
    refused = call_record(status="error", error_code="CircuitOpen", input_tokens=0, output_tokens=0)
    assert list(measurements_of(refused)) == []


def test_other_records_have_no_spans_and_no_measurements(drift_record, budget_record):
    for record in (drift_record(), budget_record()):
        assert spans_of(record) == []
        assert list(measurements_of(record)) == []


def test_a_traces_own_span_has_its_id_and_its_error(trace_record):
    root, *spans = spans_of(trace_record(span_id="b7ad6b7169203331", error="TimeoutError: too slow"))
    assert (root.span_id, root.error) == ("b7ad6b7169203331", "TimeoutError: too slow")
    assert {span.parent_id for span in spans} == {root.span_id}


def test_what_the_conventions_have_a_name_for_goes_by_it_too(trace_record):
    (span,) = trace_record().spans[:1]
    noted = replace(span, metadata={"model_id": "claude", "input_tokens": 9, "confidence": 0.9, "none": None})
    _, draft = spans_of(trace_record(spans=(noted,)))
    assert draft.attributes == {
        "model_id": "claude",
        "gen_ai.request.model": "claude",
        "input_tokens": 9,
        "gen_ai.usage.input_tokens": 9,
        "confidence": 0.9,
    }


def test_a_live_trace_has_no_spans_to_export(trace_record):
    assert spans_of(trace_record(live=True)) == []


def test_a_call_directly_in_a_trace_hangs_under_the_traces_own_span(trace_record, call_record):
    (root, *_) = spans_of(trace_record(span_id="b7ad6b7169203331"))
    (call,) = spans_of(call_record(trace_id=TRACE, span_id="b7ad6b7169203331"))
    assert (call.trace_id, call.parent_id) == (root.trace_id, root.span_id)


def test_a_lone_surrogate_costs_no_export(trace_record):
    (span,) = trace_record().spans[:1]
    failed = replace(span, name="\ud800a", success=False, error="E: \udfff")
    root, draft = spans_of(trace_record(spans=(failed,)))
    assert (draft.name, draft.error, root.error) == ("?a", "E: ?", "E: ?")
