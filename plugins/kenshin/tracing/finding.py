"""A finding: how strongly a heuristic, or the caller's judge, suspects something of an answer, and by what."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from numbers import Real
from typing import Any, Literal, cast

from kenshin.errors import InvalidInput
from kenshin.signals.content import error_text

DEFAULT_THRESHOLD = 0.5
LONGEST_EVIDENCE = 80


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that was found.

    Args:
        kind: of which kind.
        text: where it was seen, as written, cut to 80 characters; it quotes the exchange.
        weight: how strong it is alone, 0 to 1.
    """

    kind: str
    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found; true where it is flagged.

    Args:
        score: 0 to 1; how strong the signs are together, no probability.
        flagged: whether the score reaches the threshold.
        evidence: what was found, kind by kind.
        source: who gave the score.
        note: why the judge was not heard, where one was given.
    """

    score: float
    flagged: bool
    evidence: tuple[Evidence, ...]
    source: Literal["heuristic", "judge"] = "heuristic"
    note: str = ""

    def __bool__(self) -> bool:
        return self.flagged


def found(
    evidence: Iterable[Evidence], threshold: float, judge: Callable[[], float] | None = None
) -> Finding:
    """The finding that evidence and a judge make.

    The score of the evidence is 1 - Π (1 - weight): one strong sign is enough, weak ones add up. A judge's score stands
    in its place; if the judge raises, or answers no number from 0 to 1, the evidence's counts and the note says so.

    Args:
        evidence: what was found.
        threshold: the score from which on it is flagged, above 0 and at most 1.
        judge: answers a score.

    Raises:
        InvalidInput: the threshold is none.
    """
    if not is_share(threshold) or threshold == 0:
        raise InvalidInput(
            value=threshold, reason="a threshold lies above 0 and at most at 1", mend="Correct the threshold."
        )
    signs = tuple(evidence)
    score = 1 - prod(1 - sign.weight for sign in signs)
    if judge is None:
        return Finding(score, score >= threshold, signs)
    try:
        judged = judge()
    except Exception as error:
        return Finding(score, score >= threshold, signs, note=f"the judge failed ({error_text(error)})")
    if not is_share(judged):
        kind = type(judged).__name__
        note = f"the judge answered no number from 0 to 1, but {kind}"
        return Finding(score, score >= threshold, signs, note=note)
    return Finding(float(judged), judged >= threshold, signs, "judge")


def shown(text: str) -> str:
    """The text as evidence shows it."""
    return text if len(text) <= LONGEST_EVIDENCE else f"{text[: LONGEST_EVIDENCE - 1]}…"


def is_share(value: object) -> bool:
    """Whether it is a number from 0 to 1."""
    return isinstance(value, Real) and not isinstance(value, bool) and 0 <= cast("Any", value) <= 1
