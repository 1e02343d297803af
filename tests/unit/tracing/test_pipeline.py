from __future__ import annotations

import asyncio
import json
import logging
from uuid import UUID

import pytest

from kenshin.signals.context import trace_in_force
from kenshin.signals.emf import EmfRenderer
from kenshin.signals.guard import DimensionGuard
from kenshin.signals.plain import UNREADABLE
from kenshin.signals.points import points_of
from kenshin.tracing.pipeline import TracePipeline
from kenshin.tracing.span import Span
from kenshin.tracing.trace import PromptTrace, current_trace

from .conftest import AT, Kept

STEPS = {
    "intent_classification": 50.1,
    "prompt_assembly": 10.2,
    "bedrock_invocation": 1500.0,
    "response_validation": 2.0,
    "response_delivery": 3.456,
}


def handled(kept: Kept) -> tuple[TracePipeline, PromptTrace]:
    """One request, in the shape of the proof of concept."""
    pipeline = kept.pipeline()
    trace = pipeline.start_trace(
        session_id="sess-12345",
        intent="product_recommendation",
        template_name="recommend_v2",
        template_version="2.1.0",
    )
    for name, duration in STEPS.items():
        with pipeline.span(trace, name) as s:
            s.metadata["token_count"] = 3200
            kept.timer.pass_ms(duration)
    return pipeline, trace


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("log_type", "prompt_trace"),
        ("session_id", "sess-12345"),
        ("intent", "product_recommendation"),
        ("template_name", "recommend_v2"),
        ("template_version", "2.1.0"),
        ("total_duration_ms", 1565.76),
        ("schema_valid", True),
        ("hallucination_risk", False),
        ("confusion_detected", False),
    ],
)
def test_a_key_of_the_log_line(kept, key, value):
    pipeline, trace = handled(kept)
    assert pipeline.finish_trace(trace)[key] == value


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("name", list(STEPS)),
        ("duration_ms", [50.1, 10.2, 1500.0, 2.0, 3.46]),
        ("success", [True] * 5),
        ("error", [""] * 5),
        ("offset_ms", [0.0, 50.1, 60.3, 1560.3, 1562.3]),
        ("metadata", [{"token_count": 3200}] * 5),
    ],
)
def test_a_key_of_the_spans_in_the_log_line(kept, key, values):
    pipeline, trace = handled(kept)
    spans = pipeline.finish_trace(trace)["spans"]
    assert [span[key] for span in spans] == values


def test_the_trace_id_is_in_the_log_line_and_is_32_hex_digits(kept):
    pipeline, trace = handled(kept)
    line = pipeline.finish_trace(trace)
    assert line["trace_id"] == trace.trace_id
    assert len(trace.trace_id) == 32
    assert int(trace.trace_id[:8], 16) == int(AT.timestamp())
    assert all(len(span.span_id) == 16 for span in trace.spans)
    json.dumps(line)


def metrics_of(kept: Kept, trace_changes: dict[str, object]) -> dict[str, list[float]]:
    pipeline, trace = handled(kept)
    for name, value in trace_changes.items():
        setattr(trace, name, value)
    pipeline.finish_trace(trace)
    (record,) = kept.records
    return {name: values for _, name, values in points_of(record, DimensionGuard())}


@pytest.mark.parametrize("name", STEPS)
def test_a_metric_of_each_span(kept, name):
    assert metrics_of(kept, {})[f"Span_{name}"] == [pytest.approx(STEPS[name])]


@pytest.mark.parametrize(
    ("changes", "metric", "value"),
    [
        ({}, "TotalExecutionDuration", 1565.756),
        ({}, "TraceCount", 1),
        ({"schema_valid": False}, "SchemaViolation", 1),
        ({"schema_valid": False}, "SchemaValidated", 1),
        ({"schema_valid": True}, "SchemaValidated", 1),
        ({"error": "ValueError: x"}, "TraceFailureCount", 1),
        ({"hallucination_risk": True}, "HallucinationRisk", 1),
        ({"hallucination_score": 0.4}, "HallucinationScore", 0.4),
        ({"confusion_detected": True}, "ConfusionDetected", 1),
        ({"confusion_score": 0.3}, "ConfusionScore", 0.3),
        ({"quality_score": 0.8}, "QualityScore", 0.8),
    ],
)
def test_a_metric_of_the_trace(kept, changes, metric, value):
    assert metrics_of(kept, changes)[metric] == [pytest.approx(value)]


def test_an_answer_that_nobody_validated_is_no_violation_and_not_counted(kept):
    assert not {"SchemaViolation", "SchemaValidated"} & metrics_of(kept, {}).keys()


def test_spans_within_spans_count_once(kept, pipeline):
    with pipeline.trace("s", "i", "t", "1") as trace:
        with pipeline.span(trace, "outer"):
            kept.timer.pass_ms(10)
            with pipeline.span(trace, "inner"):
                kept.timer.pass_ms(30)
            with pipeline.span(trace, "inner"):
                kept.timer.pass_ms(2)
        with pipeline.span(trace, "after"):
            kept.timer.pass_ms(5)
    (record,) = kept.records
    assert record.total_duration_ms == pytest.approx(47)
    outer, first, second, after = record.spans
    assert (outer.parent_id, after.parent_id) == (None, None)
    assert first.parent_id == second.parent_id == outer.span_id
    assert record.span_durations["inner"] == [pytest.approx(30), pytest.approx(2)]


def test_a_failed_span_tells_the_type_and_the_message_redacted_and_cut(kept, pipeline):
    trace = pipeline.start_trace("s", "i", "t", "1")
    with pytest.raises(ValueError, match="refused"), pipeline.span(trace, "bedrock_invocation"):
        raise ValueError("refused: password=hunter2 " + "x" * 500)
    pipeline.finish_trace(trace)
    (span,) = kept.records[0].spans
    assert not span.success
    assert span.error.startswith("ValueError: refused: password=[secret]")
    assert len(span.error) == 200
    assert kept.records[0].failures == 1


def test_an_exception_outside_of_spans_is_the_traces_error(kept, pipeline):
    with pytest.raises(KeyError), pipeline.trace("s", "i", "t", "1"):
        raise KeyError("no template")
    (record,) = kept.records
    assert record.error == "KeyError: 'no template'"
    assert record.failures == 1
    assert record.log_fields()["error"] == record.error


def test_a_caught_error_within_a_span_is_no_failure_of_the_trace(kept, pipeline):
    with pipeline.trace("s", "i", "t", "1") as trace, pipeline.span(trace, "outer"):
        try:
            with pipeline.span(trace, "first tier"):
                raise TimeoutError
        except TimeoutError:
            pass
    assert kept.records[0].failures is None


def test_a_trace_is_in_force_with_its_innermost_span(pipeline):
    assert trace_in_force.get() is None
    with pipeline.trace("s", "chat", "t", "1") as trace:
        here = trace_in_force.get()
        assert (here.trace_id, here.span_id, here.intent) == (trace.trace_id, trace.span_id, "chat")
        with pipeline.span(trace, "outer") as outer:
            assert trace_in_force.get().span_id == outer.span_id
            with pipeline.span(trace, "inner") as inner:
                assert trace_in_force.get().span_id == inner.span_id
            assert trace_in_force.get().span_id == outer.span_id
        assert trace_in_force.get().span_id == trace.span_id
        assert current_trace() is trace
    assert trace_in_force.get() is None
    assert current_trace() is None


def test_an_intent_that_is_found_out_counts_from_then_on(kept, pipeline):
    with pipeline.trace("s") as trace:
        with pipeline.span(trace, "intent_classification"):
            assert trace_in_force.get().intent == ""
            trace.intent = "faq"
            assert trace_in_force.get().intent == "faq"
        assert trace_in_force.get().intent == "faq"
        with pipeline.span(trace, "next"):
            assert trace_in_force.get().intent == "faq"
    assert kept.records[0].intent == "faq"


def test_the_flat_form_puts_back_what_was_in_force(kept, pipeline):
    outer = pipeline.start_trace("s", "outer")
    inner = pipeline.start_trace("s", "inner")
    pipeline.finish_trace(inner)
    assert trace_in_force.get().trace_id == outer.trace_id
    pipeline.finish_trace(outer)
    assert trace_in_force.get() is None


def test_traces_that_overlap_leave_nothing_behind(pipeline):
    first = pipeline.start_trace("s", "first")
    second = pipeline.start_trace("s", "second")
    pipeline.finish_trace(first)
    assert trace_in_force.get().trace_id == second.trace_id
    pipeline.finish_trace(second)
    assert trace_in_force.get() is None


def test_async_with_and_decorators(kept, pipeline):
    @pipeline.spanned("step")
    def step(number: int) -> int:
        return number + 1

    @pipeline.spanned("awaited")
    async def awaited() -> int:
        await asyncio.sleep(0)
        return step(1)

    async def request() -> None:
        async with pipeline.trace("s", "i", "t", "1") as trace, pipeline.span(trace, "outer"):
            assert await awaited() == 2

    asyncio.run(request())
    outer, first, second = kept.records[0].spans
    assert [outer.name, first.name, second.name] == ["outer", "awaited", "step"]
    assert (first.parent_id, second.parent_id) == (outer.span_id, first.span_id)
    assert step(2) == 3  # in no trace: only timed


def test_finished_twice_it_answers_the_same_and_records_once(kept, pipeline):
    trace = pipeline.start_trace("s", "i", "t", "1")
    first = pipeline.finish_trace(trace)
    kept.timer.pass_ms(100)
    assert pipeline.finish_trace(trace) == first
    assert len(kept.records) == 1


def test_a_span_still_open_is_told_so_far(kept, pipeline):
    trace = pipeline.start_trace("s", "i", "t", "1")
    scope = pipeline.span(trace, "response_delivery")
    span = scope.__enter__()
    kept.timer.pass_ms(40)
    (told,) = pipeline.finish_trace(trace)["spans"]
    assert (told["duration_ms"], told["success"], told["metadata"]) == (40.0, True, {"unfinished": True})
    assert trace_in_force.get() is None
    kept.timer.pass_ms(10)
    scope.__exit__(None, None, None)
    assert span.duration_ms == pytest.approx(50)
    assert trace_in_force.get() is None


def test_a_late_span_is_timed_and_counted(kept, pipeline):
    trace = pipeline.start_trace("s", "i", "t", "1")
    pipeline.finish_trace(trace)
    with pipeline.span(trace, "late") as span:
        kept.timer.pass_ms(5)
    assert span.duration_ms == pytest.approx(5)
    assert trace.spans == []
    assert pipeline.stats().left_out == 1
    assert trace_in_force.get() is None


def test_a_trace_keeps_so_many_spans(kept):
    pipeline = kept.pipeline(max_spans=3)
    with pipeline.trace("s") as trace:
        for _ in range(5):
            with pipeline.span(trace, "loop"):
                pass
    assert len(kept.records[0].spans) == 3
    assert pipeline.stats().left_out == 2


def test_open_traces_are_bounded_and_leaks_counted(kept, caplog):
    pipeline = kept.pipeline(max_open=10)
    traces = [pipeline.start_trace("s", str(number)) for number in range(25)]
    assert (pipeline.stats().open, pipeline.stats().leaked) == (10, 15)
    pipeline.finish_trace(traces[0])
    pipeline.finish_trace(traces[-1])
    assert pipeline.stats().open == 9
    assert [record.intent for record in kept.records] == ["0", "24"]
    assert caplog.text.count("never finished") == 1


def test_a_trace_and_a_span_made_by_hand(kept, pipeline):
    trace = PromptTrace(session_id="s", intent="i", template_name="t", template_version="1")
    span = Span(name="own")
    trace.spans.append(span)
    span.close(success=False, error="token=abc secret=topsecret " + "y" * 400)
    with pipeline.span(trace, "piped"):
        pass
    line = pipeline.finish_trace(trace)
    assert [told["name"] for told in line["spans"]] == ["own", "piped"]
    assert "topsecret" not in line["spans"][0]["error"]
    assert len(line["spans"][0]["error"]) <= 200
    before = span.duration_ms
    span.close()
    assert (span.duration_ms, span.success) == (before, False)


def test_a_uuid_is_accepted_and_other_text_is_hashed(pipeline):
    uuid = "0af76519-16cd-43dd-8448-eb211c80319c"
    assert pipeline.start_trace("s", trace_id=uuid).trace_id == uuid.replace("-", "")
    assert len(pipeline.start_trace("s", trace_id="request 17").trace_id) == 32


def test_a_uuid_object_is_accepted_too(pipeline):
    trace_id = UUID("0af76519-16cd-43dd-8448-eb211c80319c")
    assert pipeline.start_trace("s", trace_id=trace_id).trace_id == trace_id.hex
    assert PromptTrace(trace_id).trace_id == trace_id.hex
    assert pipeline.stats().failures == 0


def test_a_span_takes_the_arguments_of_the_proof_of_concept():
    span = Span("a", 1.0, 3.0, 2000.0, False, "ValueError", {"x": 1})
    assert (span.start, span.end, span.duration_ms, span.success) == (1.0, 3.0, 2000.0, False)
    assert (span.error, span.metadata, span.is_open) == ("ValueError", {"x": 1}, False)
    assert Span(name="b", metadata={"y": 2}).is_open


class Unreadable(dict):
    def items(self):
        raise RuntimeError("no")

    keys = __iter__ = items


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


@pytest.mark.parametrize(
    "value", [object(), float("nan"), {1: {2: Hostile()}}, Hostile(), {1, 2}, b"x", [Hostile()]]
)
def test_metadata_that_json_has_no_word_for_is_told_as_text(kept, pipeline, value):
    trace = pipeline.start_trace("s", "i", "t", "1")
    with pipeline.span(trace, "a") as span:
        span.metadata["odd"] = value
        span.metadata[("a", 1)] = 0.5
    json.dumps(pipeline.finish_trace(trace), allow_nan=False)
    assert len(kept.records) == 1
    assert pipeline.stats().failures == 0


def test_metadata_is_told_as_it_was_when_the_trace_was_finished(kept, pipeline):
    trace = pipeline.start_trace("s")
    with pipeline.span(trace, "a") as span:
        span.metadata["list"] = [1]
    pipeline.finish_trace(trace)
    span.metadata["list"].append(2)
    span.metadata["more"] = 3
    assert kept.records[0].spans[0].metadata == {"list": [1]}


def test_texts_are_in_the_record_and_not_in_the_line(kept, pipeline):
    with pipeline.trace("s") as trace:
        trace.content["prompt"] = "my address is …"
    assert kept.records[0].content == {"prompt": "my address is …"}
    assert "content" not in trace.entry


@pytest.mark.parametrize("metadata", [None, 3, Unreadable(x=1), {"x": Unreadable(y=1)}, {"x": 10**5000}])
def test_metadata_that_cannot_be_read_costs_itself_alone(kept, pipeline, metadata):
    with pipeline.trace("s") as trace:
        with pipeline.span(trace, Hostile()) as span:
            span.metadata = metadata
        trace.content = {"prompt": Hostile()}
    (record,) = kept.records
    (span,) = json.loads(json.dumps(trace.entry))["spans"]
    assert span["name"] == UNREADABLE
    assert record.content == {"prompt": UNREADABLE}
    if metadata:
        assert next(iter(span["metadata"].values())) == UNREADABLE
    assert len(list(EmfRenderer("M", DimensionGuard()).lines(record))) == 1
    assert pipeline.stats().failures == 0


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(3), asyncio.CancelledError(), ValueError("x")]
)
def test_every_exception_goes_on_unchanged(kept, pipeline, error):
    with pytest.raises(type(error)) as raised, pipeline.trace("s"), pipeline.span(None, "a"):
        raise error
    assert raised.value is error
    assert error.__cause__ is error.__context__ is None
    assert kept.records[0].spans[0].error.startswith(type(error).__name__)


def test_a_stream_that_is_read_no_further_is_no_failure(kept, pipeline):
    def stream():
        with pipeline.trace("s"), pipeline.span(None, "response_delivery"):
            yield 1
            yield 2

    chunks = stream()
    next(chunks)
    chunks.close()
    (record,) = kept.records
    assert record.failures is None
    assert record.spans[0].success


@pytest.mark.parametrize("names", [(None, 3, ["x"], {}), ("s", Hostile(), "t", "1")])
def test_names_of_any_kind_never_raise(kept, pipeline, names):
    trace = pipeline.start_trace(*names)
    with pipeline.span(trace, "a"):
        pass
    line = pipeline.finish_trace(trace)
    assert line["trace_id"] == trace.trace_id
    assert line["session_id"] == ("" if names[0] is None else "s")
    assert pipeline.stats().failures == 0


def broken(*_: object) -> object:
    raise OSError("broken")


@pytest.mark.parametrize("part", ["record", "listeners", "clock", "timer", "entropy"])
def test_a_broken_part_never_raises_into_the_request(kept, caplog, part):
    options = {"record": kept.records.append, "clock": lambda: AT, "timer": kept.timer, "listeners": ()}
    options[part] = (broken,) if part == "listeners" else broken
    pipeline = TracePipeline(options.pop("record"), options.pop("clock"), **options, otel=False)
    with caplog.at_level(logging.ERROR):
        trace = pipeline.start_trace("s", "i", "t", "1")
        with pipeline.span(trace, "a") as span:
            span.metadata["x"] = 1
        assert pipeline.finish_trace(trace)["log_type"] == "prompt_trace"
        with pipeline.trace("s"), pipeline.span(None, "b"):
            pass
    assert pipeline.stats().failures > 1
    assert caplog.text.count("the request goes on") == 1


@pytest.mark.parametrize("nothing", [None, "trace", 3])
def test_what_is_no_trace_never_raises(pipeline, nothing):
    with pipeline.span(nothing, "a") as span:
        span.metadata["x"] = 1
    assert pipeline.finish_trace(nothing)["log_type"] == "prompt_trace"


def test_listeners_hear_of_each_finished_trace_after_the_recorder(kept):
    heard = []
    pipeline = kept.pipeline(listeners=[lambda record: heard.append((record, len(kept.records))), broken])
    with pipeline.trace("s"):
        pass
    assert heard == [(kept.records[0], 1)]


def test_durations_do_not_go_back_with_a_timer_that_does(kept, pipeline):
    with pipeline.trace("s") as trace, pipeline.span(trace, "a"):
        kept.timer.pass_ms(-500)
    assert kept.records[0].spans[0].duration_ms == 0
    assert kept.records[0].elapsed_ms == 0
