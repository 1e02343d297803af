"""What a text is made of, counted fast: the quantities to which the token weights apply.

Nearly all are passes over bytes in C (translate, split, count). One byte stands for one character: Latin-1 letters as
they are, other characters as a mark for their Unicode block, taken from UTF-16, so lone surrogates count like any
character.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from kenshin.budget.pieces import Lexicon

NAMES = (
    "words", "word_tiles", "signs", "sign_tiles", "digits", "single_spaces", "spaces", "newlines", "newline_pairs",
    "tabs", "tab_pairs", "contractions",
    "common_characters", "rare_characters", "foreign_tiles", "symbols", "surrogates", "wide", "others",
    "japanese_signs", "hiragana", "katakana",
)  # fmt: skip
"""What each of the counts is; an ASCII text has the first of them only."""

ASCII_COUNTS = NAMES.index("common_characters")
TILED, TILED_CHARACTERS, TILED_FOREIGN = 4, 256, 64
"""Words that are tiled: so many, and one more for so many characters."""

_LETTER = "A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff"
_EXTENDED = "\u0100-\u02af\u1e00-\u1eff"
_EXTENDED_WORD = f"(?<![{_LETTER}{_EXTENDED}])[{_LETTER}]*+[{_EXTENDED}][{_LETTER}{_EXTENDED}]*"
"""Tried at the start of a word alone: a word without such letters would be read again from each of its own."""

_BREAKS = (
    "\u093c\u094d\u09bc\u09cd\u0a3c\u0a4d\u0abc\u0acd\u0b3c\u0b4d\u0bcd\u0c4d\u0cbc\u0ccd\u0d4d\u0dca\u0e47-\u0e4c\u0e4e\u0ec8-\u0ecc"
    "\u0f84\u1039\u103a\u17d2"
)
"""Signs within Indian and South-East Asian words that no letter takes with it: a token each, and a word's end."""

_FOREIGN_WORD = f"(?:(?![{_BREAKS}])[\u02b0-\u1dff\u1f00-\u1fff\ua000-\uabff])+"
_BLANK = "\x7f"

LONGEST_BLANK = 16
"""Spaces, or NULs, of one piece."""

_LATIN_SIGNS, _RARE_SIGNS = "£§©«\xad®°±²³´·»½×".encode("latin-1"), "¡¢¤¥¦¨¬¯¶¸¹¼¾¿÷".encode("latin-1")
"""Signs beyond ASCII that are a token each, and those that are two, as rare characters are."""

_LATIN = {" ": [(32, 32), (160, 160)], "X": [(10, 10), (13, 13), (48, 57)]}
_PAGES = {
    "\0": [(0, 0), (0x30, 0x30)], "a": [(1, 0x1F), (0xA0, 0xAB)], "s": [(0x20, 0x2F)],
    "h": [(0x34, 0x9F), (0xAC, 0xD7)], "u": [(0xD8, 0xDF)], "w": [(0xFF, 0xFF)],
}  # fmt: skip
_KANA = {"p": [(0, 0x3F)], "H": [(0x40, 0x9F)], "K": [(0xA0, 0xFF)]}


def _table(default: str, classes: Mapping[str, Iterable[tuple[int, int]]]) -> bytes:
    table = bytearray(default.encode()) * 256
    for mark, ranges in classes.items():
        for first, last in ranges:
            table[first : last + 1] = mark.encode() * (last - first + 1)
    return bytes(table)


def _only(wanted: Iterable[int]) -> bytes:
    table = bytearray(b" " * 256)
    for code in wanted:
        table[code] = code
    return bytes(table)


def _all_but(codes: Iterable[int]) -> bytes:
    return bytes(sorted(set(range(256)) - set(codes)))


_ASCII_MARKS, _KANA_MARKS = _table("a", _LATIN), _table("\0", _KANA)
# Where a text is not ASCII, "?" stands for what is not Latin-1, and the byte 1 for "?".
_LATIN_MARKS, _PAGE_MARKS = _table("a", {**_LATIN, "\0": [(63, 63)]}), _table("o", _PAGES)
_IS_LATIN, _IS_NOT = bytes([255] + [0] * 255), bytes([0] + [63] * 255)
_IS_KANA = bytes(255 if code == 0x30 else 0 for code in range(256))
_LETTERS = _only(code for code in range(256) if chr(code).isalpha())
_DIGITS = _only(b"0123456789")
_ASCII_SIGNS = _only(code for code in range(33, 127) if not chr(code).isalnum())
_SIGNS = bytes(
    {63: 32, 1: 63}.get(code, code if code in _LATIN_SIGNS else _ASCII_SIGNS[code]) for code in range(256)
)
_ISOLATED = bytes(88 if chr(code) in "Xhuso" else 32 if code == 32 else 97 for code in range(256))
_BUT_SELDOM, _BUT_RARE_SIGNS = _all_but(b"suwo"), _all_but(_RARE_SIGNS)
_BUT_LETTERS = _all_but([*range(1, 0x20), *range(0xA0, 0xAC)])
_BUT_EXTENDED = _all_but([1, 2, 0x1E])


def counts(text: str, lexicon: Lexicon) -> list[float]:
    """The counts of a text, in the order of `NAMES`; shorter for ASCII, whose further counts are all 0.

    Args:
        text: what is to be counted.
        lexicon: the pieces of a family.
    """
    if text.isascii():
        latin = text.encode("ascii")
        return _latin(latin, latin.translate(_ASCII_MARKS), _ASCII_SIGNS, lexicon)
    wide = text.encode("utf-16-le", "surrogatepass")
    pages, foreign, breaks = wide[1::2], list[str](), 0
    if letters := pages.translate(None, _BUT_LETTERS):
        foreign = re.findall(_FOREIGN_WORD, text)
        breaks = len(re.findall(f"[{_BREAKS}]", text))
    if letters.translate(None, _BUT_EXTENDED):
        foreign += re.findall(_EXTENDED_WORD, text)
        text = re.sub(_EXTENDED_WORD, _BLANK, text)
        wide = text.encode("utf-16-le", "surrogatepass")
    latin = _latin_of(text, wide)
    marks = _marks(latin, wide)
    found = _latin(latin, marks.translate(_ISOLATED), _SIGNS, lexicon)
    common = marks.count(b"h")
    rare = len(lexicon.rare.findall(text)) if common else 0
    found += [common - rare, rare + len(latin.translate(None, _BUT_RARE_SIGNS))]
    foreign_tiles = lexicon.foreign_tiles(foreign, TILED + len(text) // TILED_FOREIGN) if foreign else 0
    found.append(foreign_tiles + breaks)
    seldom = marks.translate(None, _BUT_SELDOM)
    found += [seldom.count(mark) for mark in (b"s", b"u", b"w", b"o")]
    found += [marks.count(mark) for mark in (b"p", b"H", b"K")]
    return found


def _latin(latin: bytes, marks: bytes, sign_table: bytes, lexicon: Lexicon) -> list[float]:
    """The counts that every text has.

    Args:
        latin: the text in Latin-1.
        marks: a space, X for what a space beside it costs, or a for the rest.
        sign_table: keeps the signs of `latin`.
        lexicon: the pieces of a family.
    """
    words = latin.translate(_LETTERS).split()
    costs = list(map(lexicon.words.get, words))
    unknown = [word for word, cost in zip(words, costs, strict=True) if cost is None] if None in costs else []
    runs = latin.translate(sign_table).split()
    sign_costs = list(map(lexicon.signs.get, runs))
    odd = (
        [run for run, cost in zip(runs, sign_costs, strict=True) if cost is None]
        if None in sign_costs
        else []
    )
    digits = latin.translate(_DIGITS).split()
    spaces = latin.count(b"\0" * LONGEST_BLANK)
    if b"  " in marks:
        spaces += marks.count(b" " * (LONGEST_BLANK + 1))
        marks = marks.replace(b"  ", b"RR")
        spaces += marks.count(b"XR") + marks.count(b"aR") + marks.startswith(b"R")
    newlines, tabs = latin.count(b"\n"), latin.count(b"\t")
    return [
        sum(filter(None, costs)),
        lexicon.word_tiles(unknown, TILED + len(latin) // TILED_CHARACTERS) if unknown else 0,
        sum(filter(None, sign_costs)),
        lexicon.sign_tiles(odd) if odd else 0,
        sum((len(run) + 2) // 3 for run in digits),
        marks.count(b"X ") + marks.count(b" X") - marks.count(b"X X"),
        spaces,
        newlines,
        latin.count(b"\n\n") if newlines > 1 else 0,
        tabs,
        latin.count(b"\t\t") if tabs > 1 else 0,
        latin.count(b"n't") + latin.count(b"'s ") if b"'" in latin else 0,
    ]


def _latin_of(text: str, wide: bytes) -> bytes:
    """A text in Latin-1, "?" for what is not, and the byte 1 for "?"; a character beyond UTF-16's plane is two."""
    if len(wide) == 2 * len(text):
        return text.replace("?", "\x01").encode("latin-1", "replace")
    high, whole = wide[1::2], int.from_bytes
    low = whole(wide[0::2].replace(b"?", b"\x01"), "little") & whole(high.translate(_IS_LATIN), "little")
    return (low | whole(high.translate(_IS_NOT), "little")).to_bytes(len(high), "little")


def _marks(latin: bytes, wide: bytes) -> bytes:
    """The mark of each character; whole texts are put together at once, as integers."""
    high, whole = wide[1::2], int.from_bytes
    marks = whole(latin.translate(_LATIN_MARKS), "little") | whole(high.translate(_PAGE_MARKS), "little")
    if b"\x30" in high:
        kana = whole(wide[0::2].translate(_KANA_MARKS), "little")
        marks |= kana & whole(high.translate(_IS_KANA), "little")
    return marks.to_bytes(len(high), "little")
