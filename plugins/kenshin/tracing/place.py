"""A place: where in which trace a thread or task is, and where it was before.

Blocks do not always end in the order in which they began: a generator's span may end after one that its consumer
opened, or in another task. So what is put in force at an end is the innermost place whose block is still open.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from kenshin.signals.context import TraceContext, trace_in_force

if TYPE_CHECKING:
    from kenshin.tracing.live import LiveSpan
    from kenshin.tracing.span import Span
    from kenshin.tracing.trace import PromptTrace


class Place:
    """Where a thread or task is.

    Args:
        trace: in which trace.
        span: in which of its spans; None: directly in the trace.
        before: where it was before.
        live: the same in OpenTelemetry.
    """

    __slots__ = ("before", "live", "span", "told", "trace")

    def __init__(
        self, trace: PromptTrace, span: Span | None, before: Place | None, live: LiveSpan | None = None
    ) -> None:
        self.trace = trace
        self.span = span
        self.before = before
        self.live = live
        self.told = TraceContext(trace.trace_id, (trace if span is None else span).span_id, trace._intent)

    @property
    def is_open(self) -> bool:
        """Whether its block has not ended yet."""
        return bool(self.trace._turn) and (self.span is None or self.span.is_open)

    def enter(self) -> None:
        """Put it in force."""
        place_now.set(self)
        trace_in_force.set(self.told)

    def leave(self) -> None:
        """Put in force the innermost place before it that is still open, with the intent that its trace has by now."""
        place, live = self.before, self.live
        while place is not None and not place.is_open:
            live = place.live or live
            place = place.before
        place_now.set(place)
        trace_in_force.set(None if place is None else place.current())
        if live is not None:
            live.leave()

    def current(self) -> TraceContext:
        """What others are told of it, with the intent that the trace has by now."""
        told, intent = self.told, self.trace._intent
        if told.intent is not intent:
            told = self.told = TraceContext(told.trace_id, told.span_id, intent)
        return told


place_now: ContextVar[Place | None] = ContextVar("kenshin_place", default=None)
"""Where this thread or task is; None: in no trace."""


def open_place() -> Place | None:
    """Where this thread or task is; a place whose block has ended elsewhere is none."""
    place = place_now.get()
    while place is not None and not place.is_open:
        place = place.before
    return place
