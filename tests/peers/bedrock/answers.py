"""What the stand-in says: a function from a prompt to a reply. The same prompt gets the same reply.

`ChatAnswers` quotes the sentences of the given context that share most with the question, whole ones and each once. It
keeps to a JSON Schema where one is given, calls tools, and now and then errs as a model does: by a share that is set,
chosen by a hash.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from peers.bedrock.prompts import Prompt, Tool

_PASSAGE = re.compile(r'<passage(?:\s+id="([^"]*)")?[^>]*>(.*?)</passage>', re.DOTALL)
_SENTENCE = re.compile(r"(?:\b(?:e\.g|i\.e)\.|[^.!?。！？\n]|[.!?](?!\s|$))+[.!?。！？]?")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\x00-\x7f]")
_COMMON = frozenset(
    _WORD.findall(
        "a an and are as at be by can do does for from how i in is it of on or that the this to what you"
    )
)
_SHORTEST = 4
"""What has fewer words is a fragment, such as an item of a list, and is not quoted."""
_JAPANESE = re.compile(r"[\u3040-\u30ff]")

UNSURE = "I am not sure what you are asking about. Could you say more?"
UNSURE_JA = "ご質問の内容がよくわかりません。もう少し詳しく教えていただけますか。"


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered.

    Args:
        text: in words.
        tool: a tool that is called after it.
        tool_input: with what.
        stop_reason: why it ended; None: ``tool_use`` with a tool, else ``end_turn``, unless it is cut.
        output_tokens: None: counted.
    """

    text: str
    tool: str | None = None
    tool_input: Mapping[str, Any] | None = None
    stop_reason: str | None = None
    output_tokens: int | None = None


Answerer = Callable[[Prompt], Reply]


@dataclass(frozen=True, slots=True)
class ChatAnswers:
    """The default answers.

    Args:
        made_up: the share of answers with a figure that no context supports.
        off_schema: the share of answers that break the schema which they were given.
        sentences: at most so many are quoted.
    """

    made_up: float = 0.0
    off_schema: float = 0.0
    sentences: int = 2

    def __call__(self, prompt: Prompt) -> Reply:
        """Answer a prompt."""
        if (tool := _tool(prompt)) is not None:
            return Reply("", tool.name, _filled(tool.schema, prompt.question, ()))
        quoted, sources = self._quote(prompt)
        if _share("made up", prompt) < self.made_up:
            quoted += f" This holds for {1000 + int(8999 * _share('figure', prompt)):,} of 10,000 requests."
        if prompt.schema is None:
            return Reply(quoted)
        if _share("off schema", prompt) < self.off_schema:
            return Reply(f"Here is the answer: {quoted}")
        return Reply(json.dumps(_filled(prompt.schema, quoted, sources), ensure_ascii=False))

    def _quote(self, prompt: Prompt) -> tuple[str, tuple[str, ...]]:
        question = prompt.question
        passages = [(name or "", text) for name, text in _PASSAGE.findall(f"{prompt.system}\n{question}")]
        asked = _words(_PASSAGE.sub(" ", question))
        passages = passages or [("", prompt.system)]
        scored, seen = [], set[str]()
        for place, (name, text) in enumerate(passages):
            for at, sentence in enumerate(_sentences(text)):
                if sentence in seen:
                    continue
                seen.add(sentence)
                words = _words(f"{name} {sentence}")
                scored.append((-len(asked & words) / (4 + len(words)) ** 0.5, place, at, name, sentence))
        best = [each for each in sorted(scored)[: self.sentences] if each[0] < 0]
        if not best:
            return (UNSURE_JA if _JAPANESE.search(question) else UNSURE), ()
        best.sort(key=lambda each: each[1:3])
        return " ".join(each[4] for each in best), tuple(dict.fromkeys(each[3] for each in best if each[3]))


def _tool(prompt: Prompt) -> Tool | None:
    """The tool to call: where one must be, or where the question names one that has not answered yet."""
    if not prompt.tools or (prompt.turns and prompt.turns[-1].results):
        return None
    by_name = {tool.name: tool for tool in prompt.tools}
    if prompt.tool_choice == "any":
        return prompt.tools[0]
    return by_name.get(prompt.tool_choice) or next(
        (tool for tool in prompt.tools if tool.name in prompt.question), None
    )


def _sentences(text: str) -> Iterator[str]:
    for found in _SENTENCE.findall(text):
        if len(_WORD.findall(found)) >= _SHORTEST:
            yield found.strip()


def _words(text: str) -> set[str]:
    """What a text is about: its words without endings of the plural, names such as DeleteBucket taken apart."""
    return {word.lower().rstrip("s") for word in _WORD.findall(text)} - _COMMON


def _filled(schema: Mapping[str, Any], text: str, sources: tuple[str, ...]) -> Any:
    """A value that keeps to a plain schema: objects, arrays of texts, texts, numbers, choices."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        return {name: _filled(each, text, sources) for name, each in schema.get("properties", {}).items()}
    if kind == "array":
        items = schema.get("items", {})
        return list(sources) if items.get("type") == "string" else []
    if kind in {"number", "integer"}:
        return max(schema.get("minimum", 0), min(schema.get("maximum", 1), len(sources)))
    return bool(sources) if kind == "boolean" else text


def _share(what: str, prompt: Prompt) -> float:
    """A number from 0 to 1 that is drawn from the prompt."""
    said = "\0".join([what, prompt.system, *(turn.text for turn in prompt.turns)])
    return int.from_bytes(sha256(said.encode("utf-8", "surrogatepass")).digest()[:6], "big") / 2**48
