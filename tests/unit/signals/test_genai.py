from __future__ import annotations

import json
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
