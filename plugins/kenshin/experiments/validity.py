"""Validity: what keeps a night from deciding, whatever its figures say.

None of it depends on which arm is better, so a night that is held neither spends alpha nor bends what later ones find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from kenshin.experiments.experiment import Experiment
from kenshin.experiments.ratio_check import Mismatch
from kenshin.experiments.sufficient import OBSERVATIONS, SCORE, Statistics

Problem = Literal[
    "ended",
    "retrospective",
    "missing_night",
    "crossing_sessions",
    "sample_ratio",
    "too_few_nights",
    "no_candidate",
    "too_few_sessions",
    "no_variance",
]


@dataclass(frozen=True, slots=True)
class Validity:
    """Whether the night may decide.

    Args:
        problems: what keeps it from deciding; none: it may.
        missing_days: of the range, that were not collected whole.
        crossing_share: of the sessions that were seen in several arms.
        nights: with observations.
        least_sessions: scored, of the smallest arm that gets sessions.
    """

    problems: tuple[Problem, ...]
    missing_days: tuple[date, ...]
    crossing_share: float
    nights: int
    least_sessions: int


def validity_of(
    experiment: Experiment,
    statistics: Statistics,
    mismatch: Mismatch,
    *,
    days: Sequence[date],
    estimated: Sequence[str],
    retrospective: bool,
    ended: bool,
) -> Validity:
    """Look for every problem.

    Args:
        experiment: its arms and its policy.
        statistics: what was observed.
        mismatch: whether sessions are divided as assigned.
        days: every day that should be counted.
        estimated: candidates whose difference could be estimated.
        retrospective: whether a later day was looked at already.
        ended: whether the experiment is over.
    """
    control, *others = experiment.all_arms()
    policy = experiment.policy
    live = [arm.name for arm in others if arm.share > 0]
    collected, filled = set(statistics.days), set(statistics.filled_days)
    missing = tuple(day for day in days if day not in collected)
    nights = sum(day in filled for day in days)
    least = min(statistics.of(arm, SCORE).n for arm in (control.name, *live))
    sessions = sum(statistics.of(arm.name, OBSERVATIONS).n for arm in experiment.all_arms())
    # A session in two arms is counted in both.
    crossing = statistics.crossing_sessions / max(1, sessions - statistics.crossing_sessions)
    found: dict[Problem, bool] = {
        "ended": ended,
        "retrospective": retrospective,
        "missing_night": bool(missing),
        "crossing_sessions": crossing > policy.crossing_share,
        "sample_ratio": mismatch.held,
        "too_few_nights": nights < policy.minimum_nights,
        "no_candidate": not live,
        "too_few_sessions": least < policy.minimum_sessions,
        "no_variance": least >= policy.minimum_sessions and any(arm not in estimated for arm in live),
    }
    problems = tuple(name for name, there in found.items() if there)
    return Validity(problems, missing, crossing, nights, least)
