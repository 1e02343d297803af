"""The record of one finished prompt trace with its spans and the quality signals of its answer (POC 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from kenshin.signals.record import Logged


@dataclass(frozen=True, slots=True)
class SpanTimed:
    """One finished span.

    Args:
        name: what was done, e.g. ``prompt_assembly``.
        duration_ms: how long, by a clock that never goes back, in milliseconds.
        success: whether it ended without an exception.
        error: the exception's type and message, redacted and cut; empty if there was none.
        offset_ms: from the trace's start to the span's, by the same clock.
        span_id: 16 hex digits; None if nobody else needs to refer to it.
        parent_id: the span within which it happened; None: directly in the trace.
        metadata: what the application noted, JSON-ready.
    """

    name: str
    duration_ms: float
    success: bool = True
    error: str = ""
    offset_ms: float = 0.0
    span_id: str | None = None
    parent_id: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)

    def log_fields(self) -> dict[str, object]:
        """The span within its trace's log line, durations rounded to 2 digits."""
        line: dict[str, object] = {
            "name": self.name,
            "duration_ms": round(self.duration_ms, 2),
            "success": self.success,
            "error": self.error,
            "offset_ms": round(self.offset_ms, 2),
        }
        if self.span_id is not None:
            line["span_id"] = self.span_id
        if self.parent_id is not None:
            line["parent_id"] = self.parent_id
        if self.metadata:
            line["metadata"] = dict(self.metadata)
        return line


@dataclass(frozen=True, slots=True)
class PromptTraced(Logged):
    """One request from prompt to delivery.

    Args:
        at: when the trace was finished.
        trace_id: 32 hex digits.
        session_id: whose request.
        intent: what it was about.
        template_name: the prompt's template.
        template_version: and its version.
        elapsed_ms: from start to finish by a clock that never goes back; with `at` it gives the start.
        spans: in the order of their starts.
        schema_valid: whether the answer kept to its schema.
        schema_checked: whether that was looked at, which gives compliance its denominator.
        hallucination_risk: whether the answer claims what its context does not support.
        hallucination_score: how much of it, 0 to 1.
        confusion_detected: whether the exchange shows signs of confusion.
        confusion_score: how strong they are, 0 to 1.
        quality_score: composite score of the answer, 0 to 1.
        parent_id: the caller's span, from a W3C or X-Ray header, 16 hex digits.
        span_id: the trace's own span, the parent of those directly in it, 16 hex digits.
        error: the exception that ended the trace, outside of any span; its type and message, redacted and cut.
        live: whether its spans are OpenTelemetry's too, whose exporter then carries them; None: they are not.
        content: texts by name (``prompt``, ``response``); the recorder drops them unless capture is switched on.
    """

    record_type: ClassVar[str] = "prompt_trace"

    at: datetime
    trace_id: str
    session_id: str
    intent: str
    template_name: str
    template_version: str
    elapsed_ms: float
    spans: tuple[SpanTimed, ...] = ()
    schema_valid: bool = True
    schema_checked: bool = False
    hallucination_risk: bool = False
    hallucination_score: float | None = None
    confusion_detected: bool = False
    confusion_score: float | None = None
    quality_score: float | None = None
    parent_id: str | None = None
    span_id: str | None = None
    error: str | None = None
    live: bool | None = None
    content: Mapping[str, str] | None = None

    def log_fields(self) -> dict[str, object]:
        """The keys of the proof of concept and what came later; durations rounded to 2 digits."""
        line = Logged.log_fields(self)
        line["elapsed_ms"] = round(self.elapsed_ms, 2)
        line["total_duration_ms"] = round(self.total_duration_ms, 2)
        line["spans"] = [span.log_fields() for span in self.spans]
        return line

    @property
    def total_duration_ms(self) -> float:
        """Sum of the spans directly in the trace: what happened within them counts once."""
        return sum(span.duration_ms for span in self.spans if span.parent_id is None)

    @property
    def span_durations(self) -> dict[str, list[float]]:
        """Durations by the spans' names."""
        durations: dict[str, list[float]] = {}
        for span in self.spans:
            durations.setdefault(span.name, []).append(span.duration_ms)
        return durations

    @property
    def traces(self) -> int:
        """One: the denominator of every rate."""
        return 1

    @property
    def failures(self) -> int | None:
        """One if the trace, or a span directly in it, ended with an exception."""
        return None if self.failure is None else 1

    @property
    def failure(self) -> str | None:
        """What went wrong: the trace's own error, or that of the first failed span directly in it."""
        return self.error or next(
            (span.error for span in self.spans if not span.success and span.parent_id is None), None
        )

    @property
    def violations(self) -> int | None:
        """One if the answer breaks its schema."""
        return None if self.schema_valid else 1

    @property
    def validations(self) -> int | None:
        """One if the answer was held against its schema."""
        return 1 if self.schema_checked else None

    @property
    def hallucination_risks(self) -> int | None:
        """One if the answer may be made up."""
        return 1 if self.hallucination_risk else None

    @property
    def confusions(self) -> int | None:
        """One if the exchange shows confusion."""
        return 1 if self.confusion_detected else None
