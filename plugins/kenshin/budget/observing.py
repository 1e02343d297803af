"""Observing usage: what a model reported teaches the process's calibration, and is recorded for the nightly fit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from kenshin.budget.calibration import MOST_TOKENS, Calibration, Correction, input_tokens
from kenshin.budget.check import BudgetCheckResult
from kenshin.budget.estimate import TokenEstimate
from kenshin.budget.models import Models
from kenshin.budget.script import SCRIPTS, Script
from kenshin.errors import InvalidInput
from kenshin.signals.bedrock import OVERFLOW
from kenshin.signals.calls import BedrockHealthMetrics
from kenshin.signals.context import PromptMeasured, trace_in_force
from kenshin.signals.recorder import Recorder
from kenshin.signals.usage import UsageObserved

logger = logging.getLogger(__name__)

Estimated = TokenEstimate | BudgetCheckResult | PromptMeasured
"""What tells of a prompt: an estimate of its whole text, a check's result, or the measure that it left behind."""


class UsageObserver:
    """Takes reported usage to where it is of use.

    Args:
        models: the registry of models.
        calibration: the process's corrections.
        recorder: answers where records go.
        clock: answers the present instant, aware.
    """

    def __init__(
        self,
        models: Models,
        calibration: Calibration,
        recorder: Callable[[], Recorder],
        clock: Callable[[], datetime],
    ) -> None:
        self._models = models
        self._calibration = calibration
        self._recorder = recorder
        self._clock = clock

    def observe(
        self,
        model_id: str,
        estimate: Estimated,
        usage: Mapping[str, object],
        *,
        script: Script | None = None,
        stop_reason: str = "",
        trace_id: str | None = None,
    ) -> Correction:
        """Learn from one call and record it; see `kenshin.budget.api.observe_usage`."""
        name = self._models.find(model_id).name
        prompt = measure_of(estimate, name, script)
        if prompt.model != name:
            raise InvalidInput(
                value=f"{prompt.model}, called: {name}",
                reason="the estimate is of another model",
                mend="Check the budget of the model that is called, under the same id.",
            )
        belongs = _script(prompt.script)
        before = self._calibration.correction(name, belongs)
        after = self._calibration.observe(name, belongs, prompt.tokens, usage, stop_reason=stop_reason)
        self._record(prompt, before, usage, overflowed=stop_reason == OVERFLOW, trace_id=trace_id)
        return after

    def heard(self, call: BedrockHealthMetrics, prompt: PromptMeasured | None) -> None:
        """Learn from a call as its wrapper tells it; a `kenshin.signals.context.CallListener`.

        Nothing is learnt without a measured prompt, from a call that reported no usage, or from one of another model
        than the prompt was measured for: a fallback has a tokenizer of its own.
        """
        usage = {
            "inputTokens": call.input_tokens,
            "cacheReadInputTokens": call.cache_read_tokens or 0,
            "cacheWriteInputTokens": call.cache_write_tokens or 0,
        }
        if prompt is None or not (any(usage.values()) or call.overflows):
            return
        if self._models.find(call.model_id).name != prompt.model:
            return
        reason, trace = call.stop_reason or "", call.trace_id
        self.observe(call.model_id, prompt, usage, stop_reason=reason, trace_id=trace)

    def _record(
        self,
        prompt: PromptMeasured,
        before: Correction,
        usage: Mapping[str, object],
        *,
        overflowed: bool,
        trace_id: str | None,
    ) -> None:
        try:
            trace = trace_in_force.get()
            tokens, upper = before.numbers(prompt.tokens, prompt.upper)
            record = UsageObserved(
                at=self._clock(),
                model_id=prompt.model,
                script=prompt.script,
                estimated_tokens=prompt.tokens,
                estimated_upper=prompt.upper,
                corrected_tokens=tokens,
                corrected_upper=upper,
                actual_tokens=input_tokens(usage, required=False),
                overflowed=overflowed,
                trace_id=trace_id or (trace.trace_id if trace else None),
            )
            self._recorder().record(record)
        except Exception:
            logger.exception("Reported usage of %.200r could not be recorded", prompt.model)


def measure_of(estimate: Estimated, model: str, script: Script | None = None) -> PromptMeasured:
    """What was estimated of a prompt, as it was before any correction.

    Args:
        estimate: of the whole prompt.
        model: the name of the model it is for, where the estimate does not tell.
        script: the prompt's, where the estimate's own is not meant.

    Raises:
        InvalidInput: no estimate.
    """
    if isinstance(estimate, BudgetCheckResult):
        estimate = estimate.measured
    if isinstance(estimate, TokenEstimate):
        raw = estimate.uncorrected or estimate
        estimate = PromptMeasured(model, int(raw), raw.upper, raw.script)
    if not isinstance(estimate, PromptMeasured) or not _counted(estimate):
        raise InvalidInput(
            value=type(estimate).__name__,
            reason="no estimate of a prompt",
            mend="Give what estimate_tokens or check_budget answered.",
        )
    return estimate if script is None else replace(estimate, script=script)


def _counted(prompt: PromptMeasured) -> bool:
    counts = (prompt.tokens, prompt.upper)
    whole = all(isinstance(each, int) and not isinstance(each, bool) for each in counts)
    return whole and 0 <= prompt.tokens <= prompt.upper <= MOST_TOKENS


def _script(name: str) -> Script:
    for each in SCRIPTS:
        if each == name:
            return each
    raise InvalidInput(value=name, reason="no script", mend=f"Give one of {', '.join(SCRIPTS)}.")
