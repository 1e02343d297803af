"""An observation: one scored response of one session, in one arm of one experiment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from hashlib import sha256

from kenshin import names
from kenshin.days import day_of
from kenshin.errors import InvalidObservation

SHARDS = 16
"""Into so many shards a day's observations are divided by session; fixed, since keys are made of it."""


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
        for what in ("observation_id", "session_id", "prompt_version"):
            text = getattr(self, what)
            if not isinstance(text, str) or not text or len(text) > 256:
                raise _refused(what, text, "needs 1 to 256 characters")
        for what in ("observed_at", "recorded_at"):
            instant = getattr(self, what)
            if not isinstance(instant, datetime) or instant.tzinfo is None:
                raise _refused(what, instant, "needs an instant with a time zone")
        # Zones differ from UTC by less than a day.
        if abs(self.observed_at.date() - self.day) > timedelta(days=1):
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
        for what in ("metrics", "covariates"):
            for name, value in getattr(self, what).items():
                names.checked(name, what=f"one of the {what}")
                if not _finite(value):
                    raise _refused(f"{what}.{name}", value, "not a finite number")

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


def shard_of(session_id: str) -> int:
    """A session's shard: the first byte of SHA-256 of its id, modulo 16."""
    return sha256(session_id.encode("utf-8", "surrogatepass")).digest()[0] % SHARDS


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _refused(what: str, value: object, reason: str) -> InvalidObservation:
    return InvalidObservation(value=f"{what}={value!r}", reason=reason, mend=f"Correct '{what}'.")
