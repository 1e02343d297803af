"""An observation: one scored response of one session, in one arm of one experiment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from hashlib import sha256

from kenshin import names
from kenshin.days import day_of
from kenshin.errors import InvalidObservation

SHARDS = 16
"""Into so many shards a day's observations are divided by session; fixed, since keys are made of it."""

LONGEST_TEXT = 256
"""Ids and prompt versions have at most so many characters."""

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ABObservation:
    """One scored response.

    Args:
        observation_id: makes it the same observation when it is sent twice.
        experiment_id: whose.
        session_id: the unit of analysis.
        arm: in which arm the session was.
        prompt_version: which prompt answered.
        observed_at: when the response was scored, aware, UTC.
        recorded_at: when it was first recorded, aware, UTC.
        day: date of `observed_at` in the configured zone, fixed when it is first recorded.
        phase: of the experiment, from 1.
        intent: segment, if known.
        trace_id: of the request, if traced.
        quality_score: composite score, 0 to 1, if scored.
        latency_ms: of the response, in milliseconds, if measured.
        metrics: further figures by name, e.g. cost, tokens, rating.
        covariates: figures known before exposure, by name.
    """

    observation_id: str
    experiment_id: str
    session_id: str
    arm: str
    prompt_version: str
    observed_at: datetime
    recorded_at: datetime
    day: date
    phase: int = 1
    intent: str | None = None
    trace_id: str | None = None
    quality_score: float | None = None
    latency_ms: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    covariates: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names.checked(self.experiment_id, what="an experiment")
        names.checked(self.arm, what="an arm")
        _check_text("observation_id", self.observation_id)
        _check_text("session_id", self.session_id)
        _check_text("prompt_version", self.prompt_version)
        _check_instant("observed_at", self.observed_at)
        _check_instant("recorded_at", self.recorded_at)
        # Zones differ from UTC by less than a day.
        observed_on = self.observed_at.date()
        if observed_on != self.day and abs(observed_on - self.day) > ONE_DAY:
            raise _refused("day", self.day, "not the day on which it was observed, in any time zone")
        if isinstance(self.phase, bool) or not isinstance(self.phase, int) or self.phase < 1:
            raise _refused("phase", self.phase, "phases count from 1")
        if self.quality_score is not None and not (
            _finite(self.quality_score) and 0 <= self.quality_score <= 1
        ):
            raise _refused("quality_score", self.quality_score, "a score lies from 0 to 1")
        if self.latency_ms is not None and not (_finite(self.latency_ms) and self.latency_ms >= 0):
            raise _refused(
                "latency_ms", self.latency_ms, "a latency is a finite number of milliseconds from 0"
            )
        if self.metrics:
            _check_figures("metrics", self.metrics)
        if self.covariates:
            _check_figures("covariates", self.covariates)

    @property
    def shard(self) -> int:
        """Shard of the session, 0 to 15."""
        return shard_of(self.session_id)

    @property
    def partition(self) -> str:
        """The store's partition key."""
        return f"{self.experiment_id}#{self.day.isoformat()}#{self.shard:02}"

    @property
    def group(self) -> str:
        """The arm, under the proof of concept's name for it."""
        return self.arm

    @property
    def timestamp(self) -> float:
        """`observed_at` in seconds since the epoch, as the proof of concept has it."""
        return self.observed_at.timestamp()


def observation(
    *,
    experiment_id: str,
    session_id: str,
    arm: str,
    prompt_version: str,
    observed_at: datetime,
    recorded_at: datetime,
    zone: tzinfo,
    observation_id: str | None = None,
    **rest: object,
) -> ABObservation:
    """Make an observation: stamps the day, and derives an id from the content where none is given.

    Raises:
        InvalidObservation: a value is out of range.
    """
    day = day_of(observed_at, zone)
    if observation_id is None:
        said = {"session_id": session_id, "arm": arm, "prompt_version": prompt_version, **rest}
        observation_id = content_id(experiment_id, {**said, "observed_at": observed_at.astimezone(UTC)})
    return ABObservation(
        observation_id=observation_id,
        experiment_id=experiment_id,
        session_id=session_id,
        arm=arm,
        prompt_version=prompt_version,
        observed_at=observed_at.astimezone(UTC),
        recorded_at=recorded_at.astimezone(UTC),
        day=day,
        **rest,  # type: ignore[arg-type]
    )


def content_id(experiment_id: str, said: Mapping[str, object]) -> str:
    """An observation's id where it comes without one: a hash of what it says, and of nothing that was filled in."""
    content = sorted((name, repr(value)) for name, value in said.items() if value is not None)
    return sha256(repr((experiment_id, content)).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def content_ids(experiment_id: str, said: Mapping[str, Sequence[object]]) -> list[str]:
    """`content_id` of many observations that are given by column; the same ids in less time.

    Args:
        experiment_id: whose.
        said: by name, what each of them says; None where it says nothing. All of the same length.
    """
    head, tail = repr((experiment_id, [])).removesuffix("])"), "])"
    spelled = [_spelled(name, said[name]) for name in sorted(said)]
    return [
        sha256(f"{head}{', '.join(filter(None, row))}{tail}".encode("utf-8", "surrogatepass")).hexdigest()[
            :32
        ]
        for row in zip(*spelled, strict=True)
    ]


def _spelled(name: str, column: Sequence[object]) -> list[str]:
    """A column's share in the texts that `content_id` hashes; empty where nothing is said."""
    if {type(value) for value in column} <= {str, type(None)}:
        # Few different texts, such as arms and intents, are spelled once each.
        known = {text: f"({name!r}, {repr(text)!r})" if text is not None else "" for text in set(column)}
        return [known[text] for text in column]
    return [f"({name!r}, {repr(value)!r})" if value is not None else "" for value in column]


def shard_of(session_id: str) -> int:
    """A session's shard: the first byte of SHA-256 of its id, modulo 16."""
    return sha256(session_id.encode("utf-8", "surrogatepass")).digest()[0] % SHARDS


def _check_text(what: str, text: object) -> None:
    if not isinstance(text, str) or not text or len(text) > LONGEST_TEXT:
        raise _refused(what, text, f"needs 1 to {LONGEST_TEXT} characters")


def _check_instant(what: str, instant: object) -> None:
    if not isinstance(instant, datetime) or instant.tzinfo is None:
        raise _refused(what, instant, "needs an instant with a time zone")


def _check_figures(what: str, figures: Mapping[str, float]) -> None:
    for name, value in figures.items():
        names.checked(name, what=f"one of the {what}")
        if not _finite(value):
            raise _refused(f"{what}.{name}", value, "not a finite number")


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _refused(what: str, value: object, reason: str) -> InvalidObservation:
    return InvalidObservation(value=f"{what}={value!r}", reason=reason, mend=f"Correct '{what}'.")
