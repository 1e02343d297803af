"""Does a prompt fit its budget? Sections are estimated, the status is decided on the upper bound.

The names, the words and the thresholds are the proof of concept's. `utilization_pct` stays the point estimate;
`upper_pct` is beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from kenshin.budget.calibration import NOTHING_KNOWN, Calibration
from kenshin.budget.content import as_json, read_content
from kenshin.budget.estimate import TokenEstimate, estimate_text, thinning
from kenshin.budget.models import Model
from kenshin.budget.script import SCRIPTS, Script
from kenshin.errors import InvalidInput, InvalidPolicy
from kenshin.signals.context import PromptMeasured

if TYPE_CHECKING:
    from kenshin.signals.budgets import BudgetChecked

_Section = tuple[list[str], int]
"""A section's texts, and the tokens that it has besides."""

Status = Literal["normal", "warning", "critical"]

OUTPUT_RESERVE = 1_500
MESSAGE_FRAME = 4
"""Tokens that frame each message of the history, declared."""

REQUEST_FRAME = {"claude-3": 7, "claude-4.7": 11, "other": 11}
"""Tokens around a prompt of one message, as the reference tokenizer has them."""

TOGETHER = 0.5
"""How far the errors of a prompt's texts go together; 1 adds their margins, 0 takes them for independent."""

RUN, MOST_RUNS = 2_048, 32
"""Messages of a history are estimated together until they have so many characters; a longer history has longer runs."""

RUNS_REMEMBERED, RUN_REMEMBERED = 1_024, 4 * RUN
"""Runs that need not be put together again, and the characters of one at most."""

TOOLS_FRAME, TOOLS_FRAME_UPPER = 350, 600
"""Tokens that the first tool adds besides its definition."""


@dataclass(frozen=True, slots=True)
class BudgetPolicy:
    """What fits.

    Args:
        warning: share of the limit above which a prompt should be compressed.
        critical: share above which it must be trimmed.
        output_reserve: tokens kept for the answer; give the request's `maxTokens`, which is what Bedrock reserves.
        practical_ratio: share of the window that is the limit; None takes the model's.

    Raises:
        InvalidPolicy: a number means nothing.
    """

    warning: float = 0.80
    critical: float = 0.95
    output_reserve: int = OUTPUT_RESERVE
    practical_ratio: float | None = None

    def __post_init__(self) -> None:
        ratio = 1.0 if self.practical_ratio is None else self.practical_ratio
        for share in (self.warning, self.critical, ratio):
            if isinstance(share, bool) or not isinstance(share, int | float):
                raise InvalidPolicy(value=share, reason="no number", mend="Give a share, e.g. 0.80.")
        if not 0 < self.warning <= self.critical or not math.isfinite(self.critical):
            raise InvalidPolicy(
                value=(self.warning, self.critical),
                reason="the thresholds are no shares in order",
                mend="Give 0 < warning <= critical, e.g. 0.80 and 0.95.",
            )
        if (
            isinstance(self.output_reserve, bool)
            or not isinstance(self.output_reserve, int)
            or self.output_reserve < 0
        ):
            raise InvalidPolicy(
                value=self.output_reserve, reason="the reserve is no count of tokens", mend="Give 0 or more."
            )
        if not 0 < ratio <= 1:
            raise InvalidPolicy(
                value=self.practical_ratio,
                reason="the practical ratio is no share",
                mend="Give 0 < ratio <= 1.",
            )

    def limit(self, model: Model) -> int:
        """The budget in tokens.

        Raises:
            InvalidPolicy: nothing is left of the window.
        """
        limit = int(
            model.window * (model.practical_ratio if self.practical_ratio is None else self.practical_ratio)
        )
        if limit <= 0:
            raise InvalidPolicy(
                value=f"{model.name}: {limit}",
                reason="the budget is not above 0",
                mend="Raise the practical ratio.",
            )
        return limit


@dataclass(frozen=True, slots=True)
class BudgetCheckResult:
    """One check, under the proof of concept's names.

    Args:
        total_tokens: the estimate with the reserve.
        budget_limit: tokens allowed.
        utilization_pct: the former in percent of the latter, to one digit.
        status: decided on the upper bound.
        largest_section: which section is longest; the reserve is none.
        largest_section_tokens: its estimate.
        recommendation: what to do; None when all is well.
        upper_tokens: 95 % upper bound of the total.
        upper_pct: the same in percent of the limit.
        sections: each section's estimate, the reserve included.
        model: the model's name.
        known_model: False where the window is assumed.
        measured: the prompt by the fitted numbers alone, the reserve apart: what usage is compared with.
        calibrated: whether reported usage has corrected the figures.
    """

    total_tokens: int
    budget_limit: int
    utilization_pct: float
    status: Status
    largest_section: str
    largest_section_tokens: int
    recommendation: str | None
    upper_tokens: int
    upper_pct: float
    sections: Mapping[str, int]
    model: str
    known_model: bool
    measured: PromptMeasured
    calibrated: bool

    def as_record(self, at: datetime, *, trace_id: str | None = None) -> BudgetChecked:
        """The record of this check: figures, never a text."""
        from kenshin.signals.budgets import BudgetChecked

        return BudgetChecked(
            at=at,
            model_id=self.model,
            status=self.status,
            utilization_pct=self.utilization_pct,
            upper_pct=self.upper_pct,
            total_tokens=self.total_tokens,
            upper_tokens=self.upper_tokens,
            budget_limit=self.budget_limit,
            sections=self.sections,
            largest_section=self.largest_section,
            largest_section_tokens=self.largest_section_tokens,
            recommendation=self.recommendation,
            known_model=self.known_model,
            trace_id=trace_id,
        )


def check(
    model: Model,
    *,
    system_prompt: object = "",
    conversation_history: Sequence[Mapping[str, object]] = (),
    rag_context: object = "",
    user_message: object = "",
    tools: Sequence[Mapping[str, object]] = (),
    policy: BudgetPolicy | None = None,
    calibration: Calibration | None = None,
) -> BudgetCheckResult:
    """Estimate every section and compare their sum with the budget.

    Args:
        model: from the registry.
        system_prompt: a text, or content blocks.
        conversation_history: messages with `content`, a text or blocks of Converse or Messages.
        rag_context: a text, or content blocks.
        user_message: a text, or content blocks.
        tools: definitions in the form of either API.
        policy: thresholds, reserve and ratio; the proof of concept's unless given.
        calibration: corrects the estimates by what the model reported of other prompts in this one's script.

    Raises:
        InvalidInput: a section is no content.
        InvalidPolicy: the policy leaves no budget.
    """
    policy = policy or BudgetPolicy()
    limit = policy.limit(model)
    read = {
        "system_prompt": _content(system_prompt),
        "conversation_history": _history(conversation_history),
        "rag_context": _content(rag_context),
        "user_message": _content(user_message, frame=REQUEST_FRAME[model.family]),
    }
    excesses: list[int] = []
    if tools:
        read["tools"] = [as_json(tool) for tool in tools], TOOLS_FRAME
        excesses.append(TOOLS_FRAME_UPPER - TOOLS_FRAME)
    thin = thinning([len(text) for texts, _ in read.values() for text in texts])
    sections: dict[str, int] = {}
    estimates: list[TokenEstimate] = []
    for name, (texts, beside) in read.items():
        found = [estimate_text(text, model.family, thin=thin) for text in texts]
        sections[name] = sum(found, beside)
        estimates += found
    tokens = sum(sections.values())
    upper = tokens + together([*excesses, *(each.upper - each for each in estimates)])
    script = script_of_prompt(estimates)
    measured = PromptMeasured(model.name, tokens, upper, script)
    correction = calibration.correction(model.name, script) if calibration else NOTHING_KNOWN
    if correction.calls:
        corrected, upper = correction.numbers(tokens, upper)
        sections = {name: round(part * corrected / tokens) if part else 0 for name, part in sections.items()}
        tokens = sum(sections.values())
    largest = max(sections, key=sections.__getitem__)
    sections["output_reserve"] = policy.output_reserve
    total, upper = tokens + policy.output_reserve, max(tokens, upper) + policy.output_reserve
    status = _status(upper / limit, policy)
    return BudgetCheckResult(
        total_tokens=total,
        budget_limit=limit,
        utilization_pct=round(100 * total / limit, 1),
        status=status,
        largest_section=largest,
        largest_section_tokens=sections[largest],
        recommendation=_recommendation(status, total / limit, upper / limit, largest, sections, limit),
        upper_tokens=upper,
        upper_pct=round(100 * upper / limit, 1),
        sections=sections,
        model=model.name,
        known_model=model.known,
        measured=measured,
        calibrated=correction.calls > 0,
    )


def script_of_prompt(texts: Sequence[TokenEstimate]) -> Script:
    """The script in which a prompt has most of its estimated tokens: the corrections that it belongs to."""
    if len({text.script for text in texts}) <= 1:
        return texts[0].script if texts else "latin"
    tokens = dict.fromkeys(SCRIPTS, 0)
    for text in texts:
        tokens[text.script] += text
    return max(SCRIPTS, key=lambda each: tokens[each])


def together(excesses: Sequence[int]) -> int:
    """By how much a sum may exceed its estimate, from the 95 % margins of its parts.

    The variance of a sum whose parts' errors are correlated by `TOGETHER`.
    """
    alone, summed = sum(excess * excess for excess in excesses), sum(excesses)
    return math.ceil(math.sqrt((1 - TOGETHER) * alone + TOGETHER * summed * summed))


def runs_of(texts: Sequence[str]) -> list[str]:
    """A history's texts in runs of messages, each estimated as one text, so that time does not follow their number.

    A run begins where it did when the history was shorter, so it is known again; the last one alone grows.
    """
    size = RUN
    while sum(map(len, texts)) > MOST_RUNS * size:
        size *= 2
    runs, run, length = list[str](), list[str](), 0
    for text in texts:
        run.append(text)
        length += len(text)
        if length >= size:
            runs.append(_joined(run, length))
            run, length = [], 0
    return [*runs, _joined(run, length)] if run else runs


def _joined(run: list[str], length: int) -> str:
    """A run as one text; the same object as before where it is remembered, whose hash need not be made again."""
    if len(run) == 1:
        return run[0]
    return _remembered_run(tuple(run)) if length <= RUN_REMEMBERED else " ".join(run)


_remembered_run = lru_cache(maxsize=RUNS_REMEMBERED)(" ".join)


def _status(upper: float, policy: BudgetPolicy) -> Status:
    if upper > policy.critical:
        return "critical"
    return "warning" if upper > policy.warning else "normal"


def _recommendation(
    status: Status, share: float, upper: float, largest: str, sections: Mapping[str, int], limit: int
) -> str | None:
    used = f"{share:.0%} of budget used (at most {upper:.0%})."
    reserve = sections["output_reserve"]
    if status != "normal" and 2 * reserve > limit:
        used += f" {reserve} of {limit} tokens are the reserve for the answer: lower it, or raise the practical ratio."
    if status == "critical":
        return (
            f"CRITICAL: {used} Largest section '{largest}' ({sections[largest]} tokens). "
            "Compress conversation history or reduce RAG context."
        )
    if status == "warning":
        return f"WARNING: {used} Consider compressing '{largest}' section."
    return None


def _content(content: object, *, frame: int = 0) -> _Section:
    read = read_content(content)
    return read.texts, read.image_tokens + frame


def _history(messages: Sequence[Mapping[str, object]]) -> _Section:
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Sequence):
        raise InvalidInput(
            value=type(messages).__name__,
            reason="no list of messages",
            mend="Give messages with role and content.",
        )
    tokens, texts = 0, list[str]()
    for message in messages:
        if type(message) is not dict and not isinstance(message, Mapping):
            raise InvalidInput(
                value=type(message).__name__, reason="no message", mend="Give messages with role and content."
            )
        content = message.get("content", "")
        tokens += MESSAGE_FRAME
        if isinstance(content, str):
            texts.append(content)
        else:
            more, beside = _content(content)
            texts += more
            tokens += beside
    return runs_of(texts), tokens
