"""The record of a context-budget check (POC 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from kenshin.signals.bedrock import model_name
from kenshin.signals.record import Logged

BudgetStatus = Literal["normal", "warning", "critical"]
BudgetAction = Literal["none", "compressed", "trimmed"]


@dataclass(frozen=True, slots=True)
class BudgetChecked(Logged):
    """One prompt measured against its budget; counts and shares, never its text.

    Args:
        at: when it was checked.
        model_id: the model that the budget belongs to.
        status: decided on the upper bound.
        utilization_pct: point estimate of the prompt's share of the budget, in percent.
        upper_pct: 95 % upper bound of that share, in percent.
        total_tokens: estimated tokens of all sections, the reserve for the answer included.
        upper_tokens: upper bound of these.
        budget_limit: how many tokens the budget has.
        sections: estimated tokens of each section.
        largest_section: the section with most tokens, the reserve apart.
        largest_section_tokens: how many it has.
        recommendation: what to do, in words; None while the status is normal.
        known_model: whether the registry knows the model; if not, its window is assumed.
        action: what was done to the prompt.
        saved_tokens: by how many estimated tokens that made it smaller.
        trace_id: the trace in which it happened.
    """

    record_type: ClassVar[str] = "budget_check"

    at: datetime
    model_id: str
    status: BudgetStatus
    utilization_pct: float
    upper_pct: float
    total_tokens: int
    upper_tokens: int
    budget_limit: int
    sections: Mapping[str, int]
    largest_section: str
    largest_section_tokens: int
    recommendation: str | None = None
    known_model: bool = True
    action: BudgetAction = "none"
    saved_tokens: int | None = None
    trace_id: str | None = None

    @property
    def model(self) -> str:
        """The model's name as a dimension."""
        return model_name(self.model_id)

    @property
    def checks(self) -> int:
        """One: the denominator of the shares below."""
        return 1

    @property
    def warnings(self) -> int | None:
        """One if the status is a warning."""
        return 1 if self.status == "warning" else None

    @property
    def criticals(self) -> int | None:
        """One if the status is critical."""
        return 1 if self.status == "critical" else None
