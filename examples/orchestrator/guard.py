"""What is turned away before it reaches a route: bodies that are too large, pages of other sites."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.websockets import WebSocket

from orchestrator import problems

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class BodyLimit:
    """Answers 413 where a request's body is longer than it may be, however it is sent.

    Args:
        app: what is guarded.
        most: bytes.
    """

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body of an HTTP request, as far as it may go, and hand it on whole."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more and len(body) <= self._most:
            said = await receive()
            if said["type"] != "http.request":
                return
            body, more = body + said.get("body", b""), said.get("more_body", False)
        if len(body) > self._most:
            told = problems.problem(413, "The body is too long", f"At most {self._most} bytes.")
            await problems.response(told)(scope, receive, send)
            return
        whole = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> MutableMapping[str, Any]:
            return whole.pop() if whole else await receive()

        await self._app(scope, again, send)


def same_site(socket: WebSocket) -> bool:
    """Whether a socket was opened by a page of this service, or by no page at all."""
    origin = socket.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == socket.headers.get("host")
