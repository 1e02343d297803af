"""What was said in each session, in memory: bounded in sessions and in turns."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

MOST_SESSIONS = 10_000
MOST_MESSAGES = 80

Message = dict[str, object]


class Sessions:
    """Conversations by session id; the one that was silent longest is forgotten first.

    Args:
        most: so many sessions are kept.
        messages: so many messages of each, the newest.
    """

    def __init__(self, most: int = MOST_SESSIONS, messages: int = MOST_MESSAGES) -> None:
        self._most = most
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
        """Remember one exchange, whole; of two at the same time both."""
        exchange = (message("user", question), message("assistant", answer))
        with self._lock:
            self._said[session_id] = (self._said.get(session_id, ()) + exchange)[-self._messages :]
            self._said.move_to_end(session_id)
            while len(self._said) > self._most:
                self._said.popitem(last=False)


def message(role: str, text: str) -> Message:
    """A message as Converse takes it."""
    return {"role": role, "content": [{"text": text}]}
