"""Watching a client that somebody else holds: the same record, by botocore's events.

The client keeps its type and its methods. A call that a wrapper already watches is left to the wrapper.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable
from typing import Any

from kenshin.errors import InvalidInput
from kenshin.health.answer import of_converse, of_invoke, of_metadata
from kenshin.health.body import reread
from kenshin.health.call import Call, call_in_force
from kenshin.health.failure import failure_in
from kenshin.health.reading import ConverseReading, InvokeReading
from kenshin.health.request import Request
from kenshin.health.stream import ObservedStream
from kenshin.health.surroundings import CallOptions, Surroundings
from kenshin.health.texts import answer_text
from kenshin.health.tries import CONTEXT_KEY, SERVICE, attach

OPERATIONS = {
    "Converse": "converse",
    "ConverseStream": "converse_stream",
    "CountTokens": "count_tokens",
    "InvokeModel": "invoke_model",
    "InvokeModelWithResponseStream": "invoke_model_with_response_stream",
}
_PARAMETERS = "kenshin_parameters"


class Instrument:
    """The handlers of one client's events; also a context manager that undoes itself.

    Args:
        client: of boto3, for ``bedrock-runtime``.
        around: answers the collaborators of the call that begins now.
        options: what holds for every call; fallbacks are not among it, since the client decides what it calls.
        refuses: whether an open breaker raises `CircuitOpen` from the client's methods; else it only watches.
    """

    def __init__(
        self,
        client: Any,
        around: Callable[[], Surroundings],
        options: CallOptions | None = None,
        *,
        refuses: bool = False,
    ) -> None:
        if inspect.iscoroutinefunction(getattr(client, "_make_api_call", None)) or not hasattr(
            client, "meta"
        ):
            raise InvalidInput(
                value=type(client).__name__,
                reason="not a client of boto3, whose events could be heard",
                mend="Wrap it in AsyncBedrockClientWrapper.",
            )
        self._exceptions = client.exceptions
        self._events = client.meta.events
        self._region: str | None = client.meta.region_name
        self._around = around
        self._options = options or CallOptions()
        self._refuses = refuses
        self._handlers = {
            "provide-client-params": self._asked,
            "before-call": self._begins,
            "after-call": self._answered,
            "after-call-error": self._failed,
        }
        attach(client)
        for event, handler in self._handlers.items():
            self._events.register(f"{event}.{SERVICE}", handler)

    def undo(self) -> None:
        """Record no more of the client's calls; a stream that has begun is still recorded at its end."""
        for event, handler in self._handlers.items():
            self._events.unregister(f"{event}.{SERVICE}", handler)
        _forget(self)

    def __enter__(self) -> Instrument:
        return self

    def __exit__(self, *exception: object) -> None:
        self.undo()

    def _asked(self, params: Any, model: Any, context: Any, **_: object) -> None:
        if model.name in OPERATIONS and call_in_force.get() is None:
            context[_PARAMETERS] = params

    def _begins(self, model: Any, context: Any, **_: object) -> None:
        arguments = context.pop(_PARAMETERS, None)
        if arguments is None:
            return
        request = Request(
            self._around(),
            self._options,
            OPERATIONS[model.name],
            arguments,
            region=self._region,
            refuses=self._refuses,
        )
        context[CONTEXT_KEY] = request.first()

    def _answered(self, parsed: Any, http_response: Any, model: Any, context: Any, **_: object) -> None:
        call = context.get(CONTEXT_KEY)
        if not isinstance(call, Call):
            return
        if http_response.status_code >= 300:
            code = parsed.get("Error", {}).get("Code")
            call.refused(failure_in(parsed, self._exceptions.from_code(code).__name__))
        elif model.name == "Converse":
            call.answered(lambda: of_converse(parsed), lambda: answer_text(parsed))
        elif model.name == "InvokeModel":
            self._read(call, parsed)
        elif model.name == "CountTokens":
            call.answered(lambda: of_metadata(parsed))
        else:
            converse = model.name == "ConverseStream"
            key, reading = ("stream", ConverseReading) if converse else ("body", InvokeReading)
            call.reading = reading(of_metadata(parsed), wants_text=call.wants_text)
            parsed[key] = ObservedStream(parsed[key], call, parsed["ResponseMetadata"])

    def _failed(self, exception: BaseException, context: Any, **_: object) -> None:
        call = context.get(CONTEXT_KEY)
        if isinstance(call, Call):
            call.failed(exception)

    def _read(self, call: Call, parsed: Any) -> None:
        try:
            raw = parsed["body"].read()
        except BaseException as error:
            call.failed(error)
            raise
        parsed["body"] = reread(parsed["body"], raw)
        call.answered(lambda: of_invoke(parsed, raw), lambda: raw.decode("utf-8", "replace"))


_instruments: weakref.WeakKeyDictionary[Any, Instrument] = weakref.WeakKeyDictionary()


def instrumented(client: Any, make: Callable[[], Instrument]) -> Instrument:
    """The client's instrument: the one that it has, or a new one."""
    found = _instruments.get(client)
    if found is None:
        found = _instruments[client] = make()
    return found


def _forget(instrument: Instrument) -> None:
    for client, each in list(_instruments.items()):
        if each is instrument:
            del _instruments[client]
