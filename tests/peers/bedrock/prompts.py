"""Prompts as the stand-in reads them, whether they came as Converse's input or as an Anthropic Messages body."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from peers.bedrock.shapes import ServiceError
from peers.bedrock.tokens import MESSAGE_FRAME, REQUEST_FRAME, Counter

IMAGE_TOKENS = 1500
"""What any image or video counts."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message: who said what, as text; `results` says whether it answers a tool call."""

    role: str
    text: str
    results: bool = False


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model may call."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is to be answered.

    Args:
        operation: the operation's name.
        model_id: as it was asked for.
        system: the system prompt.
        turns: the conversation; the last one is to be answered.
        tools: what may be called.
        tool_choice: ``auto``, ``any``, or a tool's name.
        schema: the JSON Schema that the answer is to keep to, where one was given.
        max_tokens: the longest answer.
        stop_sequences: texts before which an answer ends.
        input_tokens: all of it.
        prefixes: up to each cache point, in order: the text so far, and its tokens.
        guarded: whether a guardrail was asked for.
    """

    operation: str
    model_id: str
    system: str = ""
    turns: tuple[Turn, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    schema: Mapping[str, Any] | None = None
    max_tokens: int | None = None
    stop_sequences: tuple[str, ...] = ()
    input_tokens: int = 0
    prefixes: tuple[tuple[str, int], ...] = ()
    guarded: bool = False

    @property
    def question(self) -> str:
        """The last thing that the user said."""
        return next((turn.text for turn in reversed(self.turns) if turn.role == "user"), "")


@dataclass(slots=True)
class _Sum:
    """Adds up texts and tokens in the order tools, system, messages, and remembers the cache points."""

    counter: Counter
    texts: list[str] = field(default_factory=list)
    tokens: int = 0
    prefixes: list[tuple[str, int]] = field(default_factory=list)

    def add(self, text: str, extra: int = 0) -> None:
        self.texts.append(text)
        self.tokens += self.counter(text) + extra

    def point(self) -> None:
        self.prefixes.append(("\0".join(self.texts), self.tokens))

    def blocks(self, content: Sequence[Mapping[str, Any]]) -> str:
        """Adds content blocks; answers what of them is text."""
        said = []
        for block in content:
            if "cachePoint" in block:
                self.point()
                continue
            text, extra = _block(block)
            self.add(text, extra)
            said.append(text)
            if block.get("cache_control"):
                self.point()
        return "\n".join(said)


def of_converse(
    operation: str, model_id: str, said: Mapping[str, Any], counter: Counter, *, guarded: bool = False
) -> Prompt:
    """The prompt of a Converse input (or of the one within CountTokens)."""
    found, tools = _Sum(counter, tokens=REQUEST_FRAME), []
    config = said.get("toolConfig", {})
    for each in config.get("tools", ()):
        if "toolSpec" in each:
            spec = each["toolSpec"]
            tools.append(Tool(spec["name"], spec["inputSchema"].get("json", {})))
            found.add(_json(spec))
        elif "cachePoint" in each:
            found.point()
    system = found.blocks(said.get("system", ()))
    turns = []
    for message in said.get("messages", ()):
        text = found.blocks(message["content"])
        found.tokens += MESSAGE_FRAME
        turns.append(Turn(message["role"], text, any("toolResult" in block for block in message["content"])))
    choice = config.get("toolChoice", {})
    inference = said.get("inferenceConfig", {})
    format_ = said.get("outputConfig", {}).get("textFormat", {}).get("structure", {}).get("jsonSchema", {})
    return Prompt(
        operation=operation,
        model_id=model_id,
        system=system,
        turns=tuple(turns),
        tools=tuple(tools),
        tool_choice=choice["tool"]["name"] if "tool" in choice else "any" if "any" in choice else "auto",
        schema=_schema(format_["schema"]) if "schema" in format_ else None,
        max_tokens=inference.get("maxTokens"),
        stop_sequences=tuple(inference.get("stopSequences", ())),
        input_tokens=found.tokens,
        prefixes=tuple(found.prefixes),
        guarded=guarded,
    )


def of_messages(
    operation: str, model_id: str, body: Mapping[str, Any], counter: Counter, *, guarded: bool = False
) -> Prompt:
    """The prompt of an Anthropic Messages body."""
    found = _Sum(counter, tokens=REQUEST_FRAME)
    for tool in body.get("tools", ()):
        found.add(_json(tool))
        if tool.get("cache_control"):
            found.point()
    system = found.blocks(_as_blocks(body.get("system", ())))
    turns = []
    for message in body["messages"]:
        content = _as_blocks(message["content"])
        text = found.blocks(content)
        found.tokens += MESSAGE_FRAME
        turns.append(
            Turn(message["role"], text, any(block.get("type") == "tool_result" for block in content))
        )
    choice = body.get("tool_choice", {})
    return Prompt(
        operation=operation,
        model_id=model_id,
        system=system,
        turns=tuple(turns),
        tools=tuple(Tool(tool["name"], tool.get("input_schema", {})) for tool in body.get("tools", ())),
        tool_choice=choice.get("name") or choice.get("type", "auto"),
        max_tokens=body["max_tokens"],
        stop_sequences=tuple(body.get("stop_sequences", ())),
        input_tokens=found.tokens,
        prefixes=tuple(found.prefixes),
        guarded=guarded,
    )


def _schema(text: str) -> Mapping[str, Any]:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ServiceError("ValidationException", f"The JSON Schema is no JSON: {error}") from error
    if not isinstance(read, dict):
        raise ServiceError("ValidationException", "The JSON Schema is no object")
    return read


def _as_blocks(content: Any) -> Sequence[Mapping[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _block(block: Mapping[str, Any]) -> tuple[str, int]:
    """A block's text, and the tokens that it costs beyond its text's."""
    if isinstance(text := block.get("text"), str):
        return text, 0
    if any(kind in block for kind in ("image", "video")) or block.get("type") == "image":
        return "", IMAGE_TOKENS
    return "\n".join(_texts(block)), 0


def _texts(value: Any) -> Iterator[str]:
    """Every text within a block; bytes are read as UTF-8."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, Sequence):
        for each in value:
            yield from _texts(each)
    elif value is not None:
        yield _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
