"""Confusion: do user and model talk past each other?

A heuristic over the last turns. Signs are: the user asks the same again in other words (pieces of characters shared
with an earlier message, no new number in it), puts the model right, or does not follow; the model says that it does not
follow, evades, or repeats its previous answer. docs/traces.md states its precision and recall on a labelled set.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from kenshin.tracing.finding import DEFAULT_THRESHOLD, Evidence, Finding, found, shown
from kenshin.tracing.likeness import likeness, overlap, pieces, seen
from kenshin.tracing.phrases import CORRECTING, EVASIVE, LOST, PUZZLED
from kenshin.tracing.trace import PromptTrace

Message = str | Mapping[str, object]
"""A user's message as text, or a message of either role with `content`, a text or blocks with `text`."""

Judge = Callable[[Sequence[Message], str], float]
"""Rates how confused an exchange (messages, then the answer to the last) is, from 0 to 1."""

EARLIER = 3
"""Earlier messages of the user that the last one is compared with."""

MOST_MESSAGES = 20
"""Messages of a conversation that are looked at, from its end."""

ALIKE_FROM = 0.5
ALIKE_FULLY = 0.9
ASKED_AGAIN = 0.6
REPEATED_FROM = 0.6
REPEATED = 0.6
_NUMBER = re.compile(r"[0-9]+")


def confusion_detected(
    messages: Sequence[Message],
    answer: str,
    *,
    judge: Judge | None = None,
    threshold: float = DEFAULT_THRESHOLD,
    trace: PromptTrace | None = None,
) -> Finding:
    """How strongly an exchange shows confusion.

    Args:
        messages: the conversation, oldest first, as Converse and Messages take it, or the user's messages as texts; the
            last one is what the answer answers. Of each text 4,000 characters are looked at.
        answer: what the model says now.
        judge: its score stands in the heuristic's place; if it fails, the heuristic's counts, and `note` says so.
        threshold: the score from which on the exchange is flagged.
        trace: its `confusion_detected` and `confusion_score` are set.

    Raises:
        InvalidInput: the threshold is none.
    """
    asked, answered = _sides([messages] if isinstance(messages, str) else messages)
    signs = [*_of_the_user(asked), *_of_the_model(seen(answer), answered)]
    finding = found(signs, threshold, None if judge is None else lambda: judge(messages, answer))
    if trace is not None:
        trace.confusion_detected = finding.flagged
        trace.confusion_score = finding.score
    return finding


def _of_the_user(asked: Sequence[str]) -> Iterator[Evidence]:
    if not asked:
        return
    last = asked[-1]
    earlier = asked[-1 - EARLIER : -1]
    if earlier:
        again = max(_asked_again(last, each) for each in earlier)
        if again > ALIKE_FROM:
            share = min((again - ALIKE_FROM) / (ALIKE_FULLY - ALIKE_FROM), 1.0)
            yield Evidence("asked again", shown(last), ASKED_AGAIN * share)
        if phrase := CORRECTING.search(last):
            yield Evidence("correcting", shown(phrase[0]), 0.5)
    if phrase := PUZZLED.search(last):
        yield Evidence("puzzled", shown(phrase[0]), 0.5)


def _of_the_model(answer: str, answered: Sequence[str]) -> Iterator[Evidence]:
    if phrase := LOST.search(answer):
        yield Evidence("lost", shown(phrase[0]), 0.6)
    if phrase := EVASIVE.search(answer):
        yield Evidence("evasive", shown(phrase[0]), 0.3)
    if answered:
        alike = _alike(answer, answered[-1])
        if alike >= REPEATED_FROM:
            yield Evidence("repeated", shown(answer), REPEATED * alike)


def _asked_again(last: str, earlier: str) -> float:
    if set(_NUMBER.findall(last)) - set(_NUMBER.findall(earlier)):
        return 0.0
    return overlap(pieces(last), pieces(earlier))


def _alike(answer: str, before: str) -> float:
    if set(_NUMBER.findall(answer)) - set(_NUMBER.findall(before)):
        return 0.0
    return likeness(pieces(answer), pieces(before))


def _sides(messages: Sequence[Message]) -> tuple[list[str], list[str]]:
    """What the user asked and what the model answered, as `seen`, oldest first."""
    asked: list[str] = []
    answered: list[str] = []
    for message in list(messages)[-MOST_MESSAGES:]:
        if isinstance(message, str):
            asked.append(seen(message))
        elif isinstance(message, Mapping) and (text := _text(message.get("content"))):
            (answered if message.get("role") == "assistant" else asked).append(seen(text))
    return asked, answered


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list | tuple):
        blocks = [block.get("text") if isinstance(block, Mapping) else block for block in content]
        return "\n".join(block for block in blocks if isinstance(block, str))
    return ""
