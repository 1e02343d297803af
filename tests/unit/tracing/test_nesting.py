"""A pipeline under any order of nested traces and spans, held against a stack that says what has to come out."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kenshin.signals.context import TraceContext, trace_in_force
from kenshin.tracing.place import place_now
from kenshin.tracing.scope import SpanScope
from kenshin.tracing.span import Span
from kenshin.tracing.trace import PromptTrace, current_trace

from .conftest import Kept


@dataclass
class Expected:
    """What a trace's record has to say."""

    started: float
    intent: str
    spans: list[tuple[str, str | None]] = field(default_factory=list)
    durations: dict[str, float] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)


@dataclass
class Frame:
    """A block that is open: a trace's, or a span's."""

    trace: PromptTrace
    scope: SpanScope | None = None
    span: Span | None = None
    opened: float = 0.0


class Nesting(RuleBasedStateMachine):
    """Blocks end in the order in which Python ends them, the innermost first; spans may be of any open trace."""

    def __init__(self) -> None:
        super().__init__()
        trace_in_force.set(None)
        place_now.set(None)
        self.kept = Kept()
        self.pipeline = self.kept.pipeline()
        self.frames: list[Frame] = []
        self.expected: dict[PromptTrace, Expected] = {}

    @rule(intent=st.sampled_from(["", "faq", "order"]))
    def start(self, intent: str) -> None:
        trace = self.pipeline.start_trace("s", intent, "t", "1")
        self.frames.append(Frame(trace))
        self.expected[trace] = Expected(self.kept.timer(), intent)

    @precondition(lambda self: self.frames)
    @rule(data=st.data(), named=st.booleans())
    def open(self, data: st.DataObject, named: bool) -> None:
        traces = [frame.trace for frame in self.frames if frame.span is None]
        trace = data.draw(st.sampled_from(traces)) if named else self.latest()
        innermost = self.frames[-1]
        parent = innermost.span.span_id if innermost.span and innermost.trace is trace else None
        scope = self.pipeline.span(trace if named else None, f"step-{len(self.frames)}")
        span = scope.__enter__()
        self.expected[trace].spans.append((span.span_id, parent))
        self.frames.append(Frame(trace, scope, span, self.kept.timer()))

    @rule(duration=st.integers(0, 1000))
    def wait(self, duration: int) -> None:
        self.kept.timer.pass_ms(duration)

    @precondition(lambda self: self.frames)
    @rule(data=st.data(), intent=st.sampled_from(["faq", "order", "recommendation"]))
    def find_out_the_intent(self, data: st.DataObject, intent: str) -> None:
        trace = data.draw(st.sampled_from([frame.trace for frame in self.frames]))
        trace.intent = intent
        self.expected[trace].intent = intent

    def latest(self) -> PromptTrace:
        return self.frames[-1].trace

    @precondition(lambda self: self.frames)
    @rule(error=st.none() | st.sampled_from([ValueError("x"), TimeoutError()]))
    def end(self, error: Exception | None) -> None:
        frame = self.frames.pop()
        expected = self.expected[frame.trace]
        if frame.scope is None:
            self.finish(frame.trace)
            return
        frame.scope.__exit__(type(error) if error else None, error, None)
        expected.durations[frame.span.span_id] = (self.kept.timer() - frame.opened) * 1000
        if error is not None:
            expected.failed.add(frame.span.span_id)

    def finish(self, trace: PromptTrace) -> None:
        line = self.pipeline.finish_trace(trace)
        expected = self.expected.pop(trace)
        record = self.kept.records[-1]
        assert line["trace_id"] == record.trace_id == trace.trace_id
        assert record.intent == expected.intent
        assert [(span.span_id, span.parent_id) for span in record.spans] == expected.spans
        assert {span.span_id for span in record.spans if not span.success} == expected.failed
        for span in record.spans:
            assert span.duration_ms == pytest.approx(expected.durations[span.span_id])
        top = [expected.durations[span] for span, parent in expected.spans if parent is None]
        assert record.total_duration_ms == pytest.approx(sum(top))
        assert record.elapsed_ms == pytest.approx((self.kept.timer() - expected.started) * 1000)

    @invariant()
    def what_is_in_force_is_the_innermost(self) -> None:
        here = trace_in_force.get()
        if not self.frames:
            assert (here, current_trace()) == (None, None)
            return
        frame = self.frames[-1]
        span_id = frame.span.span_id if frame.span else frame.trace.span_id
        assert here == TraceContext(frame.trace.trace_id, span_id, self.expected[frame.trace].intent)
        assert self.pipeline.stats().failures == 0

    def teardown(self) -> None:
        while self.frames:
            self.end(None)
        assert self.pipeline.stats().open == 0
        assert trace_in_force.get() is None


Nesting.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestNesting = Nesting.TestCase
