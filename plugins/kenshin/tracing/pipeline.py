"""The pipeline: starts traces, times their spans, and hands each finished trace on as one record.

Observability fails open: nothing here raises into a request. What goes wrong is logged once and counted in `stats`.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from inspect import iscoroutinefunction
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar, cast

from kenshin.lifetime import watch
from kenshin.signals.genai import trace_id_of
from kenshin.signals.plain import LARGEST, UNREADABLE, plain, told
from kenshin.signals.traces import PromptTraced, SpanTimed
from kenshin.tracing.live import LiveTrace, LiveTraces
from kenshin.tracing.place import Place, open_place, place_now
from kenshin.tracing.propagation import RemoteContext, read_headers
from kenshin.tracing.scope import SpanScope, TraceScope
from kenshin.tracing.span import Span
from kenshin.tracing.trace import PromptTrace

if TYPE_CHECKING:
    from uuid import UUID

    from opentelemetry.trace import TracerProvider

logger = logging.getLogger(__name__)

Listener = Callable[[PromptTraced], object]
_Function = TypeVar("_Function", bound=Callable[..., Any])

MAX_OPEN = 10_000
MAX_SPANS = 1_000
UNFINISHED = "unfinished"
_PRIMITIVE = frozenset({str, bool, type(None)})


@dataclass(frozen=True, slots=True)
class TraceStats:
    """How a pipeline fares.

    Args:
        open: traces that are started and not finished.
        leaked: traces that were forgotten, since more than `max_open` came after them unfinished.
        left_out: spans opened after their trace was finished, or beyond `max_spans`: timed, and told nowhere.
        failures: what went wrong in the pipeline itself, its recorder or its listeners.
    """

    open: int
    leaked: int
    left_out: int
    failures: int


class TracePipeline:
    """Instruments prompt execution.

    Args:
        record: takes each finished trace, e.g. a recorder's `record`.
        clock: answers the present instant, aware.
        listeners: hear of each finished trace after the recorder; what they raise is logged.
        timer: answers seconds, and never goes back; durations are measured by it.
        entropy: answers so many random bytes, for ids.
        max_open: so many open traces are known; an older one counts as leaked, and can still be finished.
        max_spans: so many spans of a trace are kept.
        otel: live OpenTelemetry spans too: True, False, or None: if OpenTelemetry is imported and a provider is set.
        tracer_provider: instead of the one that is set.

    Raises:
        BackendUnavailable: `otel` is True, and OpenTelemetry is not installed.
    """

    def __init__(
        self,
        record: Callable[[PromptTraced], object],
        clock: Callable[[], datetime],
        *,
        listeners: Sequence[Listener] = (),
        timer: Callable[[], float] = perf_counter,
        entropy: Callable[[int], bytes] = os.urandom,
        max_open: int = MAX_OPEN,
        max_spans: int = MAX_SPANS,
        otel: bool | None = None,
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        self.timer = timer
        self.max_spans = max_spans
        self.listeners = tuple(listeners)
        self._record = record
        self._clock = clock
        self._entropy = entropy
        self._max_open = max_open
        self._live = LiveTraces(otel, tracer_provider)
        # Unlike a dict's, the oldest can be taken from it while other threads put some in.
        self._open: OrderedDict[PromptTrace, Place] = OrderedDict()
        self.after_fork()
        watch(self)

    def start_trace(
        self,
        session_id: str = "",
        intent: str = "",
        template_name: str = "",
        template_version: str = "",
        *,
        headers: object = None,
        trace_id: str | UUID | None = None,
    ) -> PromptTrace:
        """Start a trace, and put it in force in this thread or task; `finish_trace` ends it.

        Args:
            session_id: whose request.
            intent: what it is about; it may be set later.
            template_name: the prompt's template.
            template_version: and its version.
            headers: the incoming request's, a mapping: the trace of its caller is gone on with.
            trace_id: 32 hex digits or a UUID, where the caller said which and the headers do not; other text is hashed.
        """
        names = (session_id, intent, template_name, template_version)
        try:
            return self._started(names, headers, trace_id)
        except Exception:
            self.failed("A trace could not be started")
            return PromptTrace(None, *names)

    def trace(
        self,
        session_id: str = "",
        intent: str = "",
        template_name: str = "",
        template_version: str = "",
        *,
        headers: object = None,
        trace_id: str | UUID | None = None,
    ) -> TraceScope:
        """A trace as a ``with`` or ``async with`` block; an exception that leaves the block is its error."""
        return TraceScope(
            self,
            lambda: self.start_trace(
                session_id, intent, template_name, template_version, headers=headers, trace_id=trace_id
            ),
        )

    def span(self, trace: PromptTrace | None, name: str) -> SpanScope:
        """A span as a ``with`` or ``async with`` block.

        Args:
            trace: whose; None: of the trace that the request is in.
            name: what is done; it becomes the metric ``Span_<name>``.
        """
        return SpanScope(self, trace, name)

    def spanned(self, name: str) -> Callable[[_Function], _Function]:
        """A decorator: each call of the function, or of the coroutine function, is a span of the trace it is in."""

        def decorate(function: _Function) -> _Function:
            if iscoroutinefunction(function):

                @wraps(function)
                async def awaited(*args: Any, **kwargs: Any) -> Any:
                    with SpanScope(self, None, name):
                        return await function(*args, **kwargs)

                return cast(_Function, awaited)

            @wraps(function)
            def called(*args: Any, **kwargs: Any) -> Any:
                with SpanScope(self, None, name):
                    return function(*args, **kwargs)

            return cast(_Function, called)

        return decorate

    def finish_trace(self, trace: PromptTrace) -> dict[str, object]:
        """Finish a trace: its record goes to the recorder, then to the listeners; answers its log line.

        Finished twice, it answers the same line and records nothing. A span that is still open is told with its
        duration so far and ``unfinished`` in its metadata.
        """
        try:
            self.end_trace(trace)
            line = trace.entry
        except Exception:
            self.failed("A trace could not be told")
            line = None
        return line or {"log_type": PromptTraced.record_type, "trace_id": getattr(trace, "trace_id", None)}

    def end_trace(self, trace: PromptTrace) -> None:
        """Finish a trace without its log line; what a ``with`` block does at its end."""
        try:
            self._finished(trace)
        except Exception:
            self.failed("A trace could not be finished")

    def stats(self) -> TraceStats:
        """How many traces are open, and what was lost."""
        with self._counting:
            return TraceStats(len(self._open), self._leaked, self._left_out, self._failures)

    def after_fork(self) -> None:
        """In the child: open traces and counts are the parent's, and a lock that it held would stay held."""
        self._open.clear()
        self._counting = threading.Lock()
        self._leaked = self._left_out = self._failures = 0

    def close(self) -> None:
        """At the end of the process there is nothing to save: what is not finished is told nowhere."""

    def new_span_id(self) -> str:
        """A span's id: 16 random hex digits, fresh in every process and after every thaw."""
        return self._entropy(8).hex()

    def left_out(self) -> None:
        """Count a span that is told nowhere."""
        with self._counting:
            self._left_out += 1

    def failed(self, what: str) -> None:
        """Count a failure of the pipeline itself, and log the first; to be called while it is handled."""
        with self._counting:
            self._failures += 1
            first = self._failures == 1
        logger.log(logging.ERROR if first else logging.DEBUG, "%s; the request goes on", what, exc_info=True)

    def _started(
        self, names: tuple[str, str, str, str], headers: object, trace_id: str | UUID | None
    ) -> PromptTrace:
        remote = None if headers is None else read_headers(headers)
        if trace_id is not None and remote is None:
            remote = RemoteContext(trace_id_of(str(trace_id)))
        live = self._begin_live(remote)
        if live is not None:
            where, span_id = live.where, live.root.span_id
        else:
            where, span_id = remote or self._new_context(), self.new_span_id()
        trace = PromptTrace(None, *names, parent=where, span_id=span_id, timer=self.timer)
        trace._live = live
        place = self._open[trace] = Place(trace, None, open_place(), None if live is None else live.root)
        place.enter()
        if len(self._open) > self._max_open:
            self._forget_oldest()
        return trace

    def _begin_live(self, remote: RemoteContext | None) -> LiveTrace | None:
        try:
            return self._live.begin(PromptTraced.record_type, remote)
        except Exception:
            self.failed("A live span could not be opened")
            return None

    def _new_context(self) -> RemoteContext:
        # X-Ray reads the first 8 digits as the second of the trace's start.
        return RemoteContext(f"{int(self._clock().timestamp()) & 0xFFFFFFFF:08x}{self._entropy(12).hex()}")

    def _forget_oldest(self) -> None:
        with self._counting:
            if len(self._open) > self._max_open:
                _, forgotten = self._open.popitem(last=False)
                # Else each leaked trace would hold all that leaked before it in the same thread.
                forgotten.before = None
                self._leaked += 1
                first = self._leaked == 1
            else:
                first = False
        if first:
            logger.warning("More than %d traces are open: some are never finished", self._max_open)

    def _finished(self, trace: PromptTrace) -> None:
        if not trace.claim():
            return
        self._open.pop(trace, None)
        self._leave(trace)
        try:
            record = trace.record = self._record_of(trace)
            self._tell(self._record, record)
            for listener in self.listeners:
                self._tell(listener, record)
        finally:
            if trace._live is not None:
                trace._live.end(trace.record)

    def _tell(self, hearer: Listener, record: PromptTraced) -> None:
        try:
            hearer(record)
        except Exception:
            self.failed("Somebody who was told of a finished trace failed")

    def _leave(self, trace: PromptTrace) -> None:
        """Put in force again what was so before the trace, where the trace still is."""
        here = place_now.get()
        if here is not None and here.trace is trace:
            here.leave()

    def _record_of(self, trace: PromptTrace) -> PromptTraced:
        now = self.timer()
        start = trace.start
        return PromptTraced(
            self._clock(),
            trace.trace_id,
            _text(trace.session_id),
            _text(trace.intent),
            _text(trace.template_name),
            _text(trace.template_version),
            max(now - start, 0.0) * 1000,
            tuple([_timed(span, start, now) for span in list(trace.spans)]),
            trace.schema_valid,
            trace.schema_checked,
            bool(trace.hallucination_risk),
            trace.hallucination_score,
            bool(trace.confusion_detected),
            trace.confusion_score,
            trace.quality_score,
            trace.parent_id,
            trace.span_id,
            trace.error or None,
            None if trace._live is None else True,
            _content(trace.content),
        )


def _timed(span: Span, start: float, now: float) -> SpanTimed:
    metadata = _noted(span.metadata) if span.metadata else {}
    duration_ms = span.duration_ms
    if span.is_open:
        duration_ms = span.lasted_ms(now)
        metadata = {**metadata, UNFINISHED: True}
    offset = span.start - start
    return SpanTimed(
        _text(span.name),
        duration_ms,
        span.success,
        span.error,
        offset * 1000 if offset > 0 else 0.0,
        span.span_id,
        span.parent_id,
        metadata,
    )


def _noted(metadata: dict[str, Any]) -> dict[str, object]:
    """The metadata as it is now: what the application changes afterwards is told no more."""
    try:
        noted = dict(metadata)
    except Exception:
        return {"metadata": UNREADABLE}
    for name, value in noted.items():
        kind = type(value)
        # A float that is not finite differs from itself less itself.
        known = (
            kind in _PRIMITIVE
            or (kind is int and -LARGEST <= value < LARGEST)
            or (kind is float and value - value == 0)
        )
        if not known or type(name) is not str:
            return cast("dict[str, object]", plain(noted))
    return noted


def _content(content: dict[str, str]) -> dict[str, str] | None:
    return {_text(name): _text(text) for name, text in content.items()} if content else None


def _text(value: object) -> str:
    if type(value) is str:
        return value
    return "" if value is None else told(value)
