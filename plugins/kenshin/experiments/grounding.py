"""Grounding: are the numbers, ids and links of an answer in the context that it was given?

A heuristic. It compares spellings, not statements: a number from the context in a wrong sentence passes, and a sum
that the answer worked out rightly does not. What it checks does not depend on the language; full-width forms count as
their ordinary ones (１，２００ is 1200), 万 and 億 are multiplied out, and the numbering of a list is no claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from unicodedata import normalize

_CIRCLED = re.compile("[\u2460-\u2473]")
_NUMBERING = re.compile(r"^[ \t]*[0-9]{1,2}[.)][ \t]", re.MULTILINE)
_LINK = re.compile(r"https?://[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+", re.IGNORECASE)
_ID = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z][A-Za-z0-9]*(?:[-_][A-Za-z0-9]+)*")
_NUMBER = re.compile(r"([0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.([0-9]+))?\s?([万億]?)")
_ZEROS = {"": 0, "万": 4, "億": 8}


@dataclass(frozen=True, slots=True)
class Grounding:
    """What of an answer its context supports.

    Args:
        claims: different numbers, ids and links of the answer, in order.
        unsupported: those of them that the context does not have.
    """

    claims: tuple[str, ...]
    unsupported: tuple[str, ...]

    @property
    def score(self) -> float | None:
        """Share of the claims that the context supports, 0 to 1; None where the answer claims nothing checkable."""
        return 1 - len(self.unsupported) / len(self.claims) if self.claims else None


def ground(answer: str, context: str) -> Grounding:
    """Hold an answer against its context."""
    claims = tuple(dict.fromkeys(_claims(_without_numbering(answer))))
    known = normalize("NFKC", context)
    # A claim may also stand inside a link or an id of the context.
    support = {*_claims(known), *_numbers(known), *_ids(known)}
    return Grounding(claims, tuple(claim for claim in claims if claim not in support))


def _without_numbering(text: str) -> str:
    # Normalised, a circled number would be a number like any other.
    return _NUMBERING.sub(" ", normalize("NFKC", _CIRCLED.sub(" ", text)))


def _claims(text: str) -> Iterator[str]:
    yield from (_link(found) for found in _LINK.findall(text))
    text = _LINK.sub(" ", text)
    yield from _ids(text)
    yield from _numbers(_ID.sub(lambda found: " " if _is_id(found[0]) else found[0], text))


def _link(found: str) -> str:
    return found.rstrip(".,;:!?'()[]/").casefold()


def _ids(text: str) -> Iterator[str]:
    return (found.casefold() for found in _ID.findall(text) if _is_id(found))


def _is_id(word: str) -> bool:
    return any(character in "0123456789" for character in word)


def _numbers(text: str) -> Iterator[str]:
    for whole, fraction, unit in _NUMBER.findall(text):
        zeros = _ZEROS[unit]
        digits = whole.replace(",", "") + fraction[:zeros].ljust(zeros, "0")
        rest = fraction[zeros:].rstrip("0")
        yield (digits.lstrip("0") or "0") + (f".{rest}" if rest else "")
