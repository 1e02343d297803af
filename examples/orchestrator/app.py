"""The service: ``POST /chat``, ``/ws``, ``GET /health``, and a page to try it. On 127.0.0.1 alone: nobody logs in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from orchestrator import problems
from orchestrator.chat import ChatAnswer, ChatFailed, ChatService, handle_chat_request
from orchestrator.guard import LARGEST_BODY, BodyLimit, ChatBody, SameSite
from orchestrator.making import close_service, make_service
from orchestrator.status import status_of

PAGE = Path(__file__).with_name("page")
SEND_TIMEOUT_S = 10.0
HOSTS = ["127.0.0.1", "localhost"]
"""Another name in a request means that a page elsewhere had its own name point here (DNS rebinding)."""
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Desk:
    """Hands requests to threads, and turns away what is too much.

    Args:
        service: what requests need.
    """

    def __init__(self, service: ChatService) -> None:
        self.service = service
        self._most = service.settings.threads
        self._at_work = 0
        self._pool = ThreadPoolExecutor(self._most, thread_name_prefix="chat")

    async def answer(self, body: ChatBody, **how: Any) -> ChatAnswer | None:
        """The answer; None: all threads are at work.

        Raises:
            ChatFailed: there is none.
        """
        if self._at_work >= self._most:
            return None
        self._at_work += 1
        work = partial(handle_chat_request, body.session_id, body.message, service=self.service, **how)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, copy_context().run, work)
        finally:
            self._at_work -= 1

    def close(self) -> None:
        """Wait for the requests at work."""
        self._pool.shutdown()


def create_app(
    make: Callable[[], ChatService] = make_service, close: Callable[[], None] = close_service
) -> FastAPI:
    """The application.

    Args:
        make: makes what requests need, once the server starts.
        close: lets go of it, once the server has ended.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service = await asyncio.to_thread(make)
        app.state.desk = Desk(service)
        yield
        await asyncio.to_thread(app.state.desk.close)
        await asyncio.to_thread(close)

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(BodyLimit, most=LARGEST_BODY)
    app.add_middleware(SameSite)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
    app.add_api_route("/chat", chat, methods=["POST"], response_model=None)
    app.add_api_websocket_route("/ws", converse)
    app.add_api_route("/health", health, methods=["GET"], response_model=None)
    for path, name in (("/", "chat.html"), ("/chat.css", "chat.css"), ("/chat.js", "chat.js")):
        app.add_api_route(path, partial(page, name), methods=["GET"], response_model=None)
    return app


async def chat(body: ChatBody, request: Request) -> Response:
    """Answer one message."""
    made: list[bytes] = []
    try:
        answer = await request.app.state.desk.answer(
            body,
            headers=dict(request.headers),
            deliver=lambda answer: made.append(_json(answer.as_dict())),
        )
    except ChatFailed as failed:
        return problems.response(problems.problem_of(failed))
    if answer is None:
        return problems.response(_busy())
    return Response(made[0], media_type="application/json")


async def converse(socket: WebSocket) -> None:
    """Answer messages one after the other: ``text`` frames while the model speaks, then ``answer`` or ``problem``."""
    await socket.accept()
    while True:
        try:
            said = await socket.receive_text()
        except WebSocketDisconnect:
            return
        except KeyError:
            await socket.close(1003, "Frames are text.")
            return
        problem = await _spoken(socket, said)
        if problem is not None:
            if problem["status"] == problems.GONE:
                return
            try:
                await socket.send_text(_json({**problem, "type": "problem"}).decode())
            except (WebSocketDisconnect, RuntimeError):
                return


async def _spoken(socket: WebSocket, said: str) -> dict[str, object] | None:
    """Answer one frame; what comes back is why that could not be done."""
    loop = asyncio.get_running_loop()

    def send(frame: Mapping[str, object]) -> None:
        sending = asyncio.run_coroutine_threadsafe(socket.send_text(_json(frame).decode()), loop)
        try:
            sending.result(SEND_TIMEOUT_S)
        except TimeoutError as error:
            sending.cancel()
            raise WebSocketDisconnect(1006, "The client reads nothing") from error

    try:
        body = ChatBody.model_validate_json(said)
        answer = await socket.app.state.desk.answer(
            body,
            headers=dict(socket.headers),
            say=lambda text: send({"type": "text", "text": text}),
            deliver=lambda answer: send({"type": "answer", **answer.as_dict()}),
        )
    except ValidationError as error:
        return problems.invalid(error.errors(include_url=False, include_input=False, include_context=False))
    except ChatFailed as failed:
        return problems.problem_of(failed)
    return _busy() if answer is None else None


async def health(request: Request) -> Response:
    """How the service fares; 200 as long as it serves."""
    status = await asyncio.to_thread(status_of, request.app.state.desk.service)
    return Response(_json(status), media_type="application/json")


async def page(name: str) -> Response:
    """A file of the page."""
    headers = {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return FileResponse(PAGE / name, headers=headers)


def _json(value: Mapping[str, object]) -> bytes:
    # Escaped beyond ASCII, so that a lone surrogate of a model's answer can travel too.
    return json.dumps(value, separators=(",", ":"), default=str).encode()


def _busy() -> dict[str, object]:
    return problems.problem(503, "The service is busy", "Try again in a while.", calls=[])


async def _malformed(request: Request, error: RequestValidationError) -> JSONResponse:
    return problems.response(problems.invalid(error.errors()))


async def _http(request: Request, error: HTTPException) -> JSONResponse:
    return problems.response(problems.problem(error.status_code, str(error.detail)))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    return problems.response(problems.problem(500, "The service failed", "Its log says more."))
