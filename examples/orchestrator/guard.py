"""What a client may send, and what is turned away before it reaches a route: long bodies, pages of other sites."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.datastructures import Headers
from starlette.websockets import WebSocketClose

from orchestrator import problems

LONGEST_MESSAGE = 8_000
LARGEST_BODY = 64 * 1024

SessionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
Message = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_MESSAGE)]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class ChatBody(BaseModel):
    """A message of a session."""

    model_config = ConfigDict(extra="forbid", strict=True)

    session_id: SessionId
    message: Message


class BodyLimit:
    """Answers 413 where a request's body is longer than it may be, however it is sent.

    Args:
        app: what is guarded.
        most: bytes.
    """

    def __init__(self, app: App, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body of an HTTP request, as far as it may go, and hand it on whole."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, more = bytearray(), True
        while more and len(body) <= self._most:
            said = await receive()
            if said["type"] != "http.request":
                return
            body += said.get("body", b"")
            more = said.get("more_body", False)
        if len(body) > self._most:
            told = problems.problem(413, "The body is too long", f"At most {self._most} bytes.")
            await problems.response(told)(scope, receive, send)
            return
        whole = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def again() -> MutableMapping[str, Any]:
            return whole.pop() if whole else await receive()

        await self._app(scope, again, send)


class SameSite:
    """Turns away what a page of another site sends: a browser carries it even to a service that listens on loopback.

    What names no origin comes from no page, or from one of this service. The host is known to be ours by then.

    Args:
        app: what is guarded.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what does not come from elsewhere."""
        if scope["type"] in {"http", "websocket"}:
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            if origin is not None and origin.partition("://")[2] != headers.get("host"):
                told = problems.response(problems.problem(403, "Pages of other sites may not ask"))
                await (WebSocketClose(1008) if scope["type"] == "websocket" else told)(scope, receive, send)
                return
        await self._app(scope, receive, send)
