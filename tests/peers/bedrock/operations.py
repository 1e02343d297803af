"""From an operation's input to its output, or to the events of its stream."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from peers.bedrock.answers import Answerer, ChatAnswers, Reply
from peers.bedrock.embeddings import embed
from peers.bedrock.messages import checked, final_body, message_events
from peers.bedrock.prompts import Prompt, of_converse, of_messages
from peers.bedrock.shapes import Route, ServiceError
from peers.bedrock.tokens import Counter, PromptCache, count_tokens

Elapsed = Callable[[], int]
"""Milliseconds since the request arrived."""

_CHUNK = re.compile(r"\s*\S+(?:\s+\S+){0,5}|\s+")
LONGEST_CHUNK = 48
INTERVENTION = "Sorry, the model cannot answer this question."


@dataclass(frozen=True, slots=True)
class Usage:
    """Reported tokens; `input` leaves out what the cache read or wrote."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out.

    Args:
        usage: reported tokens.
        stop_reason: None where the operation has none.
        output: makes the modelled output of an operation that does not stream.
        events: makes the events of one that does, by name, one after the other.
        headers: beyond those that the model declares.
    """

    usage: Usage
    stop_reason: str | None = None
    output: Callable[[Elapsed], dict[str, Any]] | None = None
    events: Callable[[Elapsed], Iterator[tuple[str, dict[str, Any]]]] | None = None
    headers: Callable[[Elapsed], dict[str, str]] = field(default=lambda elapsed: {})


@dataclass(frozen=True, slots=True)
class Model:
    """The stand-in's model.

    Args:
        answer: what it says.
        counter: how it counts tokens.
        window: tokens of prompt and answer together.
        blocked: a guardrail intervenes where one of these words stands in the last turn or in the answer.
        least_cached: the shortest prefix that is cached, in tokens.
    """

    answer: Answerer = field(default_factory=ChatAnswers)
    counter: Counter = count_tokens
    window: int = 200_000
    blocked: tuple[str, ...] = ("forbidden-word",)
    least_cached: int = 1024


class Operations:
    """Carries the operations out."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._cache = PromptCache(model.least_cached)

    def run(self, route: Route, said: Mapping[str, Any]) -> Answer:
        """Carry one out.

        Raises:
            ServiceError: the input is well formed and yet cannot be answered.
        """
        name = route.operation.name
        if name == "CountTokens":
            return self._count(said)
        if name == "ApplyGuardrail":
            return self._guard(said)
        if name.startswith("Converse"):
            return self._converse(name, said)
        return self._invoke(name, said)

    def _converse(self, name: str, said: Mapping[str, Any]) -> Answer:
        if not said.get("messages") or said["messages"][0]["role"] != "user":
            raise ServiceError("ValidationException", "A conversation must start with a user message.")
        for at, message in enumerate(said["messages"]):
            for place, block in enumerate(message["content"]):
                if "text" in block and not block["text"].strip():
                    raise ServiceError(
                        "ValidationException",
                        f"The text field in the ContentBlock object at messages.{at}.content.{place} is blank. "
                        "Add text to the text field, and try again.",
                    )
        prompt = of_converse(
            name, said["modelId"], said, self._model.counter, guarded="guardrailConfig" in said
        )
        reply, usage, stop = self._settled(prompt)
        content: list[dict[str, Any]] = [{"text": reply.text}] if reply.text or reply.tool is None else []
        if reply.tool is not None:
            content.append({"toolUse": _tool_use(prompt, reply)})
        counts = {
            "inputTokens": usage.input,
            "outputTokens": usage.output,
            "totalTokens": usage.input + usage.output + usage.cache_read + usage.cache_write,
            "cacheReadInputTokens": usage.cache_read,
            "cacheWriteInputTokens": usage.cache_write,
        }
        if name == "ConverseStream":
            return Answer(usage, stop, events=lambda elapsed: _stream(content, stop, counts, elapsed))
        return Answer(
            usage,
            stop,
            output=lambda elapsed: {
                "output": {"message": {"role": "assistant", "content": content}},
                "stopReason": stop,
                "usage": counts,
                "metrics": {"latencyMs": elapsed()},
            },
        )

    def _invoke(self, name: str, said: Mapping[str, Any]) -> Answer:
        try:
            body = json.loads(said.get("body") or b"")
        except (ValueError, RecursionError) as error:
            raise ServiceError("ValidationException", f"Malformed input request: {error}") from error
        if not isinstance(body, dict):
            raise ServiceError("ValidationException", "Malformed input request: no JSON object")
        if "titan-embed" in said["modelId"]:
            if name != "InvokeModel":
                raise ServiceError("ValidationException", "The model is unsupported for streaming.")
            vector, tokens = embed(body, self._model.counter)
            return Answer(
                Usage(input=tokens),
                output=lambda elapsed: _payload(vector),
                headers=lambda elapsed: {
                    "x-amzn-bedrock-input-token-count": str(tokens),
                    "x-amzn-bedrock-invocation-latency": str(elapsed()),
                },
            )
        guarded = "guardrailIdentifier" in said
        prompt = of_messages(name, said["modelId"], checked(body), self._model.counter, guarded=guarded)
        reply, usage, stop = self._settled(prompt)
        content: list[dict[str, Any]] = (
            [{"type": "text", "text": reply.text}] if reply.text or not reply.tool else []
        )
        if reply.tool is not None:
            use = _tool_use(prompt, reply)
            content.append(
                {"type": "tool_use", "id": use["toolUseId"], "name": use["name"], "input": use["input"]}
            )
        message = {
            "id": f"msg_bdrk_{_digest(prompt)}",
            "type": "message",
            "role": "assistant",
            "model": said["modelId"],
        }
        counts = {
            "input_tokens": usage.input,
            "cache_creation_input_tokens": usage.cache_write,
            "cache_read_input_tokens": usage.cache_read,
            "output_tokens": usage.output,
        }
        if name == "InvokeModelWithResponseStream":
            return Answer(
                usage,
                stop,
                events=lambda elapsed: (
                    ("chunk", {"bytes": json.dumps(each).encode()})
                    for each in message_events(message, content, stop, counts, chunks, elapsed)
                ),
            )
        return Answer(
            usage,
            stop,
            output=lambda elapsed: _payload(final_body(message, content, stop, counts)),
            headers=lambda elapsed: {
                "x-amzn-bedrock-input-token-count": str(usage.input),
                "x-amzn-bedrock-output-token-count": str(usage.output),
                "x-amzn-bedrock-cache-read-input-token-count": str(usage.cache_read),
                "x-amzn-bedrock-cache-write-input-token-count": str(usage.cache_write),
                "x-amzn-bedrock-invocation-latency": str(elapsed()),
            },
        )

    def _count(self, said: Mapping[str, Any]) -> Answer:
        given = said["input"]
        if "converse" in given:
            prompt = of_converse("CountTokens", said["modelId"], given["converse"], self._model.counter)
        else:
            try:
                body = json.loads(given["invokeModel"]["body"])
            except (ValueError, RecursionError) as error:
                raise ServiceError("ValidationException", f"Malformed input request: {error}") from error
            prompt = of_messages("CountTokens", said["modelId"], checked(body), self._model.counter)
        return Answer(
            Usage(input=prompt.input_tokens), output=lambda elapsed: {"inputTokens": prompt.input_tokens}
        )

    def _guard(self, said: Mapping[str, Any]) -> Answer:
        texts = [block["text"]["text"] for block in said["content"] if "text" in block]
        intervened = any(self._blocks(text) for text in texts)
        units = sum(-(-len(text) // 1000) for text in texts)
        names = [
            "topicPolicyUnits",
            "contentPolicyUnits",
            "sensitiveInformationPolicyUnits",
            "sensitiveInformationPolicyFreeUnits",
            "contextualGroundingPolicyUnits",
        ]
        output: dict[str, Any] = {
            "usage": {**dict.fromkeys(names, 0), "wordPolicyUnits": units},
            "action": "GUARDRAIL_INTERVENED" if intervened else "NONE",
            "outputs": [{"text": INTERVENTION}] if intervened else [],
            "assessments": [],
        }
        return Answer(Usage(), output=lambda elapsed: output)

    def _settled(self, prompt: Prompt) -> tuple[Reply, Usage, str]:
        """The reply as it is cut, what it cost, and why it ended."""
        model = self._model
        if prompt.input_tokens > model.window:
            raise ServiceError("ValidationException", "Input is too long for requested model.")
        read, written = self._cache.use(prompt.model_id, prompt.prefixes)
        reply = model.answer(prompt)
        stop = reply.stop_reason or ("tool_use" if reply.tool else "end_turn")
        if prompt.guarded and (self._blocks(prompt.question) or self._blocks(reply.text)):
            reply, stop = Reply(INTERVENTION), "guardrail_intervened"
        text = reply.text
        for sequence in prompt.stop_sequences:
            if sequence in text:
                text, stop = text.partition(sequence)[0], "stop_sequence"
        tokens = reply.output_tokens
        if tokens is None:
            said = json.dumps(dict(reply.tool_input or {})) if reply.tool else ""
            tokens = model.counter(text) + model.counter(said)
            room = model.window - prompt.input_tokens
            for most, why in ((prompt.max_tokens, "max_tokens"), (room, "model_context_window_exceeded")):
                if most is not None and tokens > most:
                    text, tokens = self._cut(text, most)
                    reply, stop = Reply(text), why
        usage = Usage(prompt.input_tokens - read - written, tokens, read, written)
        return Reply(text, reply.tool, reply.tool_input), usage, stop

    def _cut(self, text: str, most: int) -> tuple[str, int]:
        """The longest beginning of a text with at most so many tokens."""
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._model.counter(text[:middle]) <= most else (low, middle - 1)
        return text[:low], self._model.counter(text[:low])

    def _blocks(self, text: str) -> bool:
        return any(word in text for word in self._model.blocked)


def chunks(text: str) -> Iterator[str]:
    """A text in pieces of a few words, as a stream delivers it; at least one."""
    for found in _CHUNK.findall(text) or [""]:
        yield from (found[at : at + LONGEST_CHUNK] for at in range(0, max(len(found), 1), LONGEST_CHUNK))


def _stream(
    content: list[dict[str, Any]], stop: str, counts: Mapping[str, int], elapsed: Elapsed
) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "messageStart", {"role": "assistant"}
    for index, block in enumerate(content):
        if "text" in block:
            deltas: list[dict[str, Any]] = [{"text": piece} for piece in chunks(block["text"])]
        else:
            use = block["toolUse"]
            start: dict[str, Any] = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
            yield "contentBlockStart", {"start": start, "contentBlockIndex": index}
            deltas = [{"toolUse": {"input": piece}} for piece in chunks(json.dumps(use["input"]))]
        for delta in deltas:
            yield "contentBlockDelta", {"delta": delta, "contentBlockIndex": index}
        yield "contentBlockStop", {"contentBlockIndex": index}
    yield "messageStop", {"stopReason": stop}
    yield "metadata", {"usage": dict(counts), "metrics": {"latencyMs": elapsed()}}


def _tool_use(prompt: Prompt, reply: Reply) -> dict[str, Any]:
    return {
        "toolUseId": f"tooluse_{_digest(prompt)}",
        "name": reply.tool,
        "input": dict(reply.tool_input or {}),
    }


def _payload(body: Mapping[str, Any]) -> dict[str, Any]:
    raw = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return {"body": raw, "contentType": "application/json"}


def _digest(prompt: Prompt) -> str:
    said = "\0".join([prompt.model_id, prompt.system, *(turn.text for turn in prompt.turns)])
    return sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:22]
