"""The history as exchanges and tool rounds: what can go without breaking what stays.

An exchange is a user's turn and everything up to the next one; messages of the user in a row are one turn, as the
APIs join them. A turn that brings tool results continues the exchange it is in, and an exchange holds every tool
result whose request it holds. A round is one request for tools and its results. So the roles of what stays alternate
as before, and the first turn is a user's who asks something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kenshin.budget.fitting.messages import (
    Message,
    is_summary,
    marked,
    only_tool_results,
    tool_results,
    tool_uses,
)

Entry = tuple[int, Message]
"""A message and the place it stands at; a summary has two messages at one place."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A history taken apart, the user's message after it included.

    Args:
        exchanges: places of each exchange that is over, oldest first, summaries apart.
        summary: places of the summary of earlier turns; empty without.
        rounds: places of requests for tools and of their results, where both can go, oldest first.
        results: places of messages with tool results, oldest first.
        cached: the last place with a cache mark; -1 without.
        intact: places whose messages are never changed: the last user turn, and the question of its exchange.
    """

    exchanges: tuple[tuple[int, ...], ...]
    summary: tuple[int, ...]
    rounds: tuple[tuple[int, int], ...]
    results: tuple[int, ...]
    cached: int
    intact: frozenset[int]


def read_turns(entries: Sequence[Entry], user_message: object) -> Conversation:
    """Take a history apart.

    Args:
        entries: its messages with their places, in order.
        user_message: the turn to be answered; where it is empty, the last user turn of the history is.
    """
    places = [place for place, _ in entries]
    messages = [message for _, message in entries]
    if user_message:
        messages.append({"role": "user", "content": user_message})
    uses, results = list(map(tool_uses, messages)), list(map(tool_results, messages))
    groups = _exchanges(messages, uses, results)
    current = groups.pop() if groups else range(0)
    last = max((at for at in range(len(messages)) if _by_user(messages, at)), default=len(messages))
    while _by_user(messages, last - 1):
        last -= 1
    question = current.start + 1
    while _by_user(messages, question):
        question += 1
    kept = [at for at in range(len(places)) if at >= last or current.start <= at < question]
    over = [(is_summary(messages[group.start]), _distinct(places, group)) for group in groups]
    return Conversation(
        exchanges=tuple(group for summary, group in over if not summary),
        summary=tuple(place for summary, group in over if summary for place in group),
        rounds=tuple(
            (places[at], places[at + 1])
            for at in range(1, len(places) - 1)
            if at + 1 < last and _is_round(messages, uses, results, at)
        ),
        results=tuple(place for place, brought in zip(places, results, strict=False) if brought),
        cached=max((place for place, message in entries if marked(message.get("content"))), default=-1),
        intact=frozenset(places[at] for at in kept),
    )


def _exchanges(
    messages: Sequence[Message], uses: Sequence[list[object]], results: Sequence[list[object]]
) -> list[range]:
    open_at = [0] * (len(messages) + 1)
    asked = dict[str, int]()
    for at, (use, result) in enumerate(zip(uses, results, strict=True)):
        for answered in result:
            if isinstance(answered, str) and answered in asked:
                open_at[asked[answered] + 1] += 1
                open_at[at + 1] -= 1
        asked.update({tool: at for tool in use if isinstance(tool, str)})
    if not messages:
        return []
    starts, waiting = list[int](), 0
    for at, message in enumerate(messages):
        waiting += open_at[at]
        asks = message.get("role") == "user" and not results[at] and not _by_user(messages, at - 1)
        if not at or (asks and not waiting):
            starts.append(at)
    return [range(start, stop) for start, stop in zip(starts, [*starts[1:], len(messages)], strict=True)]


def _by_user(messages: Sequence[Message], at: int) -> bool:
    return 0 <= at < len(messages) and messages[at].get("role") == "user"


def _is_round(
    messages: Sequence[Message], uses: Sequence[list[object]], results: Sequence[list[object]], at: int
) -> bool:
    """Whether two messages are a request and its results alone, between a user's turn and the assistant's next."""
    return (
        bool(uses[at])
        and sorted(map(repr, uses[at])) == sorted(map(repr, results[at + 1]))
        and only_tool_results(messages[at + 1])
        and at + 2 < len(messages)
        and [messages[at + step].get("role") for step in (-1, 0, 1, 2)]
        == ["user", "assistant", "user", "assistant"]
    )


def _distinct(places: Sequence[int], group: range) -> tuple[int, ...]:
    return tuple(dict.fromkeys(places[at] for at in group))
