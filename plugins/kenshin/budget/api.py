"""Token estimates, budget checks and calibration, bound to the process's current runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kenshin.budget.calibration import Correction, Script
from kenshin.budget.check import BudgetCheckResult, BudgetPolicy, check
from kenshin.budget.estimate import TokenEstimate, estimate_text
from kenshin.budget.models import DEFAULT_MODEL
from kenshin.current import current


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
