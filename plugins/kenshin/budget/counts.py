"""What a text is made of, counted fast: the quantities to which the token weights apply.

Everything is a pass over bytes in C (translate, split, count). One byte stands for one character: Latin-1 letters
as they are, other scripts as a letter for their Unicode block, taken from UTF-16, so lone surrogates count like any
character.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

_FIELD = (1 << 20) - 1
_PAIRS = ("aA", "AA", "\n", "\n\n", "\n ", "  ", "    ", "\t", "  .", "0.", ".0")
_SCRIPTS = {
    "L": [(1, 2)], "g": [(3, 3)], "c": [(4, 4)], "e": [(5, 5)], "r": [(6, 8)], "1": [(9, 9)], "2": [(10, 10)],
    "3": [(11, 11)], "4": [(12, 12)], "5": [(13, 13)], "t": [(14, 14)], "G": [(16, 16)], "v": [(30, 30)],
    "s": [(32, 47)], "h": [(0x34, 0x9F)], "n": [(0xAC, 0xD7)], "u": [(0xD8, 0xDF)], "w": [(0xFF, 0xFF)],
}  # fmt: skip
_LOW_CLASSES = {
    "!": [(0, 31), (127, 159)], " ": [(32, 32), (160, 160)], "\t": [(9, 9)], "\n": [(10, 10), (13, 13)],
    ".": [(33, 47), (58, 64), (91, 96), (123, 126)], "0": [(48, 57)], "A": [(65, 90)], "a": [(97, 122)],
    "L": [(0xAA, 0xAA), (0xB5, 0xB5), (0xBA, 0xBA), (0xC0, 0xD6), (0xD8, 0xF6), (0xF8, 0xFF)],
}  # fmt: skip
_KANA_CLASSES = {"p": [(0, 0x3F)], "H": [(0x40, 0x9F)], "K": [(0xA0, 0xFF)]}


def _table(default: str, classes: Mapping[str, Iterable[tuple[int, int]]]) -> bytearray:
    table = bytearray(default.encode()) * 256
    for mark, ranges in classes.items():
        for first, last in ranges:
            table[first : last + 1] = mark.encode() * (last - first + 1)
    return table


def _only(wanted: str, as_mark: str | None = None) -> bytes:
    return bytes(ord(as_mark or chr(code)) if chr(code) in wanted else 32 for code in range(256))


_LOW = bytes(_table("s", _LOW_CLASSES))
_HIGH = _table("?", _SCRIPTS)
_HIGH[0] = _HIGH[0x30] = 0
_KANA = bytes(_table("\0", _KANA_CLASSES))
_IS_LATIN = bytes([255, *bytes(255)])
_IS_KANA = bytes(255 if code == 0x30 else 0 for code in range(256))
_LETTERS = _only("".join(chr(code) for code in range(256) if chr(_LOW[code]) in "AaL"))
_PUNCTUATION = _only("".join(chr(code) for code in range(33, 127) if chr(_LOW[code]) == "."))
_DIGITS = _only("0123456789", "0")
_ISOLATED = bytes(88 if chr(code) in "0hn?su" else code for code in range(256))
_WORDS_OF_SCRIPTS = _only("cger12345tGv", "a")
_KATAKANA, _HIRAGANA = _only("K"), _only("H")
_CLASSES = (*(mark for mark in _SCRIPTS if mark not in "hn"), "?", "p", "H", "K")

NAMES = (
    "known3", "known4", "unknown_words", "unknown_letters",
    "known_signs3", "known_signs4", "unknown_signs", "unknown_sign_characters",
    "digits", "spaces_beside_isolated", *(f"pair {pair!r}" for pair in _PAIRS),
    "common_characters", "rare_characters", *(f"script {mark}" for mark in _CLASSES),
    "words_of_scripts", "katakana_runs", "hiragana_runs",
)  # fmt: skip
"""What each of the counts is; an ASCII text has the first of them only."""

ASCII_COUNTS = NAMES.index("common_characters")


class Lexicon(NamedTuple):
    """Pieces whose cost is known.

    An entry packs its cost in each family, its length and 1, twenty bits apart, so that one sum adds them all.
    """

    words: Mapping[bytes, int]
    signs: Mapping[bytes, int]
    common: re.Pattern[str]


def pack(costs: tuple[int, int], length: int) -> int:
    """One entry of a lexicon: its costs in the families claude-3 and claude-4.7, and its length."""
    return costs[1] << 60 | costs[0] << 40 | length << 20 | 1


def counts(text: str, lexicon: Lexicon) -> list[int]:
    """The counts of a text, in the order of `NAMES`; shorter for ASCII, whose further counts are all 0.

    Args:
        text: at most some 100,000 characters, the packed sums' limit.
        lexicon: the pieces of known cost.
    """
    ascii_only = text.isascii()
    if ascii_only:
        latin = text.encode("ascii")
        classes = latin.translate(_LOW)
    else:
        latin, classes = _one_byte_each(text)
    found = [*_known(latin.translate(_LETTERS).split(), lexicon.words)]
    found += _known(latin.translate(_PUNCTUATION).split(), lexicon.signs)
    found.append(sum((len(run) + 2) // 3 for run in latin.translate(_DIGITS).split()))
    isolated = classes.translate(_ISOLATED)
    found.append(isolated.count(b"X ") + isolated.count(b" X") - isolated.count(b"X X"))
    found += [classes.count(pair) for pair in _PAIR_BYTES]
    if not ascii_only:
        common = len(lexicon.common.findall(text))
        found += [common, classes.count(b"h") + classes.count(b"n") - common]
        found += [classes.count(mark) for mark in _CLASS_BYTES]
        found += [
            len(classes.translate(table).split()) for table in (_WORDS_OF_SCRIPTS, _KATAKANA, _HIRAGANA)
        ]
    return found


_PAIR_BYTES = tuple(pair.encode() for pair in _PAIRS)
_CLASS_BYTES = tuple(mark.encode() for mark in _CLASSES)


def _known(pieces: list[bytes], costs: Mapping[bytes, int]) -> tuple[int, int, int, int]:
    """Costs of the known pieces in both families, then the unknown pieces and their characters."""
    packed = sum(filter(None, map(costs.get, pieces)))
    characters = sum(map(len, pieces)) - (packed >> 20 & _FIELD)
    return packed >> 40 & _FIELD, packed >> 60, len(pieces) - (packed & _FIELD), characters


def _one_byte_each(text: str) -> tuple[bytes, bytes]:
    """The text with other than Latin-1 characters blanked, and the class of each character.

    Whole texts are masked at once, as integers.
    """
    wide = text.encode("utf-16-le", "surrogatepass")
    low, high = wide[0::2], wide[1::2]
    size, whole = len(high), int.from_bytes
    latin_mask = whole(high.translate(_IS_LATIN), "little")
    kana_mask = whole(high.translate(_IS_KANA), "little")
    blanks = whole(b" " * size, "little")
    latin = whole(low, "little") & latin_mask | blanks & ~latin_mask
    classes = (
        whole(low.translate(_LOW), "little") & latin_mask
        | whole(high.translate(bytes(_HIGH)), "little")
        | whole(low.translate(_KANA), "little") & kana_mask
    )
    return latin.to_bytes(size, "little"), classes.to_bytes(size, "little")
