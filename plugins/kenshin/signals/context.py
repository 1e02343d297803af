"""What a request knows of itself, for the check-ups that meet in it without knowing each other.

Context variables go along with threads' and tasks' own contexts: two requests never see each other's.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from kenshin.signals.calls import BedrockHealthMetrics


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Where in which trace the request is.

    Args:
        trace_id: 32 hex digits.
        span_id: the innermost open span, the trace's own where no other is, 16 hex digits; None: none is known.
        intent: what the request is about; empty while nobody knows.
    """

    trace_id: str
    span_id: str | None = None
    intent: str = ""


@dataclass(frozen=True, slots=True)
class PromptMeasured:
    """What a budget check estimated of the prompt that is about to be sent, before any correction.

    Args:
        model: the model's name in the registry.
        tokens: estimated tokens of the whole prompt, the reserve for the answer apart.
        upper: 95 % upper bound of these.
        script: which corrections the prompt belongs to: ``latin``, ``japanese`` or ``other``.
    """

    model: str
    tokens: int
    upper: int
    script: str


trace_in_force: ContextVar[TraceContext | None] = ContextVar("kenshin_trace", default=None)
"""Set by tracing; read by whoever makes a record."""

prompt_measured: ContextVar[PromptMeasured | None] = ContextVar("kenshin_prompt", default=None)
"""Set by the budget check; the model call that follows takes it along to those who compare it with the usage."""

CallListener: TypeAlias = "Callable[[BedrockHealthMetrics, PromptMeasured | None], None]"
"""Hears of each finished model call, and of what had been measured of its prompt."""
