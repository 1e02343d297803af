"""A client that is watched: boto3's ``bedrock-runtime``, with a record for each call of a model.

Its methods take what boto3's take and answer what boto3's answer; everything else is the client's own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Self

from kenshin.health.answer import Answer, of_converse, of_invoke, of_metadata
from kenshin.health.body import reread
from kenshin.health.call import Call, call_in_force
from kenshin.health.reading import ConverseReading, InvokeReading
from kenshin.health.request import Request
from kenshin.health.stream import Begun, ObservedStream
from kenshin.health.surroundings import CallOptions, Surroundings
from kenshin.health.texts import answer_text
from kenshin.health.tries import attach


class Wrapped:
    """What wrappers of both kinds share.

    Args:
        client: of ``bedrock-runtime``.
        around: answers the collaborators of the call that begins now.
        options: what holds for every request.
    """

    def __init__(
        self, client: Any, around: Callable[[], Surroundings], options: CallOptions | None = None
    ) -> None:
        self.client = client
        self._around = around
        self._options = options or CallOptions()
        self._region: str | None = getattr(getattr(client, "meta", None), "region_name", None)
        attach(client)

    def __getattr__(self, name: str) -> Any:
        if name == "client" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.client, name)

    def with_options(
        self,
        *,
        intent: str | None = None,
        deadline: float | None = None,
        fallbacks: Iterable[str] | None = None,
        fallback_on_fault: bool | None = None,
        fallback_least_s: float | None = None,
    ) -> Self:
        """The same wrapper with other options; those that are not named stay as they are. See `CallOptions`.

        Raises:
            InvalidPolicy: an option means nothing.
        """
        named = {
            "intent": intent,
            "deadline": deadline,
            "fallbacks": fallbacks,
            "fallback_on_fault": fallback_on_fault,
            "fallback_least_s": fallback_least_s,
        }
        view = copy.copy(self)
        changes: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
        view._options = replace(self._options, **changes)
        return view

    def _request(self, operation: str, arguments: Mapping[str, Any]) -> Request:
        return Request(self._around(), self._options, operation, arguments, region=self._region)


class ClientWrapper(Wrapped):
    """A watched client for threads; see `Wrapped`."""

    def converse(self, **arguments: Any) -> Any:
        """Bedrock's Converse.

        Raises:
            CircuitOpen: the model's breaker is open, and there is no fallback.
            DeadlineExceeded: the time was over before a try.
        """
        request = self._request("converse", arguments)
        call, response = self._made(request, request.first(), self.client.converse)
        call.answered(lambda: of_converse(response), lambda: answer_text(response))
        return request.signed(call, response)

    def converse_stream(self, **arguments: Any) -> Any:
        """Bedrock's ConverseStream; the call ends with its stream. Raises what `converse` raises."""
        return self._streamed("converse_stream", "stream", ConverseReading, arguments)

    def invoke_model(self, **arguments: Any) -> Any:
        """Bedrock's InvokeModel; the body is read within the call. Raises what `converse` raises."""
        request = self._request("invoke_model", arguments)
        raw = b""

        def method(**arguments: Any) -> Any:
            nonlocal raw
            response = self.client.invoke_model(**arguments)
            raw = response["body"].read()
            return response

        call, response = self._made(request, request.first(), method)
        response["body"] = reread(response["body"], raw)
        call.answered(lambda: of_invoke(response, raw), lambda: raw.decode("utf-8", "replace"))
        return request.signed(call, response)

    def invoke_model_with_response_stream(self, **arguments: Any) -> Any:
        """Bedrock's InvokeModelWithResponseStream; the call ends with its stream. Raises what `converse` raises."""
        return self._streamed("invoke_model_with_response_stream", "body", InvokeReading, arguments)

    def count_tokens(self, **arguments: Any) -> Any:
        """Bedrock's CountTokens, recorded like the others; no breaker, no fallback, and nobody's tokens are used."""
        request = self._request("count_tokens", arguments)
        call, response = self._made(request, request.first(), self.client.count_tokens)
        call.answered(lambda: of_metadata(response))
        return request.signed(call, response)

    def _made(self, request: Request, call: Call, method: Callable[..., Any]) -> tuple[Call, Any]:
        while True:
            token = call_in_force.set(call)
            try:
                return call, method(**call.arguments)
            except BaseException as error:
                following = request.after(call, error)
                if following is None:
                    raise
                call = following
            finally:
                call_in_force.reset(token)

    def _streamed(
        self, operation: str, key: str, reading: Callable[..., Any], arguments: Mapping[str, Any]
    ) -> Any:
        request = self._request(operation, arguments)
        method = getattr(self.client, operation)

        def begun(call: Call) -> tuple[Call, Any]:
            call, response = self._made(request, call, method)
            call.reading = reading(_beginning(response), wants_text=call.wants_text)
            return call, response

        def instead(call: Call, error: BaseException) -> Begun | None:
            following = request.after(call, error)
            if following is None:
                return None
            call, response = begun(following)
            return call, response[key], response.get("ResponseMetadata") or {}

        call, response = begun(request.first())
        request.signed(call, response)
        response[key] = ObservedStream(response[key], call, response["ResponseMetadata"], instead)
        return response


def _beginning(response: Any) -> Answer:
    return of_metadata(response) if isinstance(response, Mapping) else Answer()
