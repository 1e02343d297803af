"""Likeness of two short texts by the pieces of characters that they share; needs no words, so it works for Japanese."""

from __future__ import annotations

import re
from unicodedata import normalize

SEEN = 4_000
"""Characters of a text that are looked at: half from its beginning, half from its end."""

FEWEST = 3
"""Pieces that a text has to have for a comparison."""

_NOT_WORD = re.compile(r"[\W_]+")
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


def seen(text: str) -> str:
    """What is looked at of a text, in NFKC form and lower case."""
    if len(text) > SEEN:
        text = f"{text[: SEEN // 2]}\n{text[-SEEN // 2 :]}"
    return normalize("NFKC", text).casefold()


def pieces(text: str) -> frozenset[str]:
    """The pieces of a text as `seen`: pairs of characters where it is Japanese, else threes."""
    size = 2 if _WIDE.search(text) else 3
    joined = _NOT_WORD.sub("", text)
    return frozenset(joined[start : start + size] for start in range(len(joined) - size + 1))


def overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Share of the smaller one's pieces that the other has, 0 to 1 (overlap coefficient of Szymkiewicz and Simpson)."""
    fewest = min(len(one), len(other))
    return len(one & other) / fewest if fewest >= FEWEST else 0.0


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """Shared pieces by the mean number of them, 0 to 1 (Dice's coefficient)."""
    total = len(one) + len(other)
    return 2 * len(one & other) / total if min(len(one), len(other)) >= FEWEST else 0.0
