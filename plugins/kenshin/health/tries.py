"""The tries of a call, as botocore makes them: counted by its events, and not begun after the deadline.

The client decides whether to try again. A handler here only sees each try begin and end, and stops one that comes too
late; it cannot interrupt a try on its way, nor the pause before one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from kenshin.health.call import Call, call_in_force
from kenshin.health.failure import failure_in, failure_of

logger = logging.getLogger(__name__)

SERVICE = "bedrock-runtime"
CONTEXT_KEY = "kenshin_call"
"""Where in the context of botocore's request `instrument` keeps its call."""


def attach(client: Any) -> None:
    """Have a client's tries counted; a second time changes nothing, and a client without events is left alone."""
    events = getattr(getattr(client, "meta", None), "events", None)
    if events is None:
        return
    events.register_first(f"request-created.{SERVICE}", _begins, unique_id="kenshin-try-begins")
    events.register_first(f"needs-retry.{SERVICE}", _ended, unique_id="kenshin-try-ended")


def _begins(request: Any = None, **_: object) -> None:
    call = _call(getattr(request, "context", None))
    if call is not None:
        call.try_begins()


def _ended(
    response: Any = None, caught_exception: BaseException | None = None, request_dict: Any = None, **_: object
) -> None:
    # What it answers is whether to try again, so it answers None, come what may.
    try:
        call = _call(request_dict.get("context") if isinstance(request_dict, Mapping) else None)
        if call is None:
            return
        if caught_exception is not None:
            call.try_failed(failure_of(caught_exception))
        elif response is not None and isinstance(response[1].get("Error"), Mapping):
            call.try_failed(failure_in(response[1]))
    except Exception:
        logger.debug("A try cannot be read", exc_info=True)


def _call(context: object) -> Call | None:
    call = call_in_force.get()
    if call is None and isinstance(context, Mapping):
        found = context.get(CONTEXT_KEY)
        return found if isinstance(found, Call) else None
    return call
