"""A span: one step of a trace, timed by a clock that never goes back."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from kenshin.signals.content import ERROR_LIMIT, cut


class Span:
    """One step. The first seven arguments are the proof of concept's, in its order.

    Args:
        name: what is done, e.g. ``prompt_assembly``.
        start: by `timer`; by default now.
        end: by the same timer; 0 while the span is open.
        duration_ms: 0 while it is open.
        success: whether it ended without an exception.
        error: what went wrong: type and message, redacted and cut to 200 characters.
        metadata: what the application notes; it goes out with the trace as it is.
        span_id: 16 hex digits; None for a span that belongs to no trace.
        parent_id: the span within which it happens; None: directly in the trace.
        timer: answers seconds, and never goes back.

    Attributes:
        is_open: until it is closed.
    """

    __slots__ = (
        "_timer",
        "duration_ms",
        "end",
        "error",
        "is_open",
        "metadata",
        "name",
        "parent_id",
        "span_id",
        "start",
        "success",
    )

    def __init__(
        self,
        name: str,
        start: float | None = None,
        end: float = 0.0,
        duration_ms: float = 0.0,
        success: bool = True,
        error: str = "",
        metadata: dict[str, Any] | None = None,
        *,
        span_id: str | None = None,
        parent_id: str | None = None,
        timer: Callable[[], float] = perf_counter,
    ) -> None:
        self.name = name
        self.span_id = span_id
        self.parent_id = parent_id
        self.metadata: dict[str, Any] = {} if metadata is None else metadata
        self.success = success
        self.error = error
        self.end = end
        self.duration_ms = duration_ms
        self.is_open = not end
        self._timer = timer
        self.start = timer() if start is None else start

    def close(self, success: bool = True, error: str = "") -> None:
        """End the span; what is closed stays as it is.

        Args:
            success: whether it ended well.
            error: what went wrong.
        """
        if not self.is_open:
            return
        self.end = end = self._timer()
        self.is_open = False
        self.duration_ms = max(end - self.start, 0.0) * 1000
        self.success = success
        self.error = cut(error, ERROR_LIMIT) if error else ""

    def lasted_ms(self, now: float) -> float:
        """How long it lasted, or has lasted by the instant `now` of its timer, in milliseconds."""
        return max(now - self.start, 0.0) * 1000 if self.is_open else self.duration_ms

    def __repr__(self) -> str:
        state = "open" if self.is_open else f"{self.duration_ms:.2f} ms"
        return f"Span({self.name!r}, {state}, success={self.success})"
