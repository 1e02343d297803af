"""What the stand-in was asked and what it did, entry by entry, in the order of arrival."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True)
class Entry:
    """One HTTP request to an operation.

    Args:
        number: counts from 0.
        at_s: when it arrived, in monotonic seconds since the server began.
        operation: the operation's name.
        model_id: as it was asked for; empty where the operation has no model.
        request_id: the id that the answer bears.
        invocation_id: botocore's id of the call, the same in each of its attempts.
        attempt: which attempt of the call it is, from 1, as botocore says.
        fault: kind and, where it has one, code of the fault that struck, e.g. ``error:ThrottlingException``.
        status: HTTP status that was sent; None: none was.
        code: the error's name, in the answer or in the stream.
        stop_reason: the answer's.
        input_tokens: as reported, like the other tokens; 0 where nothing was.
        output_tokens: of the answer.
        cache_read_tokens: read from the prompt cache.
        cache_write_tokens: written to it.
        elapsed_ms: from the request's arrival to its last byte; None: not ended yet.
        complete: whether all of an answer was sent.
    """

    number: int
    at_s: float
    operation: str
    model_id: str = ""
    request_id: str = ""
    invocation_id: str = ""
    attempt: int = 1
    fault: str | None = None
    status: int | None = None
    code: str | None = None
    stop_reason: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    elapsed_ms: float | None = None
    complete: bool = False


class Journal:
    """Entries in memory; an entry is there before the first byte of its answer leaves.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._entries: list[Entry] = []
        self._lock = threading.Lock()

    def open(self, operation: str, model_id: str, request_id: str, invocation_id: str, attempt: int) -> Entry:
        """Note a request."""
        with self._lock:
            entry = Entry(
                number=len(self._entries),
                at_s=self._clock() - self._began,
                operation=operation,
                model_id=model_id,
                request_id=request_id,
                invocation_id=invocation_id,
                attempt=attempt,
            )
            self._entries.append(entry)
        return entry

    def elapsed_ms(self, entry: Entry) -> float:
        """Since the entry's request arrived."""
        return 1000 * (self._clock() - self._began - entry.at_s)

    def entries(self, since: int = 0) -> list[Entry]:
        """All entries from a number on."""
        with self._lock:
            return self._entries[since:]

    def as_json(self, since: int = 0) -> dict[str, Any]:
        """The same as a JSON object; `next` is the number to go on from."""
        found = self.entries(since)
        return {"entries": [asdict(entry) for entry in found], "next": since + len(found)}
