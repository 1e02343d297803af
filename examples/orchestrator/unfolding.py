"""The answer's text out of a JSON object that is still arriving.

A model that answers ``{"answer": "…", …}`` is read to the user while it speaks: `Unfolding` is fed pieces of the JSON
text and gives back what they add to the value of one key of the outermost object.
"""

from __future__ import annotations

import json
import re

_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|[^u])")
_SURROGATE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\u[dD][c-fC-F][0-9a-fA-F]{2})?")


class Unfolding:
    """Reads one text out of a JSON object that comes in pieces.

    Args:
        key: whose value it is.
    """

    def __init__(self, key: str = "answer") -> None:
        self._begin = re.compile(r'^\s*\{\s*"' + re.escape(key) + r'"\s*:\s*"')
        self._raw = ""
        self._at: int | None = None
        self._done = False

    def feed(self, piece: str) -> str:
        """What of the text became readable by this piece; empty where nothing did.

        Only a key that comes first is found: what else there may be is delivered with the whole answer.
        """
        if self._done:
            return ""
        self._raw += piece
        if self._at is None:
            found = self._begin.match(self._raw)
            if found is None:
                return ""
            self._at = found.end()
        said, at = [], self._at
        while at < len(self._raw):
            sign = self._raw[at]
            if sign == '"':
                self._done = True
                break
            if sign != "\\":
                said.append(sign)
                at += 1
                continue
            length = self._escape(at)
            if length == 0:
                break
            try:
                said.append(json.loads(f'"{self._raw[at : at + length]}"'))
            except ValueError:
                self._done = True
                break
            at += length
        self._at = at
        return "".join(said)

    def _escape(self, at: int) -> int:
        """The length of the escape that begins here; 0: not all of it is there."""
        found = _ESCAPE.match(self._raw, at)
        if found is None:
            return 0
        high = _SURROGATE.match(self._raw, at)
        if high is None:
            return len(found[0])
        rest = self._raw[at + 6 : at + 12]
        # The second half of a pair may still be on its way.
        if len(high[0]) == 6 and len(rest) < 6 and "\\u"[: len(rest)] == rest[:2]:
            return 0
        return len(high[0])
