"""A request: the models that may answer it, in order, until one does.

The first is the one that was asked for; the others are its fallbacks. A model whose breaker is open is passed over, one
that was throttled lately is kept for last, and no fallback is begun without time for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kenshin.health.breaker import CircuitBreaker
from kenshin.health.call import Call
from kenshin.health.surroundings import CallOptions, Surroundings
from kenshin.signals.context import PromptMeasured, prompt_measured

MODEL_KEY = "KenshinModelId"
"""Where in an answer's ``ResponseMetadata`` stands which model has answered."""

UNGUARDED = frozenset({"count_tokens"})
"""Operations whose health is not the model's, and whose answer holds for one model only."""


class Request:
    """One request of a caller.

    Args:
        around: its collaborators.
        options: what the caller wants.
        operation: the client's method.
        arguments: what it was called with.
        region: where the client calls.
        refuses: whether an open breaker keeps calls back; otherwise they are only watched.
    """

    __slots__ = (
        "_arguments",
        "_around",
        "_asked",
        "_ends_by",
        "_guarded",
        "_left",
        "_operation",
        "_options",
        "_prompt",
        "_refuses",
        "_refusing",
        "_region",
    )

    def __init__(
        self,
        around: Surroundings,
        options: CallOptions,
        operation: str,
        arguments: Mapping[str, Any],
        *,
        region: str | None,
        refuses: bool = True,
    ) -> None:
        self._around = around
        self._options = options
        self._operation = operation
        self._arguments = arguments
        self._region = region
        self._asked = str(arguments.get("modelId", ""))
        self._guarded = operation not in UNGUARDED
        self._refuses = refuses
        self._refusing: CircuitBreaker | None = None
        self._left = [self._asked]
        self._prompt: PromptMeasured | None = None
        if self._guarded:
            if options.fallbacks:
                self._left += [each for each in options.fallbacks if each != self._asked]
            self._prompt = prompt_measured.get()
            if self._prompt is not None:
                prompt_measured.set(None)
        self._ends_by = None if options.deadline is None else around.timer() + options.deadline

    def first(self) -> Call:
        """The call to begin with.

        Raises:
            CircuitOpen: no model may be called; the refusal is recorded.
        """
        call = self._next()
        if call is not None:
            return call
        asked = self._around.breaker(self._asked, self._region)
        error = (self._refusing or asked).refusal()
        self._call(self._asked, asked, None).failed(error)
        raise error

    def after(self, call: Call, error: BaseException) -> Call | None:
        """End a call that raised; answers what is called instead, or None: the error is the caller's."""
        failure = call.failed(error)
        wanted = failure.outcome == "throttled" or (
            failure.outcome == "fault" and self._options.fallback_on_fault
        )
        return self._next() if wanted and self._left else None

    def signed(self, call: Call, response: Any) -> Any:
        """The response, with the model that has answered in its metadata."""
        if isinstance(response, dict):
            response.setdefault("ResponseMetadata", {})[MODEL_KEY] = call.model_id
        return response

    def _next(self) -> Call | None:
        if not self._guarded:
            model = self._left.pop()
            return self._call(model, self._around.breaker(model, self._region), None)
        for rested in (True, False):
            for model in tuple(self._left):
                if model != self._asked and not self._has_time():
                    self._left.remove(model)
                    continue
                breaker = self._around.breaker(model, self._region)
                if rested and breaker.resting:
                    continue
                self._left.remove(model)
                permit = breaker.acquire()
                if permit is not None or not self._refuses:
                    return self._call(model, breaker, permit)
                self._refusing = self._refusing or breaker
        return None

    def _has_time(self) -> bool:
        ends_by = self._ends_by
        return ends_by is None or ends_by - self._around.timer() >= self._options.fallback_least_s

    def _call(self, model: str, breaker: CircuitBreaker, permit: Any) -> Call:
        other = model != self._asked
        return Call(
            self._around,
            self._options,
            self._operation,
            {**self._arguments, "modelId": model} if other else self._arguments,
            region=self._region,
            breaker=breaker,
            permit=permit,
            prompt=self._prompt,
            fallback_of=self._asked if other else None,
            ends_by=self._ends_by,
            metered=self._guarded and (permit is not None or not self._refuses),
        )
