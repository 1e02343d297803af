"""The ``with`` blocks of traces and spans, sync and async; what goes wrong in them of themselves never gets out."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from kenshin.signals.content import error_text
from kenshin.tracing.place import Place, place_now
from kenshin.tracing.span import Span
from kenshin.tracing.trace import PromptTrace

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

    __slots__ = ("_name", "_pipeline", "_place", "_span", "_trace")

    def __init__(self, pipeline: TracePipeline, trace: PromptTrace | None, name: str) -> None:
        self._pipeline = pipeline
        self._trace = trace
        self._name = name
        self._place: Place | None = None

    def __enter__(self) -> Span:
        try:
            pipeline, name = self._pipeline, self._name
            here = place_now.get()
            trace = self._trace
            if trace is None and here is not None:
                trace = here.trace
            if trace is None:
                self._span = Span(name, timer=pipeline.timer)
                return self._span
            outer = here.span if here is not None and here.trace is trace else None
            live = None if trace._live is None else self._opened(trace._live)
            span = self._span = Span(
                name,
                span_id=pipeline.new_span_id() if live is None else live.span_id,
                parent_id=None if outer is None else outer.span_id,
                timer=pipeline.timer,
            )
            if trace._turn and len(trace.spans) < pipeline.max_spans:
                trace.spans.append(span)
            else:
                pipeline.left_out()
            self._place = Place(trace, span, here, live)
            self._place.enter()
        except Exception:
            self._pipeline.failed("A span could not be opened")
            self._place = None
            self._span = Span(self._name)
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            # Whoever reads a stream may stop: that is no failure.
            if error is None or kind is GeneratorExit:
                self._span.close()
            else:
                self._span.close(False, error_text(error))
            if self._place is not None:
                self._left(self._place, kind)
        except Exception:
            self._pipeline.failed("A span could not be closed")

    async def __aenter__(self) -> Span:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _opened(self, live: LiveTrace) -> LiveSpan | None:
        try:
            return live.open(self._name)
        except Exception:
            self._pipeline.failed("A live span could not be opened")
            return None

    def _left(self, place: Place, kind: type[BaseException] | None) -> None:
        # In another context than it was entered in, e.g. that of a generator's consumer, there is nothing to put back.
        if place_now.get() is place:
            place.leave()
        if place.live is not None:
            place.live.end(self._span, None if kind is None else kind.__name__)


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
        if error is not None and kind is not GeneratorExit and not self._trace.error:
            self._trace.error = error_text(error)
        self._pipeline.end_trace(self._trace)

    async def __aenter__(self) -> PromptTrace:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)
