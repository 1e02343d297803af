"""The checkable claims of a text: its links, ids, numbers and quoted names.

The numbering of a list is no claim, nor is the number of its items, nor a count of one ("1冊あたり").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from string import ascii_letters, digits
from typing import Literal
from unicodedata import normalize

from kenshin.grounding.numerals import Unit, kanji_numbers, months, numbers

Kind = Literal["link", "id", "number", "title", "name"]

LONGEST_CONTEXT = 2_000_000
LONGEST_ANSWER = 100_000
"""Characters of a text that are looked at."""

MOST_NAMES = 200
"""Quoted names of an answer that are looked up: each costs a search through the whole context."""

_CIRCLED = re.compile("[\u2460-\u2473]")
_NUMBERING = re.compile(
    r"^[ \t]{0,8}(?:[-*•][ \t])?(?:step|ステップ|手順|その)?[ \t]?\(?[0-9]{1,2}[.):、](?![0-9])",
    re.MULTILINE | re.IGNORECASE,
)
_BULLET = re.compile(r"^[ \t]{0,8}[-*•・][ \t]?(?=[^\s*-])", re.MULTILINE)
_EACH = re.compile(r"(?<![0-9.,])1\s?[^\W\d_]{1,2}(?:あたり|につき|ごと)|(?<![0-9.,])1\s?(?:つ|度)")
_LINK = re.compile(r"https?://[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+", re.IGNORECASE)
_ISBN = re.compile(r"(?<![A-Za-z])ISBN(?:-1[03])?[\s::]{0,3}(?=[0-9])", re.IGNORECASE)
_LABEL = re.compile(r"(?<![A-Za-z])(?:vols?|volume|no|nr|ch|pp?|page|ep|episode)\.?(?=[0-9])", re.IGNORECASE)
_ID = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z][A-Za-z0-9]*(?:[-_][A-Za-z0-9]+)*")
_GROUPED = re.compile(r"(?<![0-9-])[0-9]+(?:-[0-9]+)+(?![0-9-])")
_ZERO_MINUTES = re.compile(r"(?<=[0-9]):00(?![0-9])")
_QUOTED = re.compile(r"『([^『』]{2,40})』|《([^《》]{2,40})》|「([^「」]{2,40})」|[\"“]([^\"“”]{2,40})[\"”]")
_NOT_WORD = re.compile(r"[\W_]+")
_SENTENCE = ("。", "!", "?", ".", ",")
SHORTEST_GROUPED = 9
_IN_A_CLAIM = ascii_letters + digits + "-._~:/?#[]@!$&'()*+,;=%千万億"


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that a text states and that can be looked up.

    Args:
        kind: title: a name in the marks of a work (『』, 《》, quotation marks); name: one in 「」, which also mark
            what is merely said.
        value: in the one form in which it is compared.
        text: as written, after NFKC.
        unit: what a number counts.
        also: other values that would support it.
        start: where it stands in the text that it was read from.
    """

    kind: Kind
    value: str
    text: str
    unit: Unit = ""
    also: tuple[str, ...] = ()
    start: int = 0


def normalised(text: str) -> str:
    """The text as claims are read from it."""
    # One character may become eighteen.
    return normalize("NFKC", text[:LONGEST_CONTEXT])[:LONGEST_CONTEXT]


def claims_of(answer: str, *, names: bool = False) -> list[Claim]:
    """An answer's claims, each value once, in the order of their kinds and then of the text.

    Args:
        answer: at most 100,000 characters of it are looked at.
        names: quoted names too.
    """
    # Normalised, a circled number would be a number like any other.
    text, circled = _CIRCLED.subn(" ", answer[:LONGEST_ANSWER])
    text = normalize("NFKC", text)
    if len(answer) > LONGEST_ANSWER or len(text) > LONGEST_ANSWER:
        text = text[:LONGEST_ANSWER]
        # What the cut may have halved is no claim.
        text = text.rstrip(_IN_A_CLAIM)
    bullets = len(_BULLET.findall(text))
    text, numbered = _NUMBERING.subn(" ", text)
    items = {str(count) for count in (bullets, numbered + circled) if count > 1}
    text = _EACH.sub(" ", text)
    found: dict[tuple[str, str], Claim] = {}
    for claim in _claims(text, names=names):
        if not (claim.kind == "number" and claim.value in items):
            found.setdefault((claim.kind, claim.value), claim)
    return list(found.values())


def ids(text: str) -> Iterator[str]:
    """Words with a digit in them, and numbers in groups: order numbers, SKUs, ISBNs."""
    for found in _ID.findall(text):
        if _has_digit(found):
            yield found.casefold()
    for grouped in _GROUPED.findall(text):
        if len(joined := grouped.replace("-", "")) >= SHORTEST_GROUPED:
            yield joined


def links(text: str) -> Iterator[str]:
    """Links without the punctuation that follows them."""
    return (_link(found) for found in _LINK.findall(text))


def squeezed(text: str) -> str:
    """Letters and digits alone, in one case: what two spellings of a name have in common."""
    return _NOT_WORD.sub("", text.casefold())


def labelled(text: str) -> str:
    """The text with what merely introduces a number (ISBN, Vol.) taken from it."""
    return _LABEL.sub(" ", _ISBN.sub(" ", text))


def _claims(text: str, *, names: bool) -> Iterator[Claim]:
    for found in _LINK.finditer(text):
        yield Claim("link", _link(found[0]), found[0], start=found.start())
    if names:
        yield from islice(_names(text), MOST_NAMES)
    text = labelled(_LINK.sub(_blank, text))
    for value in ids(text):
        yield Claim("id", value, value)
    text = _GROUPED.sub(lambda found: _blank(found) if _is_grouped(found[0]) else found[0], text)
    text = _ID.sub(lambda found: _blank(found) if _has_digit(found[0]) else found[0], text)
    text = _ZERO_MINUTES.sub("   ", text)
    for number in (*numbers(text), *kanji_numbers(text, counted=True), *months(text, dated=True)):
        yield Claim("number", number.digits, number.text, number.unit, number.also, number.start)


def _names(text: str) -> Iterator[Claim]:
    for found in _QUOTED.finditer(text):
        said = found[3]
        name = next(group for group in found.groups() if group)
        if len(squeezed(name)) > 1 and not name.rstrip().endswith(_SENTENCE):
            kind: Kind = "title" if said is None else "name"
            yield Claim(kind, squeezed(name), name, start=found.start())


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _link(found: str) -> str:
    return found.rstrip(".,;:!?'()[]/").casefold()


def _has_digit(word: str) -> bool:
    return any(character in "0123456789" for character in word)


def _is_grouped(found: str) -> bool:
    return len(found.replace("-", "")) >= SHORTEST_GROUPED
