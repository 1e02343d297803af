"""An observation from what a request knows when its response is scored, under the proof of concept's names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any

from kenshin.days import day_of
from kenshin.experiments.observation import ABObservation, observation


def observed(
    now: datetime,
    zone: tzinfo,
    new_id: Callable[[], str],
    phase_of: Callable[[str], int],
    *,
    experiment_id: str,
    session_id: str,
    group: str,
    prompt_version: str,
    quality_score: float | None = None,
    latency_ms: float | None = None,
    timestamp: float | datetime | None = None,
    observation_id: str | None = None,
    phase: int | None = None,
    **rest: Any,
) -> ABObservation:
    """Make an observation.

    Args:
        now: the present instant, aware.
        zone: whose dates the days are.
        new_id: makes an id that no other observation has.
        phase_of: answers the phase of an experiment, for a caller who does not know it.
        experiment_id: whose.
        session_id: the unit of analysis.
        group: in which arm the session was.
        prompt_version: which prompt answered.
        quality_score: composite score, 0 to 1.
        latency_ms: of the response, in milliseconds.
        timestamp: when it was scored: seconds since the epoch, or an aware instant; None: now.
        observation_id: makes it the same observation when it is sent twice. Without one, it is made of the content
            where the caller gives a timestamp, and is new with every call where not.
        phase: of the experiment.
        rest: further fields of `ABObservation`.

    Raises:
        InvalidObservation: a value is out of range.
        TypeError: a field is missing or unknown, or has the wrong type.
        ValueError: the timestamp is no instant.
    """
    observed_at = now
    if timestamp is None:
        observation_id = observation_id or new_id()
    elif isinstance(timestamp, datetime):
        observed_at = timestamp
    else:
        observed_at = datetime.fromtimestamp(timestamp, UTC)
    if phase is None:
        phase = phase_of(experiment_id)
    if observation_id is not None:
        # The short way to what `observation` makes: this runs in the request path.
        return ABObservation(
            observation_id,
            experiment_id,
            session_id,
            group,
            prompt_version,
            observed_at.astimezone(UTC),
            now.astimezone(UTC),
            day_of(observed_at, zone),
            phase,
            quality_score=quality_score,
            latency_ms=latency_ms,
            **rest,
        )
    return observation(
        experiment_id=experiment_id,
        session_id=session_id,
        arm=group,
        prompt_version=prompt_version,
        observed_at=observed_at,
        recorded_at=now,
        zone=zone,
        quality_score=quality_score,
        latency_ms=latency_ms,
        phase=phase,
        **rest,
    )
