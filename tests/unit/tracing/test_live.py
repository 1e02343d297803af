from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from opentelemetry import trace as otel
from opentelemetry.context import get_current
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from kenshin.signals.context import trace_in_force
from kenshin.signals.genai import spans_of
from kenshin.tracing.pipeline import TracePipeline
from kenshin.tracing.propagation import read_w3c

from .conftest import AT, Kept

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "congo=1"}


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> TracerProvider:
    made = TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(SimpleSpanProcessor(exporter))
    return made


@pytest.fixture
def live(kept: Kept, provider: TracerProvider) -> TracePipeline:
    return kept.pipeline(otel=None, tracer_provider=provider)


@pytest.fixture
def exported(exporter: InMemorySpanExporter) -> Callable[[], dict[str, ReadableSpan]]:
    return lambda: {span.name: span for span in exporter.get_finished_spans()}


def test_the_same_spans_are_live(kept, live, exported):
    with live.trace("sess-1", "faq", "faq_v1", "1.0") as trace:
        with live.span(trace, "bedrock_invocation") as span:
            span.metadata |= {"model_id": "claude", "input_tokens": 900, "odd": [1], "none": None}
            with live.span(trace, "inner"):
                pass
        trace.schema_valid = False
        trace.hallucination_score = 0.25
        trace.content["prompt"] = "a secret of mine"
    spans = exported()
    root, outer, inner = spans["prompt_trace"], spans["bedrock_invocation"], spans["inner"]
    assert root.parent is None
    assert root.kind is SpanKind.SERVER
    assert (outer.parent.span_id, inner.parent.span_id) == (root.context.span_id, outer.context.span_id)
    assert f"{root.context.trace_id:032x}" == trace.trace_id
    assert f"{root.context.span_id:016x}" == trace.span_id
    assert [f"{each.context.span_id:016x}" for each in (outer, inner)] == [
        each.span_id for each in trace.spans
    ]
    assert outer.attributes["gen_ai.request.model"] == "claude"
    assert outer.attributes["gen_ai.usage.input_tokens"] == 900
    assert outer.attributes["odd"] == "[1]"
    assert root.attributes["gen_ai.conversation.id"] == "sess-1"
    assert root.attributes["gen_ai.prompt.name"] == "faq_v1"
    assert root.attributes["kenshin.schema_valid"] is False
    labels = {event.attributes["gen_ai.evaluation.name"]: dict(event.attributes) for event in root.events}
    assert labels["schema"]["gen_ai.evaluation.score.label"] == "fail"
    assert labels["hallucination"]["gen_ai.evaluation.score.value"] == 0.25
    assert "a secret of mine" not in json.dumps([span.to_json() for span in spans.values()])


def test_nothing_is_exported_twice(kept, live):
    with live.trace("s") as trace, live.span(trace, "a"):
        pass
    (record,) = kept.records
    assert record.live is True
    assert spans_of(record) == []
    assert record.log_fields()["live"] is True


def test_opentelemetrys_current_span_is_the_parent_and_ours_is_the_parent_of_others(
    live, kept, provider, exported
):
    tracer = provider.get_tracer("application")
    with tracer.start_as_current_span("GET /chat"):
        with (
            live.trace("s", headers=HEADERS) as trace,
            live.span(trace, "bedrock_invocation"),
            tracer.start_as_current_span("botocore"),
            live.span(trace, "inner"),
        ):
            pass
        after = otel.get_current_span()
    spans = exported()
    request = spans["GET /chat"].context
    assert trace.trace_id == f"{request.trace_id:032x}" != TRACE
    assert trace.parent_id == f"{request.span_id:016x}"
    assert spans["prompt_trace"].parent.span_id == request.span_id
    assert spans["prompt_trace"].kind is SpanKind.INTERNAL
    assert spans["botocore"].parent.span_id == spans["bedrock_invocation"].context.span_id
    assert spans["inner"].parent.span_id == spans["botocore"].context.span_id
    assert after.get_span_context() == request
    # Among the trace's own spans the parent is the innermost of them.
    assert kept.records[0].spans[1].parent_id == kept.records[0].spans[0].span_id


def test_the_callers_header_is_the_parent_where_no_span_is_current(live, exported):
    with live.trace("s", headers=HEADERS) as trace, live.span(trace, "call") as span:
        out = read_w3c(trace.headers()["traceparent"])
        assert (out.trace_id, out.span_id) == (TRACE, span.span_id)
    root = exported()["prompt_trace"]
    assert (f"{root.parent.trace_id:032x}", f"{root.parent.span_id:016x}") == (TRACE, SPAN)
    assert root.parent.trace_state.to_header() == "congo=1"
    assert trace.tracestate == "congo=1"


@pytest.mark.parametrize(
    "known", [{"headers": {"X-Amzn-Trace-Id": f"Root=1-{TRACE[:8]}-{TRACE[8:]}"}}, {"trace_id": TRACE}]
)
def test_a_trace_without_a_span_cannot_be_told_to_opentelemetry(live, exported, known):
    with live.trace("s", **known) as trace:
        pass
    root = exported()["prompt_trace"]
    assert trace.trace_id == f"{root.context.trace_id:032x}" != TRACE
    assert (root.parent, trace.parent_id) == (None, None)


def test_errors_are_told_redacted(live, exported):
    with pytest.raises(ValueError, match="x"), live.trace("s") as trace, live.span(trace, "a"):
        raise ValueError("x password=hunter2")
    for name in ("a", "prompt_trace"):
        span = exported()[name]
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description == "ValueError: x password=[secret]"
        assert span.attributes["error.type"] == "ValueError"
        assert "hunter2" not in span.to_json()


def test_the_context_is_put_back(live):
    before = get_current()
    with live.trace("s") as trace, live.span(trace, "a"):
        assert otel.get_current_span().get_span_context().is_valid
    assert get_current() == before


def test_concurrent_tasks_have_live_spans_of_their_own(live, exporter):
    async def branch(trace: object, name: str) -> None:
        async with live.span(trace, name):
            await asyncio.sleep(0)
            async with live.span(trace, f"{name}/inner"):
                await asyncio.sleep(0)

    async def request(number: int) -> None:
        async with live.trace(f"s{number}") as trace:
            await asyncio.gather(*(branch(trace, f"{number}/{each}") for each in range(3)))

    async def everything() -> None:
        await asyncio.gather(*(request(number) for number in range(50)))

    asyncio.run(everything())
    finished = exporter.get_finished_spans()
    names = {span.context.span_id: span.name for span in finished}
    assert len(names) == 50 * 7
    assert {
        names[span.parent.span_id] == span.name.removesuffix("/inner")
        for span in finished
        if span.name.endswith("/inner")
    } == {True}


def test_a_span_in_a_bare_thread_hangs_at_the_traces_own(live, exported):
    import threading

    with live.trace("s") as trace:

        def work() -> None:
            with live.span(trace, "elsewhere"):
                pass

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert exported()["elsewhere"].parent.span_id == exported()["prompt_trace"].context.span_id


def test_what_is_not_sampled_is_not_exported_and_still_recorded(kept, exporter):
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    pipeline = kept.pipeline(otel=None, tracer_provider=provider)
    with pipeline.trace("s") as trace, pipeline.span(trace, "a"):
        assert trace.headers()["traceparent"].endswith("-00")
    assert exporter.get_finished_spans() == ()
    assert len(kept.records) == 1
    assert spans_of(kept.records[0]) == []


@pytest.mark.parametrize("wanted", [None, True, False])
def test_without_a_provider_there_are_no_live_spans(kept, wanted):
    assert isinstance(otel.get_tracer_provider(), otel.ProxyTracerProvider)
    pipeline = kept.pipeline(otel=wanted)
    with pipeline.trace("s") as trace, pipeline.span(trace, "a"):
        pass
    assert kept.records[0].live is None
    assert len(spans_of(kept.records[0])) == 2


class Breaking(TracerProvider):
    """A provider whose spans break: the `broken`-th cannot be opened, none can be ended."""

    def __init__(self, broken: int) -> None:
        super().__init__(shutdown_on_exit=False)
        self.left = broken

    def get_tracer(self, *names: object, **options: object) -> Breaking:
        self.tracer = super().get_tracer(*names, **options)
        return self

    def start_span(self, *names: object, **options: object) -> otel.Span:
        self.left -= 1
        if self.left == 0:
            raise OSError("cannot be opened")
        span = self.tracer.start_span(*names, **options)
        span.end = failing  # type: ignore[method-assign]
        return span


def failing(*_: object) -> None:
    raise OSError("cannot be ended")


@pytest.mark.parametrize("broken", [1, 2, 3])
def test_an_opentelemetry_that_breaks_costs_the_live_spans_alone(kept, broken):
    before = get_current()
    pipeline = kept.pipeline(otel=None, tracer_provider=Breaking(broken))
    with pipeline.trace("s") as trace, pipeline.span(trace, "outer"), pipeline.span(trace, "inner"):
        pass
    (record,) = kept.records
    assert [span.name for span in record.spans] == ["outer", "inner"]
    assert record.spans[1].parent_id == record.spans[0].span_id
    assert pipeline.stats().failures > 0
    assert get_current() == before
    assert trace_in_force.get() is None


SCRIPT = """
import sys
from datetime import UTC, datetime
from kenshin.tracing.pipeline import TracePipeline
records = []
pipeline = TracePipeline(records.append, lambda: datetime.now(UTC))
with pipeline.trace("s") as trace, pipeline.span(trace, "a"): pass
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import TracerProvider
otel.set_tracer_provider(TracerProvider())
with pipeline.trace("s") as trace, pipeline.span(trace, "a"): pass
assert [record.live for record in records] == [None, True]
"""


def test_opentelemetry_is_taken_up_once_the_application_sets_it():
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, timeout=60)


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_spans_are_ended_whatever_is_noted_of_them(live, exported):
    with live.trace("s") as trace, live.span(trace, "a") as span:
        span.metadata["x"] = Hostile()
        with live.span(trace, "b") as inner:
            inner.metadata = 3
    spans = exported()
    assert spans.keys() == {"prompt_trace", "a", "b"}
    assert spans["a"].attributes["x"] == "(unreadable)"


def test_the_traces_own_span_is_ended_even_if_it_cannot_be_recorded(kept, provider, exporter):
    clock = iter([AT])
    pipeline = TracePipeline(kept.records.append, lambda: next(clock), tracer_provider=provider)
    for _ in range(2):
        with pipeline.trace("s"):
            pass
    assert len(kept.records) == 1
    assert pipeline.stats().failures == 1
    assert len(exporter.get_finished_spans()) == 2


def test_a_generator_that_ends_within_its_consumers_span_leaves_no_live_span_current(live):
    before = get_current()

    def stream(trace: object) -> Iterator[int]:
        with live.span(trace, "stream"):
            yield 1

    with live.trace("s") as trace:
        root = get_current()
        chunks = stream(trace)
        next(chunks)
        with live.span(trace, "render"):
            chunks.close()
        assert get_current() == root
    assert get_current() == before
