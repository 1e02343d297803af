"""Events: a budget check as JSON, asked for and answered; the form of the Lambda and of the command."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from kenshin.budget.check import BudgetCheckResult, BudgetPolicy
from kenshin.errors import InvalidInput

SECTIONS = ("system_prompt", "conversation_history", "rag_context", "user_message", "tools")
_LISTS = {"conversation_history", "tools"}


def read_event(event: object) -> dict[str, Any]:
    """The arguments of `check_budget` that an event asks for.

    Args:
        event: the proof of concept's keys, besides `tools`, `strict`, and `max_tokens`, which is the request's
            `maxTokens` and becomes the reserve. Other keys are ignored. A gateway's event has them in its body.

    Raises:
        InvalidInput: the event is no object, its body is no JSON, or a value is of the wrong kind.
        InvalidPolicy: `max_tokens` is no count.
    """
    asked = _body(event)
    found = {name: asked[name] for name in SECTIONS if asked.get(name) is not None}
    for name in _LISTS & set(found):
        if not isinstance(found[name], list):
            raise InvalidInput(
                value=f"{name}: {type(found[name]).__name__}", reason="no list", mend="Give a JSON array."
            )
    if asked.get("model_id") is not None:
        found["model_id"] = asked["model_id"]
    if asked.get("max_tokens") is not None:
        found["policy"] = BudgetPolicy(output_reserve=asked["max_tokens"])
    if asked.get("strict") is not None:
        if not isinstance(asked["strict"], bool):
            raise InvalidInput(
                value=asked["strict"], reason="strict is no truth value", mend="Give true or false."
            )
        found["strict"] = asked["strict"]
    return found


def answer_of(result: BudgetCheckResult) -> dict[str, Any]:
    """A result, JSON-ready: the proof of concept's keys first."""
    return {
        "status": result.status,
        "utilization_pct": result.utilization_pct,
        "total_tokens": result.total_tokens,
        "budget_limit": result.budget_limit,
        "recommendation": result.recommendation,
        "upper_pct": result.upper_pct,
        "upper_tokens": result.upper_tokens,
        "largest_section": result.largest_section,
        "largest_section_tokens": result.largest_section_tokens,
        "sections": dict(result.sections),
        "model": result.model,
        "known_model": result.known_model,
        "script": result.measured.script,
        "calibrated": result.calibrated,
    }


def _body(event: object) -> Mapping[str, Any]:
    if isinstance(event, Mapping) and ("body" in event or "requestContext" in event):
        event = _parsed(event.get("body"), encoded=bool(event.get("isBase64Encoded")))
    if event is None:
        return {}
    if not isinstance(event, Mapping):
        raise InvalidInput(
            value=type(event).__name__,
            reason="no event",
            mend='Give a JSON object, e.g. {"user_message": "…"}.',
        )
    return event


def _parsed(body: object, *, encoded: bool) -> object:
    if not isinstance(body, str):
        return body
    try:
        return json.loads(base64.b64decode(body, validate=True) if encoded else body or "null")
    except (ValueError, RecursionError) as error:
        raise InvalidInput(value="body", reason=f"no JSON ({error})", mend="Send a JSON object.") from error
