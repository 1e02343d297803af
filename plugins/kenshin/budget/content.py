"""What a message's content holds: texts to estimate, and images whose tokens follow from their size.

Takes plain texts, and the content blocks of Bedrock's Converse API and of the Messages API. A block that is neither is
read as the JSON it is, which is what a model would be shown at most.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kenshin.errors import InvalidInput

DEEPEST = 32
_MARKS = {"cachePoint", "cache_control"}
_TEXTUAL = {"txt", "md", "csv", "html"}


@dataclass(slots=True)
class Content:
    """Texts in their order, and the tokens of all images."""

    texts: list[str] = field(default_factory=list)
    image_tokens: int = 0


def read_content(content: object) -> Content:
    """Take a message's content apart.

    Raises:
        InvalidInput: nested too deep, no content at all, or a document whose text cannot be read here.
    """
    found = Content()
    _read(content, found, 0)
    return found


def as_json(value: object) -> str:
    """A value as compact JSON.

    Raises:
        InvalidInput: it has no JSON form.
    """
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            value=type(value).__name__,
            reason=f"no JSON ({error})",
            mend="Give content as the model's API takes it.",
        ) from error


def _read(content: object, found: Content, depth: int) -> None:
    if depth > DEEPEST:
        raise InvalidInput(
            value=f"{depth} levels",
            reason="content is nested too deep",
            mend=f"Keep it within {DEEPEST} levels.",
        )
    if content is None:
        return
    if isinstance(content, str):
        found.texts.append(content)
    elif isinstance(content, Mapping):
        _read_block(content, found, depth)
    elif isinstance(content, Sequence) and not isinstance(content, bytes | bytearray | memoryview):
        for block in content:
            _read(block, found, depth + 1)
    else:
        raise InvalidInput(
            value=type(content).__name__,
            reason="no content of a message",
            mend="Give a text or a list of content blocks.",
        )


def _read_block(block: Mapping[object, object], found: Content, depth: int) -> None:
    kind = block.get("type")
    if "image" in block or kind == "image":
        from kenshin.budget.images import image_tokens

        found.image_tokens += image_tokens(block.get("image", block))
    elif "document" in block or kind == "document":
        _read_document(block.get("document", block), found)
    elif "toolResult" in block or kind == "tool_result":
        result = block.get("toolResult", block)
        _read(result.get("content") if isinstance(result, Mapping) else result, found, depth + 1)
    elif "toolUse" in block or kind == "tool_use":
        use = block.get("toolUse", block)
        found.texts.append(
            as_json({"name": use.get("name"), "input": use.get("input")} if isinstance(use, Mapping) else use)
        )
    elif kind == "thinking":
        _read(block.get("thinking"), found, depth + 1)
    else:
        if isinstance(hidden := block.get("redactedContent"), bytes):
            found.texts.append(base64.b64encode(hidden).decode())
            return
        for key in ("text", "guardContent", "reasoningContent", "reasoningText"):
            if key in block:
                _read(block[key], found, depth + 1)
                return
        if not set(block) <= _MARKS:
            found.texts.append(as_json(block["json"] if "json" in block else dict(block)))


def _read_document(document: object, found: Content) -> None:
    details = document if isinstance(document, Mapping) else {}
    source = details.get("source")
    inner = source if isinstance(source, Mapping) else {}
    raw, told = (
        inner.get("bytes"),
        inner.get("text", inner.get("data") if inner.get("type") == "text" else None),
    )
    if isinstance(told, str):
        found.texts.append(told)
    elif isinstance(raw, bytes) and details.get("format") in _TEXTUAL:
        found.texts.append(raw.decode("utf-8", "replace"))
    else:
        raise InvalidInput(
            value=str(details.get("format", details.get("name", "document"))),
            reason="the tokens of a document cannot be told from its bytes",
            mend="Give its text, or one of the formats " + ", ".join(sorted(_TEXTUAL)) + ".",
        )
