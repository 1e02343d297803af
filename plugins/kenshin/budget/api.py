"""Token estimates, budget checks and calibration, bound to the process's current runtime."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kenshin.budget.calibration import Correction, Script
from kenshin.budget.check import BudgetCheckResult, BudgetPolicy, check
from kenshin.budget.estimate import TokenEstimate, estimate_text
from kenshin.budget.models import DEFAULT_MODEL
from kenshin.current import current
from kenshin.errors import ContextBudgetExceeded
from kenshin.signals.context import trace_in_force

if TYPE_CHECKING:
    from kenshin.budget.fitpolicy import FitPolicy
    from kenshin.budget.fitted import BudgetFit
    from kenshin.budget.steps import Summariser
    from kenshin.runtime import Runtime

logger = logging.getLogger(__name__)


def estimate_tokens(
    text: str | None, model_id: str = DEFAULT_MODEL, *, strict: bool = False
) -> TokenEstimate:
    """How many tokens a text is for a model, with a 95 % upper bound; usable as an int.

    Args:
        text: None has no tokens.
        model_id: any id of the model; an unknown one gets the newest family of its kind.
        strict: refuse an unknown model.

    Raises:
        InvalidInput: not a text.
        UnknownModel: `strict`, and the registry does not know the model.
    """
    return estimate_text(text, current().models.find(model_id, strict=strict).family)


def check_budget(
    system_prompt: object = "",
    conversation_history: Sequence[Mapping[str, object]] = (),
    rag_context: object = "",
    user_message: object = "",
    model_id: str = DEFAULT_MODEL,
    *,
    tools: Sequence[Mapping[str, object]] = (),
    policy: BudgetPolicy | None = None,
    strict: bool = False,
) -> BudgetCheckResult:
    """Does a prompt fit the budget of a model? See `kenshin.budget.check.check`.

    Args:
        system_prompt: a text, or content blocks of Converse or Messages, as in all sections.
        conversation_history: messages with `content`.
        rag_context: what retrieval adds.
        user_message: the turn to be answered.
        model_id: any id of the model; an unknown one is assumed to have a window of 200,000, and the result says so.
        tools: definitions in the form of either API.
        policy: thresholds, reserve and ratio.
        strict: refuse an unknown model.

    Raises:
        InvalidInput: a section is no content.
        InvalidPolicy: the policy leaves no budget.
        UnknownModel: `strict`, and the registry does not know the model.
    """
    return check(
        current().models.find(model_id, strict=strict),
        system_prompt=system_prompt,
        conversation_history=conversation_history,
        rag_context=rag_context,
        user_message=user_message,
        tools=tools,
        policy=policy,
    )


def fit_budget(
    system_prompt: object = "",
    conversation_history: Sequence[Mapping[str, object]] = (),
    rag_context: object = "",
    user_message: object = "",
    model_id: str = DEFAULT_MODEL,
    *,
    tools: Sequence[Mapping[str, object]] = (),
    policy: BudgetPolicy | None = None,
    fit_policy: FitPolicy | None = None,
    summariser: Summariser | None = None,
    strict: bool = False,
) -> BudgetFit:
    """Make a prompt fit the budget of a model: compressed in the warning zone, trimmed when critical, else as it is.

    What was done leaves as the record of a budget check. See `kenshin.budget.fitting.fit`.

    Args:
        system_prompt: a text, or content blocks of Converse or Messages, as in all sections; stays as it is.
        conversation_history: messages with `role` and `content`.
        rag_context: passages as a list, the best first or each with a ``score``; or a text, split at blank lines.
        user_message: the turn to be answered; stays as it is.
        model_id: any id of the model; an unknown one is assumed to have a window of 200,000.
        tools: definitions in the form of either API; stay as they are.
        policy: thresholds, reserve and ratio.
        fit_policy: targets, steps and priorities.
        summariser: puts a list of old messages into a text; whatever it answers or raises, the fitting goes on.
        strict: refuse an unknown model.

    Raises:
        ContextBudgetExceeded: nothing helps: all that may go went. It carries the best attempt.
        InvalidInput: a section is no content.
        InvalidPolicy: the policies contradict each other or leave no budget.
        UnknownModel: `strict`, and the registry does not know the model.
    """
    from kenshin.budget.fitting import fit

    runtime = current()
    try:
        fitted = fit(
            runtime.models.find(model_id, strict=strict),
            system_prompt=system_prompt,
            conversation_history=conversation_history,
            rag_context=rag_context,
            user_message=user_message,
            tools=tools,
            policy=policy,
            fit_policy=fit_policy,
            summariser=summariser,
        )
    except ContextBudgetExceeded as error:
        _tell_fit(runtime, error.best)
        raise
    _tell_fit(runtime, fitted)
    return fitted


def _tell_fit(runtime: Runtime, fitted: BudgetFit) -> None:
    """Record what was done, log it where the prompt was not normal; what fails here is not the request's concern."""
    try:
        trace = trace_in_force.get()
        runtime.recorder.record(fitted.as_record(runtime.clock(), trace_id=trace.trace_id if trace else None))
        if fitted.before.recommendation is not None:
            logger.warning(
                "Prompt for %s: %s %s", fitted.before.model, fitted.before.recommendation, fitted.summary
            )
    except Exception:
        logger.exception("The fitting of a prompt could not be recorded")


def observe_usage(
    model_id: str,
    estimate: TokenEstimate,
    usage: Mapping[str, object],
    *,
    script: Script = "latin",
    stop_reason: str = "",
) -> Correction:
    """Correct later estimates of a model by what it reported; see `kenshin.budget.calibration`.

    Args:
        model_id: any id of the model.
        estimate: of the whole prompt, before any correction.
        usage: the answer's, in Bedrock's or Anthropic's keys; tokens read from and written to the cache count.
        script: the prompt's, from `script_of`.
        stop_reason: the answer's; an overflow is counted as a miss.

    Raises:
        InvalidInput: the usage states no input tokens, though the call did not overflow.
    """
    runtime = current()
    name = runtime.models.find(model_id).name
    return runtime.token_calibration.observe(name, script, estimate, usage, stop_reason=stop_reason)
