"""The ``with`` blocks of traces and spans, sync and async; what goes wrong in them of themselves never gets out."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from kenshin.signals.content import error_text
from kenshin.signals.context import TraceContext, trace_in_force
from kenshin.tracing.span import Span
from kenshin.tracing.trace import PromptTrace, put_back, trace_now

if TYPE_CHECKING:
    from kenshin.tracing.live import LiveSpan, LiveTrace
    from kenshin.tracing.pipeline import TracePipeline


class SpanScope:
    """Opens a span of a trace on entry and closes it on exit; to be used once.

    Args:
        pipeline: whose span.
        trace: of which trace; None: of the one that the request is in. Without any, the span is only timed.
        name: what is done.
    """

    __slots__ = ("_before", "_live", "_name", "_pipeline", "_span", "_trace")

    def __init__(self, pipeline: TracePipeline, trace: PromptTrace | None, name: str) -> None:
        self._pipeline = pipeline
        self._trace = trace
        self._name = name
        self._live: LiveSpan | None = None

    def __enter__(self) -> Span:
        try:
            pipeline, name = self._pipeline, self._name
            trace = self._trace or self._current()
            if trace is None:
                self._span = Span(name, timer=pipeline.timer)
                return self._span
            here = self._before = trace_in_force.get()
            trace_id = trace.trace_id
            parent_id = here.span_id if here is not None and here.trace_id == trace_id else None
            if trace._live is not None:
                self._open_live(trace._live)
            span_id = pipeline.new_span_id() if self._live is None else self._live.span_id
            span = self._span = Span(name, span_id=span_id, parent_id=parent_id, timer=pipeline.timer)
            if trace._turn and len(trace.spans) < pipeline.max_spans:
                trace.spans.append(span)
            else:
                pipeline.left_out()
            trace_in_force.set(TraceContext(trace_id, span_id, trace._intent))
        except Exception:
            self._pipeline.failed("A span could not be opened")
            self._trace = None
            self._span = Span(self._name)
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._span.close()
            else:
                self._span.close(False, error_text(error))
            if self._trace is not None:
                self._leave(self._trace, kind)
        except Exception:
            self._pipeline.failed("A span could not be closed")

    async def __aenter__(self) -> Span:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _open_live(self, live: LiveTrace) -> None:
        try:
            self._live = live.open(self._name)
        except Exception:
            self._pipeline.failed("A live span could not be opened")

    def _current(self) -> PromptTrace | None:
        trace = self._trace = trace_now.get()
        return trace

    def _leave(self, trace: PromptTrace, kind: type[BaseException] | None) -> None:
        span, before, live = self._span, self._before, self._live
        here = trace_in_force.get()
        # In another context than it was entered in, e.g. that of a generator's consumer, there is nothing to put back.
        ours = here is not None and here.span_id == span.span_id and here.trace_id == trace.trace_id
        if ours:
            if before is None or before.trace_id == trace.trace_id:
                put_back(before, trace)
            else:
                put_back(before, trace_now.get())
        if live is not None:
            if ours:
                live.leave()
            live.end(span, None if kind is None else kind.__name__)


class TraceScope:
    """Starts a trace on entry and finishes it on exit; to be used once.

    Args:
        pipeline: whose trace.
        start: starts it.
    """

    __slots__ = ("_pipeline", "_start", "_trace")

    def __init__(self, pipeline: TracePipeline, start: Callable[[], PromptTrace]) -> None:
        self._pipeline = pipeline
        self._start = start

    def __enter__(self) -> PromptTrace:
        self._trace = self._start()
        return self._trace

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and not self._trace.error:
            self._trace.error = error_text(error)
        self._pipeline.end_trace(self._trace)

    async def __aenter__(self) -> PromptTrace:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)
