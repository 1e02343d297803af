"""Passages that say again what a better one says: equal ones, and those of which almost every shingle is in another.

A shingle is four words in a row; where a script writes no spaces, each character is a word, and so is a sign anywhere,
since ``<`` is not ``>`` and dollars are not euros (Broder 1997, containment).
What counts is how much of the *worse* passage the better one holds, so a longer passage is never taken for a part of
itself, and a passage with a number that the other lacks is not taken for a repetition.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

SHINGLE = 4
SHORTEST = 8
"""Words that a passage needs to be compared by shingles; shorter ones are repeated only by equal ones."""

LONGEST, LONGEST_SUM = 50_000, 250_000
"""Characters of one passage, and of all, that are compared by shingles; what is beyond is repeated only by equals."""

COMMONEST = 16
"""A shingle of more passages than this is boilerplate, by which no candidates are found."""

_WORDS = re.compile(r"[^\W\u2e80-\U0010ffff]+|[\u2e80-\U0010ffff]|[^\w\s]")
_NUMBERS = re.compile(r"\d(?:[\d.,:/-]*\d)?")


@dataclass(frozen=True, slots=True)
class Repetition:
    """Which passage a worse one repeats, and how much of the worse one it holds."""

    of: int
    share: float


@dataclass(slots=True)
class _Seen:
    equal: dict[str, int] = field(default_factory=dict)
    places: defaultdict[tuple[str, ...], list[int]] = field(default_factory=lambda: defaultdict(list))
    shingles: dict[int, set[tuple[str, ...]]] = field(default_factory=dict)
    numbers: dict[int, set[str]] = field(default_factory=dict)
    characters: int = 0


def repetitions(passages: Iterable[tuple[int, str]], share: float) -> dict[int, Repetition]:
    """Find repetitions among passages.

    Args:
        passages: places and texts, the best first; the first of several alike is the one that stays.
        share: how much of a passage another must hold, 0 to 1.
    """
    seen, found = _Seen(), dict[int, Repetition]()
    for place, text in passages:
        said = " ".join(text.casefold().split())
        if not said:
            continue
        if said in seen.equal:
            found[place] = Repetition(seen.equal[said], 1.0)
            continue
        near = _near(place, said, seen, share)
        if near is not None:
            found[place] = near
        else:
            seen.equal[said] = place
    return found


def _near(place: int, said: str, seen: _Seen, share: float) -> Repetition | None:
    seen.characters += len(said)
    if len(said) > LONGEST or seen.characters > LONGEST_SUM:
        return None
    words = _WORDS.findall(said)
    if len(words) < SHORTEST:
        return None
    shingles = set(zip(*(words[start:] for start in range(SHINGLE)), strict=False))
    numbers = set(_NUMBERS.findall(said))
    shared = Counter(
        other
        for shingle in shingles
        if len(others := seen.places.get(shingle, ())) <= COMMONEST
        for other in others
    )
    for other, _ in sorted(shared.items(), key=lambda pair: (-pair[1], pair[0]))[:SHINGLE]:
        held = len(shingles & seen.shingles[other]) / len(shingles)
        if held >= share and numbers <= seen.numbers[other]:
            return Repetition(other, held)
    for shingle in shingles:
        seen.places[shingle].append(place)
    seen.shingles[place], seen.numbers[place] = shingles, numbers
    return None
