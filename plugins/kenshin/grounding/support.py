"""Support: what of an answer its context has.

A heuristic. It compares spellings, not statements: a number from the context in a wrong sentence passes. What it checks
hardly depends on the language: no words are told apart, forms of numbers are (see `kenshin.grounding.numerals`).
Numbers that follow from the context's are supported (see `kenshin.grounding.derivation`), a sum of money is not
supported by a percentage, and a number said to be approximate may be off by 5 %.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kenshin.grounding.claims import (
    LONGEST_ANSWER,
    Claim,
    claims_of,
    ids,
    labelled,
    links,
    normalised,
    squeezed,
)
from kenshin.grounding.derivation import Derivation
from kenshin.grounding.numerals import Unit, kanji_numbers, months, numbers, words

MOST_DERIVED = 200
"""Unsupported numbers of an answer of which it is tried whether they follow."""

_ABOUT = re.compile(
    r"(?:about|around|approximately|approx\.?|roughly|nearly|almost|over|約|およそ|ほぼ|~)\s?[¥$€£]?$", re.I
)
_ABOUT_AFTER = re.compile(r"^\s?\S{0,3}?(?:ほど|くらい|ぐらい|前後|近く|超|弱|強)")
_OPPOSED: dict[Unit, Unit] = {"money": "percent", "percent": "money"}


@dataclass(frozen=True, slots=True)
class Grounding:
    """What of an answer its context supports.

    Args:
        claims: what the answer states and what can be looked up.
        unsupported: those of them that the context does not have.
    """

    claims: tuple[Claim, ...]
    unsupported: tuple[Claim, ...]

    @property
    def score(self) -> float | None:
        """Share of the claims that the context supports, 0 to 1; None where the answer claims nothing checkable."""
        return 1 - len(self.unsupported) / len(self.claims) if self.claims else None


def ground(answer: str, context: str, *, names: bool = False) -> Grounding:
    """Hold an answer against its context.

    Args:
        answer: what the model said; its first 100,000 characters are looked at.
        context: what it was to rest on: passages, the user's own words, what tools answered; its first
            2,000,000 characters are looked at.
        names: look at quoted names too.
    """
    claims = claims_of(answer, names=names)
    if not claims:
        return Grounding((), ())
    support = _Support(normalised(context))
    missing = [claim for claim in claims if not support.has(claim)]
    if any(claim.kind == "number" for claim in missing):
        missing = support.underived(missing, normalised(answer[:LONGEST_ANSWER]))
    return Grounding(tuple(claims), tuple(missing))


class _Support:
    """What a context has, in the one form of each."""

    def __init__(self, context: str) -> None:
        self._context = context
        self._squeezed: str | None = None
        plain = labelled(context)
        self._texts = {*links(context), *ids(context), *ids(plain)}
        self._units: dict[str, set[Unit]] = {}
        # A number may also stand inside a link or an id of the context.
        for number in (
            *numbers(plain),
            *kanji_numbers(plain, counted=False),
            *months(plain, dated=False),
            *words(plain),
        ):
            for digits in (number.digits, *number.also):
                self._units.setdefault(digits, set()).add(number.unit)

    def has(self, claim: Claim) -> bool:
        """Whether the context has it as it is."""
        if claim.kind in {"title", "name"}:
            if self._squeezed is None:
                self._squeezed = squeezed(self._context)
            return claim.value in self._squeezed
        if claim.kind != "number":
            return claim.value in self._texts or claim.value in self._units
        return any(self._counts(digits, claim.unit) for digits in (claim.value, *claim.also))

    def underived(self, missing: list[Claim], answer: str) -> list[Claim]:
        """Those of the missing claims that do not follow from what the context has, either."""
        derivation = Derivation(self._units)
        left = []
        tried = 0
        for claim in missing:
            if claim.kind == "number" and tried < MOST_DERIVED:
                tried += 1
                if derivation.follows(claim.value, claim.unit):
                    derivation.add(claim.value, claim.unit)
                    continue
                if _is_about(claim, answer) and derivation.is_near(claim.value):
                    continue
            left.append(claim)
        return left

    def _counts(self, digits: str, unit: Unit) -> bool:
        units = self._units.get(digits)
        return units is not None and bool(units - {_OPPOSED.get(unit)})


def _is_about(claim: Claim, answer: str) -> bool:
    at = answer.find(claim.text)
    if at < 0:
        return False
    end = at + len(claim.text)
    return bool(_ABOUT.search(answer[max(at - 20, 0) : at]) or _ABOUT_AFTER.match(answer[end : end + 8]))
