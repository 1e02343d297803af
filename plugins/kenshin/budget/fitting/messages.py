"""Messages of Converse and of the Messages API: what they hold that belongs together, and copies with less in them.

Nothing here changes what it is given; a message that stays as it is comes back as the same object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

Message: TypeAlias = Mapping[str, object]

CLEARED = "[old tool result removed]"
"""What stands in the place of an old tool result."""

SUMMARY = "[Summary of the earlier conversation]"
NOTED = "[Noted.]"

_MARKS = ("cachePoint", "cache_control")


def blocks(content: object) -> Iterator[Mapping[str, object]]:
    """The blocks of a content, those of lists within lists too; a text has none."""
    if isinstance(content, Mapping):
        yield content
    elif isinstance(content, Sequence) and not isinstance(content, str | bytes | bytearray | memoryview):
        for each in content:
            yield from blocks(each)


def is_text_block(block: Mapping[str, object]) -> bool:
    """Whether a block is text and nothing else that counts."""
    others = block.keys() & {"image", "document", "toolUse", "toolResult"}
    return isinstance(block.get("text"), str) and block.get("type", "text") == "text" and not others


def marked(content: object) -> bool:
    """Whether a cache mark stands in a content, or within its tool results."""
    return any(
        any(block.get(mark) is not None for mark in _MARKS) or marked(_result(block).get("content"))
        for block in blocks(content)
    )


def tool_uses(message: Message) -> list[object]:
    """The ids of the tools that a message asks for."""
    return [
        _use(block).get("toolUseId", block.get("id"))
        for block in blocks(message.get("content"))
        if _use(block)
    ]


def tool_results(message: Message) -> list[object]:
    """The ids of the tool results that a message brings."""
    return [
        result.get("toolUseId", block.get("tool_use_id"))
        for block in blocks(message.get("content"))
        if (result := _result(block))
    ]


def only_tool_results(message: Message) -> bool:
    """Whether a message brings tool results and, marks apart, nothing else."""
    content = message.get("content")
    return not isinstance(content, str) and all(
        _result(block) or block.keys() <= {*_MARKS, "type"} for block in blocks(content)
    )


def with_texts(message: Message, change: Callable[[str, bool], str]) -> Message:
    """A message whose texts are changed; reasoning, tool inputs and documents stay.

    Args:
        message: of either API.
        change: from a text, and whether a tool said it, to another text.
    """
    return _with_content(message, _changed(message.get("content"), change, tool=False))


def with_cleared_results(message: Message) -> Message:
    """A message whose tool results hold a short marker; their ids, states and marks stay."""
    return _with_content(message, _cleared(message.get("content")))


def summary_pair(text: str, like: Message) -> tuple[Message, Message]:
    """A summary as a user turn, and the assistant's turn that answers it, in the form of another message's content."""
    return tuple(
        {"role": role, "content": _content_like(said, like.get("content"))}
        for role, said in (("user", f"{SUMMARY}\n{text}"), ("assistant", NOTED))
    )  # type: ignore[return-value]


def is_summary(message: Message) -> bool:
    """Whether a message is a summary made here."""
    content = message.get("content")
    texts = [content] if isinstance(content, str) else [block.get("text") for block in blocks(content)]
    first = texts[0] if texts else None
    return isinstance(first, str) and first.startswith(f"{SUMMARY}\n")


def _use(block: Mapping[str, object]) -> Mapping[str, object]:
    inner = block.get("toolUse")
    if isinstance(inner, Mapping):
        return inner
    return block if block.get("type") == "tool_use" else {}


def _result(block: Mapping[str, object]) -> Mapping[str, object]:
    inner = block.get("toolResult")
    if isinstance(inner, Mapping):
        return inner
    return block if block.get("type") == "tool_result" else {}


def _content_like(text: str, content: object) -> object:
    if isinstance(content, str):
        return text
    typed = any("type" in block for block in blocks(content))
    return [{"type": "text", "text": text} if typed else {"text": text}]


def _with_content(message: Message, content: object) -> Message:
    return message if content is message.get("content") else {**message, "content": content}


def _each(content: object, change: Callable[[object], object]) -> object:
    """A content with a change made to its parts; the same object where no part changed."""
    if not isinstance(content, Sequence) or isinstance(content, bytes | bytearray | memoryview):
        return content
    parts = [change(part) for part in content]
    if all(new is old for new, old in zip(parts, content, strict=True)):
        return content
    return tuple(parts) if isinstance(content, tuple) else parts


def _changed(content: object, change: Callable[[str, bool], str], *, tool: bool) -> object:
    if isinstance(content, str):
        text = change(content, tool)
        return content if text == content else text
    if not isinstance(content, Mapping):
        return _each(content, lambda part: _changed(part, change, tool=tool))
    if _result(content):
        return _with_result(content, lambda inner: _changed(inner, change, tool=True))
    if is_text_block(content):
        text = change(str(content["text"]), tool)
        return content if text == content["text"] else {**content, "text": text}
    return content


def _cleared(content: object) -> object:
    if isinstance(content, Mapping):
        if not _result(content):
            return content
        return _with_result(
            content, lambda inner: inner if inner is None else _content_like(CLEARED, _shown(inner, content))
        )
    if isinstance(content, str):
        return content
    return _each(content, _cleared)


def _shown(inner: object, block: Mapping[str, object]) -> object:
    """What tells the form that a result's content takes: itself, or the block around it where that says more."""
    return (
        inner if isinstance(inner, str) else ({"type": "text"} if block.get("type") == "tool_result" else {})
    )


def _with_result(block: Mapping[str, object], change: Callable[[object], object]) -> Mapping[str, object]:
    result = _result(block)
    content = result.get("content")
    changed = change(content)
    if changed is content:
        return block
    if result is block:
        return {**block, "content": changed}
    return {**block, "toolResult": {**result, "content": changed}}
