"""Anthropic's Messages API as InvokeModel carries it: the body, and the chunks of its stream."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from peers.bedrock.shapes import ServiceError

VERSION = "bedrock-2023-05-31"
_ROLES = {"user", "assistant"}


def checked(body: Any) -> Mapping[str, Any]:
    """The body, once it is what the API demands.

    Raises:
        ServiceError: ValidationException.
    """
    if not isinstance(body, dict):
        raise _refused("no JSON object")
    if body.get("anthropic_version") != VERSION:
        raise _refused(f"anthropic_version: must be {VERSION}")
    if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1:
        raise _refused("max_tokens: needs a number from 1")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _refused("messages: at least one message is required")
    for at, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise _refused(f"messages.{at}.role: user or assistant")
        if not _is_content(message.get("content")):
            raise _refused(f"messages.{at}.content: a text or a list of blocks")
    for name in ("tools", "stop_sequences"):
        if not isinstance(body.get(name, []), list):
            raise _refused(f"{name}: a list")
    if any(not isinstance(tool, dict) or "name" not in tool for tool in body.get("tools", ())):
        raise _refused("tools: each has a name")
    if not isinstance(body.get("tool_choice", {}), dict) or not _is_content(body.get("system") or " "):
        raise _refused("tool_choice, system: malformed")
    if messages[0]["role"] != "user":
        raise _refused("messages: first message must use the user role")
    return body


def final_body(
    message: Mapping[str, Any], content: Sequence[Mapping[str, Any]], stop: str, counts: Mapping[str, int]
) -> dict[str, Any]:
    """The body of an answer that does not stream."""
    return {
        **message,
        "content": list(content),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": dict(counts),
    }


def message_events(
    message: Mapping[str, Any],
    content: Sequence[Mapping[str, Any]],
    stop: str,
    counts: Mapping[str, int],
    chunks: Callable[[str], Iterator[str]],
    elapsed: Callable[[], int],
) -> Iterator[dict[str, Any]]:
    """The chunks of an answer that streams; the last one carries Bedrock's own figures."""
    begun = {
        **message,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**counts, "output_tokens": 1},
    }
    yield {"type": "message_start", "message": begun}
    first = elapsed()
    for index, block in enumerate(content):
        if block["type"] == "text":
            empty: dict[str, Any] = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": piece} for piece in chunks(block["text"])]
        else:
            empty = {**block, "input": {}}
            deltas = [
                {"type": "input_json_delta", "partial_json": piece}
                for piece in chunks(json.dumps(block["input"]))
            ]
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": stop, "stop_sequence": None},
        "usage": {"output_tokens": counts["output_tokens"]},
    }
    yield {
        "type": "message_stop",
        "amazon-bedrock-invocationMetrics": {
            "inputTokenCount": counts["input_tokens"],
            "outputTokenCount": counts["output_tokens"],
            "cacheReadInputTokenCount": counts["cache_read_input_tokens"],
            "cacheWriteInputTokenCount": counts["cache_creation_input_tokens"],
            "invocationLatency": elapsed(),
            "firstByteLatency": first,
        },
    }


def _is_content(content: Any) -> bool:
    if isinstance(content, str):
        return bool(content)
    return isinstance(content, list) and bool(content) and all(isinstance(block, dict) for block in content)


def _refused(why: str) -> ServiceError:
    return ServiceError("ValidationException", f"Malformed input request: {why}")
