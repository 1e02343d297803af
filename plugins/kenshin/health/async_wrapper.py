"""The async twin of the watched client: for aioboto3's and aiobotocore's clients, and for boto3's in threads.

A task that is cancelled while it waits for the model has given up: its call is recorded as cancelled, and counts
neither against the service nor for it.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from contextvars import Token
from typing import Any

from kenshin.health.answer import of_converse, of_invoke, of_metadata
from kenshin.health.body import AsyncBody
from kenshin.health.call import Call, call_in_force
from kenshin.health.reading import ConverseReading, InvokeReading
from kenshin.health.request import Request
from kenshin.health.stream import AsyncObservedStream, Begun
from kenshin.health.surroundings import CallOptions, Surroundings
from kenshin.health.texts import answer_text
from kenshin.health.threads import InThreads
from kenshin.health.wrapper import Wrapped

logger = logging.getLogger(__name__)


class AsyncClientWrapper(Wrapped):
    """A watched client for asyncio.

    Args:
        client: one whose methods are awaited, or one of boto3, whose calls then run in the event loop's threads;
            `InThreads` gives them threads of their own.
        around: answers the collaborators of the call that begins now.
        options: what holds for every request.
    """

    def __init__(
        self, client: Any, around: Callable[[], Surroundings], options: CallOptions | None = None
    ) -> None:
        super().__init__(InThreads(client) if _is_sync(client) else client, around, options)

    async def converse(self, **arguments: Any) -> Any:
        """Bedrock's Converse.

        Raises:
            CircuitOpen: the model's breaker is open, and there is no fallback.
            DeadlineExceeded: the time was over before a try.
        """
        request = self._request("converse", arguments)
        call, response = await self._made(request, request.first(), self.client.converse)
        call.answered(lambda: of_converse(response), lambda: answer_text(response))
        return request.signed(call, response)

    async def converse_stream(self, **arguments: Any) -> Any:
        """Bedrock's ConverseStream; the call ends with its stream. Raises what `converse` raises."""
        return await self._streamed("converse_stream", "stream", ConverseReading, arguments)

    async def invoke_model(self, **arguments: Any) -> Any:
        """Bedrock's InvokeModel; the body is read within the call. Raises what `converse` raises."""
        request = self._request("invoke_model", arguments)
        raw = b""

        async def method(**arguments: Any) -> Any:
            nonlocal raw
            response = await self.client.invoke_model(**arguments)
            raw = await response["body"].read()
            return response

        call, response = await self._made(request, request.first(), method)
        response["body"] = AsyncBody(raw)
        call.answered(lambda: of_invoke(response, raw), lambda: raw.decode("utf-8", "replace"))
        return request.signed(call, response)

    async def invoke_model_with_response_stream(self, **arguments: Any) -> Any:
        """Bedrock's InvokeModelWithResponseStream; the call ends with its stream. Raises what `converse` raises."""
        return await self._streamed("invoke_model_with_response_stream", "body", InvokeReading, arguments)

    async def count_tokens(self, **arguments: Any) -> Any:
        """Bedrock's CountTokens, recorded like the others; no breaker, no fallback, and nobody's tokens are used."""
        request = self._request("count_tokens", arguments)
        call, response = await self._made(request, request.first(), self.client.count_tokens)
        call.answered(lambda: of_metadata(response))
        return request.signed(call, response)

    async def _made(self, request: Request, call: Call, method: Callable[..., Any]) -> tuple[Call, Any]:
        while True:
            token = call_in_force.set(call)
            try:
                return call, await method(**call.arguments)
            except BaseException as error:
                following = request.after(call, error)
                if following is None:
                    raise
                call = following
            finally:
                _reset(token)

    async def _streamed(
        self, operation: str, key: str, reading: Callable[..., Any], arguments: Mapping[str, Any]
    ) -> Any:
        request = self._request(operation, arguments)
        method = getattr(self.client, operation)

        async def begun(call: Call) -> tuple[Call, Any]:
            call, response = await self._made(request, call, method)
            call.reading = reading(of_metadata(response), wants_text=call.wants_text)
            return call, response

        async def instead(call: Call, error: BaseException) -> Begun | None:
            following = request.after(call, error)
            if following is None:
                return None
            call, response = await begun(following)
            return call, response[key], response.get("ResponseMetadata") or {}

        call, response = await begun(request.first())
        request.signed(call, response)
        response[key] = AsyncObservedStream(response[key], call, response["ResponseMetadata"], instead)
        return response


def _reset(token: Token[Call | None]) -> None:
    try:
        call_in_force.reset(token)
    except ValueError:
        # A coroutine that nobody waits for is collected in somebody else's context, where nothing was set.
        logger.debug("A call was given up with its event loop", exc_info=True)


def _is_sync(client: Any) -> bool:
    """Whether a client is one of boto3: aiobotocore's derive from the same class, and override this as a coroutine."""
    if isinstance(client, InThreads):
        return False
    call = getattr(client, "_make_api_call", None)
    return call is not None and not inspect.iscoroutinefunction(call)
