"""Token estimates, budget checks and calibration, bound to the process's current runtime."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from kenshin.budget.calibration import Correction
from kenshin.budget.check import BudgetCheckResult, BudgetPolicy, check
from kenshin.budget.estimate import TokenEstimate, estimate_text
from kenshin.budget.models import DEFAULT_MODEL, Model
from kenshin.budget.script import Script
from kenshin.current import current
from kenshin.errors import ContextBudgetExceeded, InvalidInput, InvalidPolicy, UnknownModel
from kenshin.signals.context import prompt_measured, trace_in_force

if TYPE_CHECKING:
    from kenshin.budget.fitting.policy import FitPolicy
    from kenshin.budget.fitting.result import BudgetFit
    from kenshin.budget.fitting.steps import Summariser
    from kenshin.budget.observing import Estimated
    from kenshin.runtime import Runtime

logger = logging.getLogger(__name__)

FLUSH_S = 2.0
"""So long the Lambda waits at most for its records to leave, in seconds."""

NAMED_AT_MOST, NAMED_BY = 1_000, 200
_named: set[str] = set()
"""Unknown models that this process has named in its log."""

_failures: set[type[Exception]] = set()
"""Kinds of failures to record that it has told of."""


def estimate_tokens(
    text: str | None, model_id: str = DEFAULT_MODEL, *, strict: bool = False
) -> TokenEstimate:
    """How many tokens a text is for a model, with a 95 % upper bound; usable as an int.

    What the model reported of earlier prompts in the text's script has corrected it; `uncorrected` is the estimate
    without that.

    Args:
        text: None has no tokens.
        model_id: any id of the model; an unknown one gets the newest family of its kind.
        strict: refuse an unknown model.

    Raises:
        InvalidInput: not a text.
        UnknownModel: `strict`, and the registry does not know the model.
    """
    runtime = current()
    model = runtime.models.find(model_id, strict=strict)
    estimate = estimate_text(text, model.family)
    return runtime.token_calibration.correction(model.name, estimate.script).applied(estimate)


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

    The check is recorded, which never fails it, and left behind as `prompt_measured` for the model call that follows.

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
    runtime = current()
    model = runtime.models.find(model_id, strict=strict)
    result = check(
        model,
        system_prompt=system_prompt,
        conversation_history=conversation_history,
        rag_context=rag_context,
        user_message=user_message,
        tools=tools,
        policy=policy,
        calibration=runtime.token_calibration,
    )
    prompt_measured.set(result.measured)
    _tell(runtime, model, result)
    return result


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

    What was done leaves as the record of a budget check, and the measure of what came out is left behind as
    `prompt_measured`. See `kenshin.budget.fitting.fit.fit`.

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
    from kenshin.budget.fitting.fit import fit

    runtime = current()
    model = runtime.models.find(model_id, strict=strict)
    try:
        fitted = fit(
            model,
            system_prompt=system_prompt,
            conversation_history=conversation_history,
            rag_context=rag_context,
            user_message=user_message,
            tools=tools,
            policy=policy,
            fit_policy=fit_policy,
            summariser=summariser,
            judge=partial(check, calibration=runtime.token_calibration),
        )
    except ContextBudgetExceeded as error:
        _tell(runtime, model, error.best)
        raise
    prompt_measured.set(fitted.after.measured)
    _tell(runtime, model, fitted)
    return fitted


def observe_usage(
    model_id: str,
    estimate: Estimated,
    usage: Mapping[str, object],
    *,
    script: Script | None = None,
    stop_reason: str = "",
) -> Correction:
    """Correct later estimates of a model by what it reported, and record it; see `kenshin.budget.calibration`.

    Args:
        model_id: any id of the model.
        estimate: of the whole prompt: what `check_budget` or `estimate_tokens` answered.
        usage: the answer's, in Bedrock's or Anthropic's keys; tokens read from and written to the cache count.
        script: the prompt's, where the estimate's own is not meant.
        stop_reason: the answer's; an overflow is counted as a miss.

    Raises:
        InvalidInput: the usage states no input tokens, though the call did not overflow; or the estimate is none, or is
            of another model.
    """
    return current().usage_observer.observe(model_id, estimate, usage, script=script, stop_reason=stop_reason)


def lambda_handler(event: Mapping[str, Any] | None, context: object) -> dict[str, Any]:
    """The proof of concept's Lambda: a budget check, answered as it answered; see docs/lambda.md.

    Args:
        event: see `kenshin.budget.event.read_event`.
        context: unused.

    Returns:
        `statusCode` and, as JSON, `body`: 200 with the result, 400 with the error where the event cannot be checked.
    """
    from kenshin.budget.event import answer_of, read_event

    try:
        status, body = 200, answer_of(check_budget(**read_event(event)))
    except (InvalidInput, InvalidPolicy, UnknownModel) as error:
        status, body = 400, error.as_dict()
    try:
        current().recorder.flush(FLUSH_S)
    except Exception:
        logger.debug("Nothing could be flushed", exc_info=True)
    return {"statusCode": status, "body": json.dumps(body)}


def _tell(runtime: Runtime, model: Model, found: BudgetCheckResult | BudgetFit) -> None:
    """Record a check, and log what a person should know; whatever fails here is not the request's concern."""
    try:
        trace = trace_in_force.get()
        runtime.recorder.record(found.as_record(runtime.clock(), trace_id=trace.trace_id if trace else None))
        checked, done = (found, "") if isinstance(found, BudgetCheckResult) else (found.before, found.summary)
        if checked.recommendation is not None:
            logger.warning(
                "Prompt for %.200r: %s", checked.model, f"{checked.recommendation} {done}".rstrip()
            )
        if not model.known:
            _name(model)
    except Exception as error:
        if type(error) not in _failures:
            _failures.add(type(error))
            logger.exception("A budget check could not be recorded; such failures are not told again")


def _name(model: Model) -> None:
    """Say of an unknown model, once a process, that its window is assumed."""
    name = model.name[:NAMED_BY]
    if name in _named or len(_named) >= NAMED_AT_MOST:
        return
    _named.add(name)
    logger.warning(
        "The registry does not know the model %r: a window of %d tokens is assumed. See KENSHIN_MODELS.",
        name,
        model.window,
    )
