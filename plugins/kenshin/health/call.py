"""A call: begun, told of its first token, ended once; it makes the record and tells breaker, quota and listeners.

Wrappers of every kind and `instrument` do nothing but tell a call what happens. Whatever goes wrong in here is logged
and stays here: the caller gets the answer or the error of the model.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from kenshin.errors import DeadlineExceeded
from kenshin.health.answer import Answer
from kenshin.health.breaker import CircuitBreaker, Outcome, Permit
from kenshin.health.failure import Failure, failure_of
from kenshin.health.reading import Reading
from kenshin.health.surroundings import CallOptions, Surroundings
from kenshin.health.texts import prompt_text
from kenshin.signals.calls import BedrockHealthMetrics
from kenshin.signals.context import PromptMeasured, TraceContext, trace_in_force

logger = logging.getLogger(__name__)

call_in_force: ContextVar[Call | None] = ContextVar("kenshin_call", default=None)
"""The call whose request a client is sending just now: for the handlers of botocore's events."""

_CANCELLED = Failure("success", "ignored", None, "Cancelled", cancelled=True)
_BROKEN_OFF = Failure("error", "fault", "StreamIncomplete", "StreamIncomplete")
"""A stream that ended without saying that it is done: the connection went before the model had finished."""

_MAX_TOKENS = ("max_tokens", "max_gen_len", "maxTokens", "max_new_tokens", "maxTokenCount")


class Call:
    """One call of one model.

    Args:
        around: its collaborators.
        options: what the caller wants.
        operation: the client's method.
        arguments: what it is called with.
        region: where the client calls.
        breaker: the model's.
        permit: its leave; None: it is made without one, or was refused.
        prompt: what the budget check estimated of the prompt.
        fallback_of: the model in whose stead this one is called.
        ends_by: the end of the request's time, by the timer; None: it has no end.
        metered: whether it takes from the model's quotas.
    """

    __slots__ = (
        "_around",
        "_begun",
        "_booking",
        "_first_s",
        "_last_try",
        "_open",
        "_operation",
        "_options",
        "_permit",
        "_prompt",
        "_region",
        "_texts",
        "_timer",
        "_trace",
        "_tries",
        "arguments",
        "breaker",
        "ends_by",
        "fallback_of",
        "model_id",
        "reading",
    )

    def __init__(
        self,
        around: Surroundings,
        options: CallOptions,
        operation: str,
        arguments: Mapping[str, Any],
        *,
        region: str | None,
        breaker: CircuitBreaker,
        permit: Permit | None,
        prompt: PromptMeasured | None = None,
        fallback_of: str | None = None,
        ends_by: float | None = None,
        metered: bool = True,
    ) -> None:
        self.arguments = arguments
        self.model_id = str(arguments.get("modelId", ""))
        self.breaker = breaker
        self.fallback_of = fallback_of
        self.ends_by = ends_by
        self.reading: Reading | None = None
        self._around = around
        self._options = options
        self._operation = operation
        self._region = region
        self._permit = permit
        self._prompt = prompt
        self._trace: TraceContext | None = trace_in_force.get()
        self._first_s: float | None = None
        self._last_try: Outcome | None = None
        self._open = [True]
        self._tries = 0
        self._booking = None
        self._texts: dict[str, str] | None = None
        if metered and around.quotas is not None:
            self._booking = self._booked()
        if around.capture:
            self._texts = {"prompt": _guarded(prompt_text, arguments) or ""}
        self._timer = around.timer
        self._begun = self._timer()

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return not self._open

    @property
    def delivered(self) -> bool:
        """Whether an event of its stream has reached the caller."""
        return self.reading is not None and self.reading.seen > 0

    @property
    def wants_text(self) -> bool:
        """Whether the answer's text goes into the record."""
        return self._texts is not None

    def check_time(self) -> None:
        """Is there time left, or nothing left that could need it?

        Raises:
            DeadlineExceeded: no.
        """
        if self.ends_by is None or self._timer() < self.ends_by:
            return
        if self._open and (self.reading is None or not self.reading.ended):
            raise DeadlineExceeded(
                value=self.model_id,
                reason=f"its {self._options.deadline:g} s are over, after {max(self._tries, 1)} tries",
                mend="Give the request more time, or name faster fallbacks.",
            )

    def try_begins(self) -> None:
        """The client is about to send the request, for the first time or again.

        Raises:
            DeadlineExceeded: there is no time left for it.
        """
        self.check_time()
        self._tries += 1
        self._last_try = None

    def try_failed(self, failure: Failure) -> None:
        """A try failed, and the client may try again."""
        self._last_try = failure.outcome

    def see(self, event: Mapping[str, Any]) -> None:
        """An event of the stream is about to reach the caller."""
        reading = self.reading
        if reading is None:
            return
        try:
            if reading.see(event) and self._first_s is None:
                self._first_s = self._timer() - self._begun
        except Exception:
            logger.debug("An event of %s cannot be read", self._operation, exc_info=True)

    def answered(self, answer: Callable[[], Answer], text: Callable[[], str] | None = None) -> None:
        """The model has answered.

        Args:
            answer: reads what is told of it.
            text: reads its text, where that is wanted.
        """
        if text is not None and self._texts is not None:
            self._texts["response"] = _guarded(text) or ""
        self._end(_guarded(answer) or Answer(), None)

    def stream_ended(self) -> None:
        """The stream has no more events."""
        reading = self.reading
        whole = reading is None or reading.ended or not reading.says_its_end
        self._end(self._read(), None if whole else _BROKEN_OFF)

    def stream_closed(self) -> None:
        """The caller wants no more events."""
        reading = self.reading
        self._end(self._read(), None if reading is not None and reading.ended else _CANCELLED)

    def failed(self, error: BaseException) -> Failure:
        """The call raised; answers what that means."""
        failure = failure_of(error)
        if isinstance(error, GeneratorExit):
            # A coroutine that nobody waits for any more is being collected.
            self.abandon()
        self._end(self._read(), failure)
        return failure

    def refused(self, failure: Failure) -> None:
        """The service answered with an error that the client has not yet raised."""
        self._end(Answer(), failure)

    def abandon(self) -> None:
        """Nobody will end it: its stream was dropped. Called by finalizers, so it takes no lock and tells nobody."""
        if not self._ends_now():
            return
        seconds = self._timer() - self._begun
        failure = None if self.reading is not None and self.reading.ended else _CANCELLED
        if self._permit is not None:
            self._permit.abandon(*self._verdict(failure, seconds))
        # What it has taken from the quota stays taken: the quota's lock may be held by the very thread that is here.
        self._booking = None
        self._recorded(self._read(), failure, seconds)

    def _ends_now(self) -> bool:
        """Whether nobody has ended it yet; of several threads, one is told so."""
        try:
            return self._open.pop()
        except IndexError:
            return False

    def _verdict(self, failure: Failure | None, seconds: float) -> tuple[Outcome, float]:
        """What the call was for its breaker, and how long that took."""
        seconds = seconds if self._first_s is None else self._first_s
        if failure is None:
            return "success", seconds
        if not failure.waited:
            return failure.outcome, seconds
        # The caller's haste is no fault of the service, unless it was slow or its last try had failed.
        slow = seconds >= self.breaker.policy.slow_call_s
        return self._last_try or ("fault" if slow else "ignored"), seconds

    def _end(self, answer: Answer, failure: Failure | None) -> None:
        if not self._ends_now():
            return
        seconds = self._timer() - self._begun
        if self._permit is not None:
            self._permit.end(*self._verdict(failure, seconds))
        record = self._recorded(answer, failure, seconds)
        if record is not None:
            for listener in self._around.listeners:
                try:
                    listener(record, self._prompt)
                except Exception:
                    logger.exception("A listener of model calls failed")

    def _recorded(
        self, answer: Answer, failure: Failure | None, seconds: float
    ) -> BedrockHealthMetrics | None:
        try:
            record = self._record(answer, failure, seconds)
            self._around.record(record)
        except Exception:
            logger.exception("A model call could not be recorded")
            return None
        return record

    def _record(self, answer: Answer, failure: Failure | None, seconds: float) -> BedrockHealthMetrics:
        around, trace, first = self._around, self._trace, self._first_s
        retries = max(answer.retries, failure.retries if failure else 0, self._tries - 1)
        headroom = None
        if self._booking is not None:
            read = answer.input_tokens
            prompt = None if read is None else read + (answer.cache_write_tokens or 0)
            headroom = self._booking.settle(prompt, retries)
        if self._texts is not None and self.reading is not None:
            self._texts["response"] = "".join(self.reading.text)
        return BedrockHealthMetrics(
            self.model_id,
            self._options.intent or (trace.intent if trace else ""),
            round(seconds * 1000, 3),
            failure.status if failure else "success",
            failure.code if failure else None,
            answer.input_tokens or 0,
            answer.output_tokens or 0,
            retries,
            self.breaker.state,
            self._operation,
            None if first is None else round(first * 1000, 3),
            answer.cache_read_tokens,
            answer.cache_write_tokens,
            self._region,
            around.tier(self.model_id),
            failure.kind if failure and not failure.cancelled else None,
            answer.stop_reason,
            answer.guardrail,
            failure.cancelled if failure else False,
            self.fallback_of,
            headroom.requests_pct if headroom else None,
            headroom.tokens_pct if headroom else None,
            answer.request_id or (failure.request_id if failure else None),
            trace.trace_id if trace else None,
            trace.span_id if trace else None,
            self._texts,
            around.clock(),
        )

    def _read(self) -> Answer:
        return self.reading.answer if self.reading is not None else Answer()

    def _booked(self) -> Any:
        quotas = self._around.quotas
        if quotas is None or not quotas.covers(self.model_id):
            return None
        estimate = self._prompt.tokens if self._prompt is not None else 0
        return quotas.book(self.model_id, estimate, _guarded(_max_tokens, self.arguments) or 0)


def _max_tokens(arguments: Mapping[str, Any]) -> int:
    """The longest answer that a request allows, in tokens; 0 where it does not say."""
    if isinstance(config := arguments.get("inferenceConfig"), Mapping):
        return int(config.get("maxTokens") or 0)
    if "body" not in arguments:
        return 0
    body = json.loads(arguments["body"])
    for place in (body, body.get("textGenerationConfig") or {}, body.get("inferenceConfig") or {}):
        for name in _MAX_TOKENS:
            if isinstance(place.get(name), int):
                return int(place[name])
    return 0


def _guarded(read: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return read(*arguments)
    except Exception:
        logger.debug("What a call says of itself cannot be read", exc_info=True)
        return None
