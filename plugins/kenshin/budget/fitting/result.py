"""What became of a prompt that was fitted: the prompt, the checks before and after, what went and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from kenshin.budget.check import BudgetCheckResult
from kenshin.budget.fitting.policy import Step, Taken

if TYPE_CHECKING:
    from kenshin.signals.budgets import BudgetChecked

Action = Literal["none", "compressed", "trimmed"]
Section = Literal["rag_context", "conversation_history"]
Stage = Literal["compress", "trim"]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that was made shorter or left out. It holds no text.

    Args:
        section: where.
        index: the place of the first message or passage in what was given, from 0.
        count: how many messages or passages it concerns.
        stage: compression or the emergency's trim.
        what: the step or the cut.
        reason: why this one, in words.
        tokens_before: their estimate as they stood.
        tokens_after: the estimate of what stands there now; 0 where they went.
    """

    section: Section
    index: int
    count: int
    stage: Stage
    what: Step | Taken
    reason: str
    tokens_before: int
    tokens_after: int


@dataclass(frozen=True, slots=True)
class BudgetFit:
    """A prompt that was fitted. Sections that did not change are the caller's own objects.

    Args:
        system_prompt: as given.
        conversation_history: messages in the form given.
        rag_context: in the form given.
        user_message: as given.
        tools: as given.
        before: the check of what was given.
        after: the check of what came out.
        action: what was done at most.
        saved_tokens: by how many estimated tokens the prompt is smaller.
        target: the share of the limit that was aimed at.
        reached: whether the upper bound is within it.
        cache_kept: whether everything up to the last cache mark is as it was.
        changes: what went, in the order it went.
        notes: what could not be done, in words.
    """

    system_prompt: object
    conversation_history: Sequence[Mapping[str, object]]
    rag_context: object
    user_message: object
    tools: Sequence[Mapping[str, object]]
    before: BudgetCheckResult
    after: BudgetCheckResult
    action: Action
    saved_tokens: int
    target: float
    reached: bool
    cache_kept: bool = True
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """What was done, in a sentence."""
        done = f"{self.action.capitalize()}: {self.saved_tokens} tokens" if self.changes else "Nothing done"
        cache = "" if self.cache_kept else ", the cached prefix is not as it was"
        return f"{done}, now at most {self.after.upper_pct} % of the budget{cache}."

    def as_record(self, at: datetime, *, trace_id: str | None = None) -> BudgetChecked:
        """The record: the check of what was given, with what was done about it.

        Args:
            at: when.
            trace_id: the trace in which it happened.
        """
        return replace(
            self.before.as_record(at), action=self.action, saved_tokens=self.saved_tokens, trace_id=trace_id
        )

    def as_dict(self) -> dict[str, object]:
        """Figures and changes at a JSON edge, without the prompt's content."""
        return {
            "action": self.action,
            "saved_tokens": self.saved_tokens,
            "target": self.target,
            "reached": self.reached,
            "cache_kept": self.cache_kept,
            "before": asdict(self.before),
            "after": asdict(self.after),
            "changes": [asdict(change) for change in self.changes],
            "notes": list(self.notes),
        }
