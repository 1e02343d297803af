"""The pieces that a tokenizer is made of, and what a word costs that is none of them.

Such a word is tiled from the left, each time with the longest piece that fits. A piece at the start or the end of a
word is another than the same letters within one, so marks stand for both. Only some words of a text are tiled, and
only their first letters: the others are taken to be like them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from typing import Any

START, END = "^", "$"
LONGEST = 8
"""Letters and marks of the longest piece that is tried."""

LETTERS = 14
"""Letters of a word that are tiled."""

UNBROKEN = 64
"""A word of more letters is none: each of its letters counts, as if it were tiled like its beginning."""

LONGEST_SIGNS, SIGN_RUNS, TILED_SIGNS = 6, 64, 768
"""Signs of the longest piece that is tried; runs of signs, and signs of all of them, that are tiled."""

WORD_LETTERS = 4
"""A word's tiles follow its letters and these: what it costs to begin one."""

REMEMBERED_WORDS = 4_096


class Lexicon:
    """The pieces of one family; each part is made when it is first asked for.

    Args:
        data: the parts, as the data file has them.
        family: whose pieces and costs are taken.
    """

    def __init__(self, data: Mapping[str, Any], family: str) -> None:
        self._data, self._family = data, family
        self._tiled_words: dict[str, int] = {}
        self._tiled_foreign: dict[str, int] = {}

    @cached_property
    def words(self) -> Mapping[bytes, int]:
        """Whole words in Latin-1, and what each costs."""
        return self._costs("words")

    @cached_property
    def signs(self) -> Mapping[bytes, int]:
        """Runs of signs, and what each costs."""
        return self._costs("signs")

    @cached_property
    def rare(self) -> re.Pattern[str]:
        """A Chinese character or Korean syllable that is no piece."""
        ranges = [f"{chr(first)}-{chr(last)}" for first, last in _rare(self._data["common"])]
        return re.compile(f"[{''.join(ranges)}]")

    def word_tiles(self, words: Sequence[bytes], most: int) -> float:
        """Tiles of unknown words in Latin-1 letters, from those of at most so many."""
        some = [word[:LETTERS].decode("latin-1") for word in words[:: _step(words, most)]]
        return self._of_all(some, words, self._parts, self._tiled_words)

    def foreign_tiles(self, words: Sequence[str], most: int) -> float:
        """Tiles of words that have other letters, from those of at most so many."""
        some = [word[:LETTERS] for word in words[:: _step(words, most)]]
        return self._of_all(some, words, self._foreign_parts, self._tiled_foreign)

    def sign_tiles(self, runs: Sequence[bytes]) -> float:
        """Cost of runs of signs that are no piece, from those of some."""
        some = runs[:: _step(runs, SIGN_RUNS)]
        if not some:
            return 0.0
        most = TILED_SIGNS // len(some)
        found = sum(self._tiled_signs(run[:most]) * max(1.0, len(run) / most) for run in some)
        return found * len(runs) / len(some)

    @cached_property
    def _parts(self) -> Collection[str]:
        return frozenset(self._pieces("parts"))

    @cached_property
    def _foreign_parts(self) -> Collection[str]:
        return frozenset([*self._parts, *self._pieces("foreign_parts")])

    @cached_property
    def _capitals(self) -> bool:
        return self._family in self._data["capitals"]

    def forget(self) -> None:
        """Forget which words were tiled before."""
        self._tiled_words.clear()
        self._tiled_foreign.clear()

    def _costs(self, part: str) -> dict[bytes, int]:
        costs: dict[bytes, int] = {}
        for cost, pieces in self._data[part]:
            costs.update(dict.fromkeys(pieces.encode("latin-1").split(), cost[self._family]))
        return costs

    def _pieces(self, part: str) -> Iterator[str]:
        for families, pieces in self._data[part]:
            if self._family in families:
                yield from pieces.split()

    def _of_all(
        self,
        some: Sequence[str],
        words: Sequence[bytes] | Sequence[str],
        parts: Collection[str],
        remembered: dict[str, int],
    ) -> float:
        if not some:
            return 0.0
        size = sum(map(min, map(len, words), repeat(LETTERS))) + WORD_LETTERS * len(words)
        if max(map(len, words)) > UNBROKEN:
            size += sum(len(word) - LETTERS for word in words if len(word) > UNBROKEN)
        sampled = sum(map(len, some)) + WORD_LETTERS * len(some)
        found = 0
        for word in some:
            cost = remembered.get(word)
            if cost is None:
                cost = remembered[word] = self._tiled(word, parts)
            found += cost
        if len(remembered) > REMEMBERED_WORDS:
            remembered.clear()
        return found * size / sampled

    def _tiled(self, word: str, parts: Collection[str]) -> int:
        """A capital at the start, and in some families a word in capitals, is a mark before small letters."""
        if word.islower():
            return tiles(word, parts)
        if word.istitle():
            return 1 + tiles(word.lower(), parts)
        found = tiles(word, parts)
        if self._capitals and word.isupper():
            small = word.lower()
            cost = self.words.get(small.encode("latin-1", "replace")) or tiles(small, parts)
            found = min(found, 1 + cost)
        return found

    def _tiled_signs(self, run: bytes) -> int:
        signs, at, end, found = self.signs, 0, len(run), 0
        while at < end:
            for stop in range(min(at + LONGEST_SIGNS, end), at, -1):
                if (cost := signs.get(run[at:stop])) or stop == at + 1:
                    found, at = found + (cost or 1), stop
                    break
        return found


def tiles(word: str, parts: Collection[str]) -> int:
    """How many pieces a word is, tiled from the left with the longest ones; a letter that is none costs two."""
    marked = f"{START}{word}{END}" if len(word) < LETTERS else START + word
    at, found, end = 0, 0, len(marked)
    while at < end:
        for stop in range(min(at + LONGEST, end), at + 1, -1):
            if marked[at:stop] in parts:
                at = stop
                break
        else:
            found += marked[at] not in parts
            at += 1
        found += 1
    return found


def _step(pieces: Sequence[object], most: int) -> int:
    return -(-len(pieces) // most) or 1


def _rare(common: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Ranges between the common characters, which are in order."""
    first = 0x3400
    for code in [*map(ord, common), 0xD7A4]:
        for start, end in ((max(first, 0x3400), min(code, 0xA000)), (max(first, 0xAC00), code)):
            if start < end:
                yield start, end - 1
        first = code + 1
