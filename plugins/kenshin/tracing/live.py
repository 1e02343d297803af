"""Live OpenTelemetry spans beside a trace's own, where the application has set a tracer provider.

The span that is current in OpenTelemetry becomes the trace's parent, and the trace's spans are current while they are
open, so what other instrumentation makes within them becomes their child. The ids are OpenTelemetry's. Such a trace's
record says `live`, and the sink for OTLP leaves its spans to OpenTelemetry's own exporter; its metrics go out as ever.
Texts of prompts and answers are never attributes of live spans.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kenshin.errors import BackendUnavailable
from kenshin.signals.genai import evaluations, span_attributes, trace_attributes
from kenshin.signals.traces import PromptTraced
from kenshin.tracing.propagation import RemoteContext
from kenshin.tracing.span import Span

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span as OtelSpan
    from opentelemetry.trace import Tracer, TracerProvider

SCOPE = "kenshin"


@dataclass(frozen=True, slots=True)
class LiveSpan:
    """A span of OpenTelemetry that is current, and the context that was so before it."""

    span: OtelSpan
    before: Context

    @property
    def span_id(self) -> str:
        """16 hex digits."""
        return f"{self.span.get_span_context().span_id:016x}"

    def end(self, closed: Span, kind: str | None) -> None:
        """Tell what the closed span tells, and end.

        Args:
            closed: the trace's own span.
            kind: class of the exception that ended it.
        """
        try:
            self.span.set_attributes(span_attributes(closed.metadata))
            if not closed.success:
                _fail(self.span, closed.error, kind)
        finally:
            self.span.end()

    def leave(self) -> None:
        """Make current again what was so before: by setting, since a task may leave what another entered."""
        from opentelemetry.context import attach

        attach(self.before)


@dataclass(frozen=True, slots=True)
class LiveTrace:
    """The trace's own span, and where it hangs."""

    root: LiveSpan
    parent: RemoteContext | None
    tracer: Tracer

    @property
    def where(self) -> RemoteContext:
        """The trace with the parent of its own span, if it has one."""
        if self.parent is not None:
            return self.parent
        context = self.root.span.get_span_context()
        return RemoteContext(f"{context.trace_id:032x}", None, bool(context.trace_flags.sampled))

    def open(self, name: str) -> LiveSpan:
        """Open a span within what is current, or within the trace's own span where that belongs to another trace."""
        from opentelemetry.trace import get_current_span, set_span_in_context

        root = self.root.span
        here = get_current_span().get_span_context()
        context = None
        if here.trace_id != root.get_span_context().trace_id:
            context = set_span_in_context(root)
        return _entered(self.tracer.start_span(name, context=context))

    def end(self, record: PromptTraced | None) -> None:
        """Tell what the finished trace tells, if anything, and end its own span."""
        span = self.root.span
        try:
            if record is not None:
                _tell(span, record)
        finally:
            span.end()


class LiveTraces:
    """Opens live spans as long as a tracer provider is set.

    Args:
        wanted: True: import OpenTelemetry; False: never; None: only if somebody else has imported it.
        provider: instead of the one that is set.

    Raises:
        BackendUnavailable: it is wanted and not installed.
    """

    def __init__(self, wanted: bool | None = None, provider: TracerProvider | None = None) -> None:
        self._wanted = wanted
        self._provider = provider
        self._known: tuple[Any, Tracer | None] = (None, None)
        if wanted:
            try:
                import opentelemetry.trace  # noqa: F401
            except ImportError as error:
                raise BackendUnavailable(
                    value="opentelemetry",
                    reason="live spans are asked for, and it is not installed",
                    mend="Install kenshin[otel].",
                ) from error

    def begin(self, name: str, remote: RemoteContext | None) -> LiveTrace | None:
        """Open a trace's own span; None where no provider is set.

        Args:
            name: of the span.
            remote: the caller's context; it counts if it names a span, and where none of OpenTelemetry's is current.
        """
        tracer = self._tracer()
        if tracer is None:
            return None
        from opentelemetry.trace import SpanKind, get_current_span

        here = get_current_span().get_span_context()
        if here.is_valid:
            parent: RemoteContext | None = RemoteContext(
                f"{here.trace_id:032x}",
                f"{here.span_id:016x}",
                bool(here.trace_flags.sampled),
                here.trace_state.to_header(),
            )
            span = tracer.start_span(name, kind=SpanKind.SERVER if here.is_remote else SpanKind.INTERNAL)
        else:
            # A trace without a span cannot be told to OpenTelemetry.
            parent = None if remote is None or remote.span_id is None else remote
            context = None if parent is None else _from_remote(parent)
            span = tracer.start_span(name, context=context, kind=SpanKind.SERVER)
        if not span.get_span_context().is_valid:
            return None
        return LiveTrace(_entered(span), parent, tracer)

    def _tracer(self) -> Tracer | None:
        if self._wanted is False:
            return None
        provider = self._provider
        if provider is None:
            api = sys.modules.get("opentelemetry.trace")
            if api is None:
                return None
            provider = api.get_tracer_provider()
            if isinstance(provider, api.ProxyTracerProvider):
                return None
        if self._known[0] is not provider:
            self._known = (provider, provider.get_tracer(SCOPE))
        return self._known[1]


def _entered(span: OtelSpan) -> LiveSpan:
    from opentelemetry.context import attach, get_current
    from opentelemetry.trace import set_span_in_context

    before = get_current()
    attach(set_span_in_context(span, before))
    return LiveSpan(span, before)


def _from_remote(remote: RemoteContext) -> Context:
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

    flags = TraceFlags(TraceFlags.DEFAULT if remote.sampled is False else TraceFlags.SAMPLED)
    state = TraceState.from_header([remote.tracestate]) if remote.tracestate else None
    span_id = int(remote.span_id or "0", 16)
    context = SpanContext(int(remote.trace_id, 16), span_id, True, flags, state)
    return set_span_in_context(NonRecordingSpan(context))


def _tell(span: OtelSpan, record: PromptTraced) -> None:
    span.set_attributes(trace_attributes(replace(record, content=None)))
    for event in evaluations(record):
        span.add_event(event.name, event.attributes)
    if record.failure is not None:
        _fail(span, record.failure, None)


def _fail(span: OtelSpan, error: str, kind: str | None) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_status(Status(StatusCode.ERROR, error))
    span.set_attribute("error.type", kind or error.partition(":")[0])
