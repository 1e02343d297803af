"""The record of a model's reported usage beside what had been estimated (POC 1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from kenshin.signals.bedrock import model_name
from kenshin.signals.record import Logged


@dataclass(frozen=True, slots=True)
class UsageObserved(Logged):
    """One call's prompt: what was estimated, what it was.

    Args:
        at: when the usage was reported.
        model_id: the model, by its name in the registry.
        script: which corrections the prompt belongs to.
        estimated_tokens: by the fitted numbers, before any correction.
        estimated_upper: 95 % upper bound of these.
        corrected_tokens: the estimate as the process's corrections had it.
        corrected_upper: 95 % upper bound of these.
        actual_tokens: what the model reported, its cache included; 0: nothing, since the prompt overflowed.
        overflowed: whether the prompt did not fit the context window.
        trace_id: the trace in which it happened.
    """

    record_type: ClassVar[str] = "usage_observed"

    at: datetime
    model_id: str
    script: str
    estimated_tokens: int
    estimated_upper: int
    corrected_tokens: int
    corrected_upper: int
    actual_tokens: int
    overflowed: bool = False
    trace_id: str | None = None

    @property
    def model(self) -> str:
        """The model's name as a dimension."""
        return model_name(self.model_id)

    @property
    def observations(self) -> int:
        """One: the denominator of the share of misses."""
        return 1

    @property
    def error_pct(self) -> float | None:
        """How far the corrected estimate is off, in percent of what the model reported."""
        if not self.actual_tokens:
            return None
        return round(100 * abs(self.corrected_tokens / self.actual_tokens - 1), 2)

    @property
    def misses(self) -> int | None:
        """One if the prompt exceeded its bound, or the window."""
        return 1 if self.overflowed or self.actual_tokens > self.corrected_upper else None
