"""What went wrong, as ``application/problem+json`` (RFC 9457), without a word of what the user said."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse

from kenshin.errors import CircuitOpen, ContextBudgetExceeded, DeadlineExceeded, KenshinError
from orchestrator.chat import ChatFailed

logger = logging.getLogger(__name__)

GONE = 499
"""The status of a request whose client hung up: nobody reads it but the log."""

MEDIA_TYPE = "application/problem+json"
_LATER = "Try again in a while."


def problem(status: int, title: str, detail: str = "", **more: object) -> dict[str, object]:
    """A problem as JSON."""
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}


def problem_of(error: ChatFailed) -> dict[str, object]:
    """Why a request has no answer, with the model calls that it made."""
    cause = error.__cause__ or error
    status, title, detail = _told(cause)
    if status == 500:
        logger.error("A request failed (trace %s)", error.trace_id, exc_info=cause)
    return problem(status, title, detail, trace_id=error.trace_id, calls=error.calls)


def response(body: Mapping[str, Any]) -> JSONResponse:
    """A problem as an answer."""
    headers = {"Retry-After": "5"} if body["status"] == 503 else {}
    return JSONResponse(dict(body), body["status"], headers, media_type=MEDIA_TYPE)


def invalid(errors: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """A request that is malformed; names places and reasons, and repeats no value."""
    places = [
        {"where": ".".join(str(part) for part in each["loc"]), "reason": str(each["msg"])} for each in errors
    ]
    return problem(422, "The request is malformed", "See errors.", errors=places)


def _told(cause: BaseException) -> tuple[int, str, str]:
    if isinstance(cause, CircuitOpen):
        return 503, "The model is out of service", _LATER
    if isinstance(cause, DeadlineExceeded):
        return 504, "The model took too long", _LATER
    if isinstance(cause, ContextBudgetExceeded):
        return 413, "The conversation is too long", "Begin a new one, or ask a shorter question."
    if isinstance(cause, KenshinError):
        return 500, "The service is not set up rightly", "Its log says more."
    names = {kind.__name__ for kind in type(cause).__mro__}
    if "WebSocketDisconnect" in names:
        return GONE, "The client hung up", ""
    if names & {"ReadTimeoutError", "ConnectTimeoutError"}:
        return 504, "The model took too long", _LATER
    if names & {"ClientError", "BotoCoreError", "HTTPError"}:
        return 503, "The model failed", _LATER
    return 500, "The service failed", "Its log says more."
