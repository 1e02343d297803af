"""A trace: one request from prompt to delivery, with its spans and what was found out about its answer."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING

from kenshin.signals.context import trace_in_force
from kenshin.signals.genai import trace_id_of
from kenshin.signals.traces import PromptTraced
from kenshin.tracing.place import place_now
from kenshin.tracing.propagation import RemoteContext
from kenshin.tracing.span import Span

if TYPE_CHECKING:
    from uuid import UUID

    from kenshin.tracing.live import LiveTrace


class PromptTrace:
    """One request. The first nine arguments are the proof of concept's, in its order.

    Args:
        trace_id: 32 hex digits or a UUID; other text is hashed; None makes one.
        session_id: whose request.
        intent: what it is about; set later, it counts from then on.
        template_name: the prompt's template.
        template_version: and its version.
        spans: in the order of their starts.
        schema_valid: whether the answer keeps to its schema; to set it says that this was looked at.
        hallucination_risk: whether the answer claims what its context does not support.
        confusion_detected: whether the exchange shows signs of confusion.
        parent: where the caller was, from `kenshin.tracing.propagation.read_headers`.
        span_id: the trace's own span, 16 hex digits; None makes one.
        timer: answers seconds, and never goes back.

    Attributes:
        hallucination_score: how much of it, 0 to 1; None: not looked at.
        confusion_score: how strong the signs are, 0 to 1; None: not looked at.
        quality_score: composite score of the answer, 0 to 1.
        error: the exception that ended the request outside of any span; empty if there was none.
        content: texts by name (``prompt``, ``response``); they leave the process only where capture is switched on.
        record: what it came to, once it is finished.
    """

    __slots__ = (
        "__weakref__",
        "_intent",
        "_live",
        "_schema_valid",
        "_turn",
        "confusion_detected",
        "confusion_score",
        "content",
        "error",
        "hallucination_risk",
        "hallucination_score",
        "parent_id",
        "quality_score",
        "record",
        "sampled",
        "session_id",
        "span_id",
        "spans",
        "start",
        "template_name",
        "template_version",
        "trace_id",
        "tracestate",
    )

    def __init__(
        self,
        trace_id: str | UUID | None = None,
        session_id: str = "",
        intent: str = "",
        template_name: str = "",
        template_version: str = "",
        spans: list[Span] | None = None,
        schema_valid: bool | None = None,
        hallucination_risk: bool = False,
        confusion_detected: bool = False,
        *,
        parent: RemoteContext | None = None,
        span_id: str | None = None,
        timer: Callable[[], float] = perf_counter,
    ) -> None:
        self.parent_id: str | None = None
        self.sampled: bool | None = None
        self.tracestate = ""
        if parent is not None:
            self.trace_id = parent.trace_id
            self.parent_id, self.sampled = parent.span_id, parent.sampled
            self.tracestate = parent.tracestate
        else:
            self.trace_id = os.urandom(16).hex() if trace_id is None else trace_id_of(str(trace_id))
        self.span_id = span_id or os.urandom(8).hex()
        self.session_id = session_id
        self._intent = intent
        self.template_name = template_name
        self.template_version = template_version
        self.spans = [] if spans is None else spans
        self._schema_valid = schema_valid
        self.hallucination_risk = hallucination_risk
        self.hallucination_score: float | None = None
        self.confusion_detected = confusion_detected
        self.confusion_score: float | None = None
        self.quality_score: float | None = None
        self.error = ""
        self.content: dict[str, str] = {}
        self.record: PromptTraced | None = None
        self.start = timer()
        self._turn = [True]
        self._live: LiveTrace | None = None

    @property
    def intent(self) -> str:
        """What the request is about."""
        return self._intent

    @intent.setter
    def intent(self, intent: str) -> None:
        self._intent = intent
        here = place_now.get()
        if here is not None and here.trace is self:
            trace_in_force.set(here.current())

    @property
    def schema_valid(self) -> bool:
        """Whether the answer keeps to its schema, as far as that was looked at."""
        return self._schema_valid is not False

    @schema_valid.setter
    def schema_valid(self, valid: bool) -> None:
        self._schema_valid = bool(valid)

    @property
    def schema_checked(self) -> bool:
        """Whether it was looked at."""
        return self._schema_valid is not None

    @property
    def finished(self) -> bool:
        """Whether its record is out; what happens from then on is not told."""
        return not self._turn

    @property
    def entry(self) -> dict[str, object] | None:
        """The log line, once the trace is finished; never with texts, since it is there to be logged."""
        if self.record is None:
            return None
        line = self.record.log_fields()
        line.pop("content", None)
        return line

    def headers(self) -> dict[str, str]:
        """The headers of an outgoing call: W3C's and X-Ray's, with the innermost open span as the parent."""
        here = place_now.get()
        span = here.span if here is not None and here.trace is self else None
        inner = self.span_id if span is None or span.span_id is None else span.span_id
        return RemoteContext(self.trace_id, inner, self.sampled, self.tracestate).headers()

    def claim(self) -> bool:
        """Whether the caller is the first to finish the trace; of several threads one is."""
        try:
            return self._turn.pop()
        except IndexError:
            return False

    def __repr__(self) -> str:
        return f"PromptTrace({self.trace_id!r}, intent={self._intent!r}, {len(self.spans)} spans)"


def current_trace() -> PromptTrace | None:
    """The trace that this thread's or task's request is in; None where there is none, or it is finished."""
    here = place_now.get()
    return None if here is None or here.trace.finished else here.trace
