"""Scores: one figure from 0 to 1 for a response, composed of parts by declared weights.

The parts are schema validity, grounding (a heuristic, see `kenshin.grounding`), the user's feedback and a
judge. A part that is not there gives its weight to the parts that are, in proportion to theirs: an answer nobody rated
is not thereby a bad one. Scores made of different parts compare different things, though; where a part is missing more
often in one arm than in the other, compare the parts, which an observation keeps as its metrics ``score.<part>``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Real
from types import MappingProxyType
from typing import Any

from kenshin.errors import InvalidInput
from kenshin.grounding.support import ground
from kenshin.schemas import is_valid

Rating = str | int | float | bool

THUMBS: Mapping[Rating, float] = MappingProxyType({"up": 1.0, "down": 0.0})
"""Thumbs as a scale."""

STARS: Mapping[Rating, float] = MappingProxyType({1: 0.0, 2: 0.25, 3: 0.5, 4: 0.75, 5: 1.0})
"""One to five stars as a scale of equal steps."""

Judge = Callable[[str, str], float]
"""Rates an answer (first) by its context (second, empty where there is none), from 0 to 1."""

LONGEST_REASON = 200


def _is_share(value: Any) -> bool:
    number: Any = value
    return isinstance(value, Real) and not isinstance(value, bool) and 0 <= number <= 1


@dataclass(frozen=True, slots=True)
class ScoreWeights:
    """What each part counts, 0 to 1; together 1.

    Args:
        schema: of schema validity.
        grounding: of the grounding heuristic.
        feedback: of the user's rating.
        judge: of the judge.

    Raises:
        InvalidInput: a weight is no share, or they do not add up to 1.
    """

    schema: float = 0.25
    grounding: float = 0.25
    feedback: float = 0.25
    judge: float = 0.25

    def __post_init__(self) -> None:
        for name, weight in self.as_dict().items():
            if not _is_share(weight):
                raise InvalidInput(
                    value=f"{name}={weight!r}",
                    reason="a weight lies from 0 to 1",
                    mend=f"Correct the weight of '{name}'.",
                )
        if not math.isclose(total := math.fsum(self.as_dict().values()), 1.0, abs_tol=1e-9):
            raise InvalidInput(
                value=total, reason="the weights do not add up to 1", mend="Give shares of the whole."
            )

    def as_dict(self) -> dict[str, float]:
        """The weights by part."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


EQUAL = ScoreWeights()


@dataclass(frozen=True, slots=True)
class ScorePart:
    """One part of a score.

    Args:
        name: schema, grounding, feedback or judge.
        value: 0 to 1.
        weight: what it counted in this score, after the weight of missing parts was given to the others.
        source: where the value came from.
    """

    name: str
    value: float
    weight: float
    source: str


@dataclass(frozen=True, slots=True)
class MissingPart:
    """A part without a value.

    Args:
        name: schema, grounding, feedback or judge.
        weight: what it was declared to count; the parts that are there got it.
        reason: why there is no value.
    """

    name: str
    weight: float
    reason: str


@dataclass(frozen=True, slots=True)
class ResponseScore:
    """A response's score.

    Args:
        score: 0 to 1; None where no part that counts has a value.
        parts: the parts with a value.
        missing: the parts without one that were to count, or that failed.
    """

    score: float | None
    parts: tuple[ScorePart, ...]
    missing: tuple[MissingPart, ...]

    @property
    def metrics(self) -> dict[str, float]:
        """The parts as an observation's metrics, ``score.<part>``."""
        return {f"score.{part.name}": part.value for part in self.parts}


class _Absent(Exception):
    """A part has no value; says why."""


def score_response(
    answer: str,
    *,
    context: str | Sequence[str] | None = None,
    schema: Mapping[str, Any] | None = None,
    schema_valid: bool | None = None,
    feedback: Rating | None = None,
    ratings: Mapping[Rating, float] | None = None,
    judge: Judge | None = None,
    weights: ScoreWeights = EQUAL,
) -> ResponseScore:
    """Score a response; what is not given is a missing part.

    Args:
        answer: the response.
        context: what it was to rest on, e.g. the retrieved passages.
        schema: a JSON Schema for it; needs the extra ``schema``.
        schema_valid: whether it keeps to its schema, where the caller has checked that.
        feedback: the user's rating.
        ratings: what each rating is worth, 0 to 1, e.g. `THUMBS` or `STARS`; needed with `feedback`.
        judge: rates the answer; if it raises, or answers no number from 0 to 1, its part is missing.
        weights: what each part counts.

    Raises:
        InvalidInput: the rating is not among the ratings, or the arguments contradict each other.
        BackendUnavailable: a schema is given, and jsonschema-rs is not installed.
    """
    passages = None if context is None else context if isinstance(context, str) else "\n".join(context)
    makers: dict[str, Callable[[], tuple[float, str]]] = {
        "schema": lambda: _schema(answer, schema, schema_valid),
        "grounding": lambda: _grounding(answer, passages),
        "feedback": lambda: _feedback(feedback, ratings),
        "judge": lambda: _judge(answer, passages or "", judge),
    }
    made: dict[str, tuple[float, str]] = {}
    missing = []
    for name, weight in weights.as_dict().items():
        try:
            made[name] = makers[name]()
        except _Absent as absent:
            if weight or (name == "judge" and judge is not None):
                missing.append(MissingPart(name, weight, str(absent)))
    declared = {name: weight for name, weight in weights.as_dict().items() if name in made}
    total = math.fsum(declared.values())
    parts = tuple(
        ScorePart(name, value, declared[name] / total if total else 0.0, source)
        for name, (value, source) in made.items()
    )
    score = math.fsum(declared[part.name] * part.value for part in parts) / total if total else None
    return ResponseScore(score if score is None else min(score, 1.0), parts, tuple(missing))


def _schema(answer: str, schema: Mapping[str, Any] | None, schema_valid: bool | None) -> tuple[float, str]:
    if schema is not None and schema_valid is not None:
        raise InvalidInput(
            value="schema, schema_valid", reason="both are given", mend="Give the schema or its outcome."
        )
    if schema_valid is not None:
        return float(bool(schema_valid)), "caller"
    if schema is None:
        raise _Absent("no schema was given")
    return float(is_valid(answer, schema)), "JSON Schema"


def _grounding(answer: str, context: str | None) -> tuple[float, str]:
    if context is None:
        raise _Absent("no context was given")
    found = ground(answer, context)
    if found.score is None:
        raise _Absent("the answer has no number, id or link to check")
    return (
        found.score,
        f"{len(found.claims) - len(found.unsupported)} of {len(found.claims)} claims supported",
    )


def _feedback(rating: Rating | None, ratings: Mapping[Rating, float] | None) -> tuple[float, str]:
    for each, worth in (ratings or {}).items():
        if not _is_share(worth):
            raise InvalidInput(
                value=f"{each!r}: {worth!r}",
                reason="what a rating is worth lies from 0 to 1",
                mend="Correct the ratings.",
            )
    if rating is None:
        raise _Absent("no feedback was given")
    for each, worth in (ratings or {}).items():
        # True equals 1, and is no star.
        if each == rating and isinstance(each, bool) == isinstance(rating, bool):
            return float(worth), f"rating {rating!r}"
    raise InvalidInput(
        value=rating,
        reason="the rating is not mapped to a value",
        mend=f"Known ratings: {', '.join(map(repr, ratings))}." if ratings else "Give ratings, e.g. STARS.",
    )


def _judge(answer: str, context: str, judge: Judge | None) -> tuple[float, str]:
    if judge is None:
        raise _Absent("no judge was given")
    try:
        value = judge(answer, context)
        if not _is_share(value):
            raise _Absent(f"the judge answered {_cut(repr(value))}, not a number from 0 to 1")
        return float(value), "judge"
    except _Absent:
        raise
    except Exception as error:
        raise _Absent(f"the judge failed ({type(error).__name__}{_said(error)})") from error


def _said(error: Exception) -> str:
    try:
        text = str(error)
    except Exception:
        return ""
    return f": {_cut(text)}" if text else ""


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"
