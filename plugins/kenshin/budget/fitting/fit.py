"""Fitting a prompt to its budget: compress when it is in the warning zone, trim when it is critical, else leave it.

A loop over declared steps. Each proposes edits in order, and as few are applied as bring the upper bound down to the
target. The passes repeat until one changes nothing, so a prompt that was fitted stays as it is when it is fitted again.
Decisions are `check`'s alone; between two of them running sums tell how far a step has to go.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from kenshin.budget.check import BudgetCheckResult, BudgetPolicy, check
from kenshin.budget.fitting.costs import Costs
from kenshin.budget.fitting.draft import Draft
from kenshin.budget.fitting.passages import Context
from kenshin.budget.fitting.policy import FitPolicy
from kenshin.budget.fitting.result import Action, BudgetFit, Stage
from kenshin.budget.fitting.steps import Propose, Summariser, compressing, trimming
from kenshin.budget.models import Model
from kenshin.errors import ContextBudgetExceeded

Judge: TypeAlias = Callable[..., BudgetCheckResult]


@dataclass(frozen=True, slots=True)
class _Prompt:
    """The sections of a prompt."""

    system_prompt: object
    conversation_history: Sequence[Mapping[str, object]]
    rag_context: object
    user_message: object
    tools: Sequence[Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class _Pass:
    """A part of the work: steps to take until the upper bound is down at a number of tokens."""

    stage: Stage
    steps: Sequence[Propose]
    upper: int
    everything: bool


def fit(
    model: Model,
    *,
    system_prompt: object = "",
    conversation_history: Sequence[Mapping[str, object]] = (),
    rag_context: object = "",
    user_message: object = "",
    tools: Sequence[Mapping[str, object]] = (),
    policy: BudgetPolicy | None = None,
    fit_policy: FitPolicy | None = None,
    summariser: Summariser | None = None,
    judge: Judge = check,
) -> BudgetFit:
    """Make a prompt fit its budget. What is given is never changed; a section that need not change comes back itself.

    Args:
        model: from the registry.
        system_prompt: stays as it is.
        conversation_history: messages with `role` and `content`, of Converse or of the Messages API.
        rag_context: passages as a list, the best first or each with a ``score``; or a text, split at blank lines.
        user_message: stays as it is.
        tools: stay as they are.
        policy: thresholds, reserve and ratio; the proof of concept's unless given.
        fit_policy: targets, steps and priorities.
        summariser: puts old messages into words; called at most twice, and whatever it answers, the fitting goes on.
        judge: checks a prompt; `check`, or the same with corrections bound to it.

    Raises:
        ContextBudgetExceeded: all that may go went, and the prompt is still critical; or the target is missed, and
            `must_reach` says that it must not be. It carries the best attempt.
        InvalidInput: a section is no content.
        InvalidPolicy: the policies contradict each other or leave no budget.
    """
    policy, how = policy or BudgetPolicy(), fit_policy or FitPolicy()
    compress_to, trim_to = how.targets(policy)
    given = _Prompt(system_prompt, conversation_history, rag_context, user_message, tools)
    before = _judged(judge, model, policy, given)
    if before.status == "normal":
        return _outcome(given, given, before, before, policy.warning, None)
    target = trim_to if before.status == "critical" else compress_to
    if _within(before, target):
        return _outcome(given, given, before, before, target, None)
    costs = Costs(model)
    fixed = costs.fixed(system_prompt, user_message, tools, policy.output_reserve)
    draft = Draft(costs, fixed, conversation_history, Context.read(rag_context), user_message)
    passes = _passes(before, how, min(compress_to, target), target, summariser)
    left, after = given, before
    draft.agree(before.upper_tokens)
    while _take(draft, passes):
        left = _left(given, draft)
        after = _judged(judge, model, policy, left)
        draft.agree(after.upper_tokens)
    fitted = _outcome(given, left, before, after, target, draft)
    if after.status == "critical" or (how.must_reach and not fitted.reached):
        raise ContextBudgetExceeded(
            value=f"at most {after.upper_tokens} tokens for a limit of {after.budget_limit}",
            reason=(
                "all that may go went; the system prompt, the tools, the user message and the reserve alone are at "
                f"most {fixed.upper} tokens"
            ),
            mend="Shorten these, split long passages, or keep fewer by FitPolicy(cuts=…); `best` has what is left.",
            best=fitted,
        )
    return fitted


def _passes(
    before: BudgetCheckResult,
    how: FitPolicy,
    compress_to: float,
    target: float,
    summariser: Summariser | None,
) -> list[_Pass]:
    """What is tried in order: compression, then cuts, first without the cached prefix, then with it."""
    compress, trim = compressing(how, summariser), trimming(how)
    critical, upper = before.status == "critical", _allowed(target, before.budget_limit)
    passes = [_Pass("compress", compress, _allowed(compress_to, before.budget_limit), everything=False)]
    if critical:
        passes.append(_Pass("trim", trim, upper, everything=False))
    if critical or how.must_reach:
        passes.append(_Pass("compress", compress, upper, everything=True))
    if critical:
        passes.append(_Pass("trim", trim, upper, everything=True))
    return passes


def _take(draft: Draft, passes: Sequence[_Pass]) -> bool:
    """Go through all passes once; whether anything changed."""
    changed = False
    for each in passes:
        draft.everything = each.everything
        for propose in each.steps:
            if draft.upper <= each.upper:
                break
            changed = draft.apply_fewest(propose(draft), each.upper, each.stage) or changed
    return changed


def _judged(judge: Judge, model: Model, policy: BudgetPolicy, prompt: _Prompt) -> BudgetCheckResult:
    return judge(
        model,
        system_prompt=prompt.system_prompt,
        conversation_history=prompt.conversation_history,
        rag_context=prompt.rag_context,
        user_message=prompt.user_message,
        tools=prompt.tools,
        policy=policy,
    )


def _within(found: BudgetCheckResult, share: float) -> bool:
    """Compared as `check` compares, so that both agree to the last digit."""
    return found.upper_tokens / found.budget_limit <= share


def _allowed(share: float, limit: int) -> int:
    """The most tokens that are within a share of the limit."""
    tokens = math.floor(share * limit) + 1
    while tokens / limit > share:
        tokens -= 1
    return tokens


def _left(given: _Prompt, draft: Draft) -> _Prompt:
    """What is left of a prompt, in the form given."""
    changed = {change.section for change in draft.changes}
    history, context = given.conversation_history, given.rag_context
    if "conversation_history" in changed:
        history = tuple(draft.history()) if isinstance(history, tuple) else draft.history()
    if "rag_context" in changed:
        context = draft.rag_context()
    return _Prompt(given.system_prompt, history, context, given.user_message, given.tools)


def _outcome(
    given: _Prompt,
    left: _Prompt,
    before: BudgetCheckResult,
    after: BudgetCheckResult,
    target: float,
    draft: Draft | None,
) -> BudgetFit:
    changes = tuple(draft.changes) if draft else ()
    return BudgetFit(
        system_prompt=left.system_prompt,
        conversation_history=left.conversation_history,
        rag_context=left.rag_context,
        user_message=left.user_message,
        tools=left.tools,
        before=before,
        after=after,
        action=_action({change.stage for change in changes}),
        saved_tokens=before.total_tokens - after.total_tokens,
        target=target,
        reached=_within(after, target),
        cache_kept=draft is None or draft.cache_kept,
        changes=changes,
        notes=tuple(draft.notes) if draft else (),
    )


def _action(stages: set[Stage]) -> Action:
    if "trim" in stages:
        return "trimmed"
    return "compressed" if stages else "none"
