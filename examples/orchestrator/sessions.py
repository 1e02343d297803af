"""What was said in each session, in memory: bounded in sessions, in turns, and in characters of all together."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any

MOST_SESSIONS = 10_000
MOST_MESSAGES = 80
MOST_CHARACTERS = 20_000_000

Message = dict[str, Any]


class Sessions:
    """Conversations by session id; the one that was silent longest is forgotten first.

    Args:
        most: so many sessions are kept.
        messages: so many messages of each, the newest.
        characters: so many of all sessions together.
    """

    def __init__(
        self, most: int = MOST_SESSIONS, messages: int = MOST_MESSAGES, characters: int = MOST_CHARACTERS
    ) -> None:
        self._most = most
        self._characters = characters
        self._held = 0
        self._messages = messages - messages % 2
        self._said: OrderedDict[str, tuple[Message, ...]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._said)

    def history(self, session_id: str) -> tuple[Message, ...]:
        """What was said so far, beginning with the user."""
        with self._lock:
            return self._said.get(session_id, ())

    def add(self, session_id: str, question: str, answer: str) -> None:
        """Remember one exchange, whole; of two at the same time both.

        One without an answer is not remembered: Bedrock refuses a conversation with a blank text in it.
        """
        if not answer.strip():
            return
        exchange = (message("user", question), message("assistant", answer))
        with self._lock:
            before = self._said.pop(session_id, ())
            kept = (before + exchange)[-self._messages :]
            self._said[session_id] = kept
            self._held += _length(kept) - _length(before)
            while len(self._said) > self._most or self._held > self._characters:
                _, forgotten = self._said.popitem(last=False)
                self._held -= _length(forgotten)


def message(role: str, text: str) -> Message:
    """A message as Converse takes it."""
    return {"role": role, "content": [{"text": text}]}


def _length(said: tuple[Message, ...]) -> int:
    """Characters of messages."""
    return sum(len(block["text"]) for each in said for block in each["content"])
