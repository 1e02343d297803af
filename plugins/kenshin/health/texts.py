"""The texts of a call, for records that may hold them; read only where capture is switched on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def prompt_text(arguments: Mapping[str, Any]) -> str:
    """What was asked: of Converse the texts of system prompt and messages, of InvokeModel the body as it is."""
    if "body" in arguments:
        body = arguments["body"]
        return body.decode("utf-8", "replace") if isinstance(body, bytes | bytearray) else str(body)
    asked = arguments.get("input", arguments)
    asked = asked.get("converse", asked) if isinstance(asked, Mapping) else {}
    parts = list(_texts(asked.get("system")))
    for message in _items(asked.get("messages")):
        if isinstance(message, Mapping):
            parts += _texts(message.get("content"))
    return "\n".join(parts)


def answer_text(response: Mapping[str, Any]) -> str:
    """What Converse answered."""
    output = response.get("output")
    message = output.get("message") if isinstance(output, Mapping) else None
    return "\n".join(_texts(message.get("content"))) if isinstance(message, Mapping) else ""


def _items(value: object) -> Iterable[object]:
    return value if isinstance(value, list | tuple) else ()


def _texts(blocks: object) -> Iterable[str]:
    for block in _items(blocks):
        if isinstance(block, Mapping) and isinstance(text := block.get("text"), str):
            yield text
