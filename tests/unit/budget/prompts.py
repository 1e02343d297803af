"""Prompts of Converse and of the Messages API, for tests: any that the APIs would take, and what must hold of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from kenshin.budget.check import BudgetPolicy, check
from kenshin.budget.models import Model
from kenshin.errors import ContextBudgetExceeded

Message = dict[str, Any]
Prompt = dict[str, Any]

SAID = st.sampled_from(
    [
        "How long does shipping to Osaka take?",
        "Three days, unless it snows.   Then five.",
        "The order was shipped to Osaka on Monday. " * 8,
        "注文は月曜日に大阪へ発送されました。" * 6,
        "# Orders\n\n\n\nOrder 1731 is late.  \n\n```\nx  =  1\n\n\ny = 2\n```\n",
        '{"orders": [ {"id": 1731,\n    "state": "late  "} ]}',
        "a  b\nc  d\n\n\n\n<pre>  e\n\n\nf</pre>\t\n",
        "\ud800 \0 lone",
        "no",
    ]
) | st.text('ab1 \n\t`~#<pre>/"{}', min_size=1, max_size=60)


def text_block(api: str, text: str, **more: Any) -> Message:
    return ({"text": text} if api == "converse" else {"type": "text", "text": text}) | more


def use_block(api: str, tool: str, value: str) -> Message:
    if api == "converse":
        return {"toolUse": {"toolUseId": tool, "name": "find", "input": {"query": value}}}
    return {"type": "tool_use", "id": tool, "name": "find", "input": {"query": value}}


def result_block(api: str, tool: str, content: str | None) -> Message:
    """A result; without content, it is an image."""
    if api == "converse":
        inner = (
            {"text": content}
            if content is not None
            else {"image": {"format": "png", "source": {"bytes": b"x"}}}
        )
        return {"toolResult": {"toolUseId": tool, "content": [inner], "status": "success"}}
    image = [{"type": "image", "source": {"type": "base64", "data": "eA=="}}]
    return {"type": "tool_result", "tool_use_id": tool, "content": image if content is None else content}


@st.composite
def contents(draw: st.DrawFn, api: str) -> Any:
    said = draw(SAID)
    if draw(st.booleans()):
        return said
    blocks = [text_block(api, said)]
    if draw(st.integers(0, 5)) == 0:
        blocks.append(
            {"image": {"format": "png", "source": {"bytes": b"x"}}}
            if api == "converse"
            else {"type": "image", "source": {"type": "base64", "data": "eA=="}}
        )
    if draw(st.integers(0, 9)) == 0:
        if api == "converse":
            blocks.append({"cachePoint": {"type": "default"}})
        else:
            blocks[-1] = blocks[-1] | {"cache_control": {"type": "ephemeral"}}
    return tuple(blocks) if draw(st.integers(0, 5)) == 0 else blocks


@st.composite
def exchanges(draw: st.DrawFn, api: str, *, ids: str) -> list[Message]:
    """A question, rounds of tools asked for at once, an answer."""
    messages = [{"role": "user", "content": draw(contents(api))}]
    for number in range(draw(st.sampled_from([0, 0, 0, 1, 2, 3]))):
        tools = [f"{ids}{number}-{tool}" for tool in range(draw(st.integers(1, 3)))]
        asked = [use_block(api, tool, draw(SAID)) for tool in tools]
        if draw(st.booleans()):
            asked.insert(0, text_block(api, "Let me look."))
        brought = [result_block(api, tool, draw(SAID | st.none())) for tool in tools]
        messages += [{"role": "assistant", "content": asked}, {"role": "user", "content": brought}]
    return [*messages, {"role": "assistant", "content": draw(contents(api))}]


@st.composite
def prompts(draw: st.DrawFn) -> Prompt:
    """The arguments of a check."""
    api = draw(st.sampled_from(["converse", "messages"]))
    same = draw(st.booleans())
    history: list[Message] = []
    for number in range(draw(st.integers(0, 9))):
        history += draw(exchanges(api, ids="t" if same else f"t{number}-"))
    user_message: Any = draw(contents(api))
    if history and draw(st.integers(0, 5)) == 0:
        history.insert(0, {"role": "assistant", "content": "Welcome."})
    if history and draw(st.integers(0, 5)) == 0:  # the user says more before the answer comes
        history.insert(1, {"role": history[0]["role"], "content": draw(contents(api))})
    ending = draw(st.integers(0, 4)) if history else 0
    if ending == 1:  # a tool was asked for, and the turn to be answered brings its result
        history[-1] = {"role": "assistant", "content": [use_block(api, "last", "x")]}
        user_message = [result_block(api, "last", draw(SAID))]
    elif ending == 2:  # the history ends with the turn to be answered
        history.append({"role": "user", "content": user_message})
        user_message = ""
    elif ending == 3:  # a turn that nobody answered
        history.append({"role": "user", "content": draw(contents(api))})
    return {
        "system_prompt": draw(contents(api) | st.just("")),
        "conversation_history": tuple(history) if draw(st.integers(0, 5)) == 0 else history,
        "rag_context": draw(contexts(api)),
        "user_message": user_message,
        "tools": [],
    }


@st.composite
def contexts(draw: st.DrawFn, api: str) -> Any:
    passages = draw(st.lists(SAID, max_size=8))
    form = draw(st.sampled_from(["text", "texts", "blocks", "block"]))
    if form == "text":
        return "\n\n".join(passages)
    if form == "texts":
        return passages
    if form == "block":
        return text_block(api, "\n\n\n".join(passages))
    scores = draw(st.none() | st.lists(st.floats(0, 1), min_size=len(passages), max_size=len(passages)))
    blocks = [
        text_block(api, text, **({"score": scores[at]} if scores else {})) for at, text in enumerate(passages)
    ]
    if blocks and draw(st.integers(0, 3)) == 0:
        blocks.insert(draw(st.integers(0, len(blocks))), {"cachePoint": {"type": "default"}})
    return blocks


def model_for(prompt: Mapping[str, Any], share: float) -> Model:
    """A model of whose budget a prompt takes a share, as `WITHOUT_RESERVE` counts."""
    upper = check(
        Model("any", 10**9, "claude-3", practical_ratio=1.0), policy=WITHOUT_RESERVE, **prompt
    ).upper_tokens
    return Model("small", max(int(upper / share), 1), "claude-3", practical_ratio=1.0)


WITHOUT_RESERVE = BudgetPolicy(output_reserve=0)


def attempt(fit: Any, *args: Any, **kwargs: Any) -> tuple[Any, ContextBudgetExceeded | None]:
    """What came out, though it be the best attempt of a failure."""
    try:
        return fit(*args, **kwargs), None
    except ContextBudgetExceeded as error:
        return error.best, error


def blocks_of(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message["content"]
    return [] if isinstance(content, str) else list(content)


def asked(message: Mapping[str, Any]) -> list[str]:
    found = [(block.get("toolUse") or block, block) for block in blocks_of(message)]
    return [
        inner.get("toolUseId", inner.get("id"))
        for inner, block in found
        if "toolUse" in block or block.get("type") == "tool_use"
    ]


def answered(message: Mapping[str, Any]) -> list[str]:
    found = [(block.get("toolResult") or block, block) for block in blocks_of(message)]
    return [
        inner.get("toolUseId", inner.get("tool_use_id"))
        for inner, block in found
        if "toolResult" in block or block.get("type") == "tool_result"
    ]


def complaints(history: Sequence[Mapping[str, Any]], user_message: Any) -> list[str]:
    """What either API would refuse a conversation for."""
    turns = [*history, *([{"role": "user", "content": user_message}] if user_message else [])]
    found = []
    if turns and (turns[0]["role"] != "user" or answered(turns[0])):
        found.append("the first turn is no user's question")
    for before, after in pairwise(turns):
        if before["role"] == after["role"]:
            found.append(f"two turns of {after['role']}")
        if asked(before) != answered(after):
            found.append(f"{asked(before)} were asked for, {answered(after)} answered")
    if turns and asked(turns[-1]):
        found.append("a tool is never answered")
    found += ["an empty text" for turn in turns if turn["content"] in ("", [], ())]
    return found
