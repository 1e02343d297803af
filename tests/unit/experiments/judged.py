"""Sessions in memory, and what a night makes of them: for tests of the decision's parts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np

from kenshin.experiments.looks import Look
from kenshin.experiments.stats.difference import Difference
from kenshin.experiments.stats.ratio import RatioStatistics
from kenshin.experiments.stopping import Candidate
from kenshin.experiments.sufficient import Cell, Statistics

DAYS = tuple(date(2026, 11, 1) + timedelta(days=each) for each in range(20))


def level(mean: float, n: int = 400, spread: float = 0.1) -> RatioStatistics:
    """Sessions of one observation each, half of them `spread` above the mean, half below."""
    return RatioStatistics.of_sessions((mean + spread * (place % 2 * 2 - 1), 1) for place in range(n))


def drawn(
    rng: np.random.Generator,
    n: int,
    mean: float,
    *,
    shared: float = 0.1,
    own: float = 0.2,
    known: float = 0.0,
) -> tuple[list[tuple[float, int]], list[float | None]]:
    """Clustered sessions of 1 to 6 observations: their sums and counts, and their covariates.

    Args:
        rng: to draw from.
        n: sessions.
        mean: of an observation.
        shared: deviation of a session's own level, which the covariate tells but for `known`.
        own: deviation of an observation in its session.
        known: deviation of the covariate about the session's level.
    """
    counts = rng.integers(1, 7, n)
    levels = rng.normal(0, shared, n)
    sums = counts * (mean + levels) + rng.normal(0, own, n) * np.sqrt(counts)
    covariates = levels + rng.normal(0, known, n)
    return list(zip(sums.tolist(), counts.tolist(), strict=True)), covariates.tolist()


def sufficient(cells: Mapping[tuple[str, str], RatioStatistics], *, nights: int = 10, **changes: object):
    """Statistics of one phase by (arm, metric); every session has an observation unless it is said otherwise."""
    found = {Cell(arm, 0, "*", metric): each for (arm, metric), each in cells.items()}
    for (arm, _), each in cells.items():
        seen = Cell(arm, 0, "*", "observations")
        if seen not in found:
            found[seen] = level(1.0, each.n, 0.0)
    known = {"days": DAYS[:nights], "filled_days": DAYS[:nights], **changes}
    return Statistics(cells=found, **known)


def by_phase(cells: Mapping[tuple[str, int, str], RatioStatistics], *, nights: int = 10) -> Statistics:
    """Statistics of several phases by (arm, phase, metric), with the totals over all phases."""
    found = {Cell(arm, phase, "*", metric): each for (arm, phase, metric), each in cells.items()}
    for arm, metric in {(arm, metric) for arm, _, metric in cells}:
        parts = [each for (a, _, m), each in cells.items() if (a, m) == (arm, metric)]
        found[Cell(arm, 0, "*", metric)] = RatioStatistics.total(parts)
    return Statistics(cells=found, days=DAYS[:nights], filled_days=DAYS[:nights])


def candidate(
    z: float, information: float = 100.0, *, sessions: int = 1000, df: float = math.inf
) -> Candidate:
    """A comparison whose difference lies `z` standard errors from 0."""
    se = information**-0.5
    return Candidate(Difference(z * se, se, df, 0.5, 0.5 + z * se, se / math.sqrt(2)), information, sessions)


def look(number: int, *, horizon: int = 14, **changes: object) -> Look:
    """A look of arm B on a night of that number, which decided nothing."""
    known = {
        "look": number,
        "day": date(2026, 11, 1) + timedelta(days=number - 1),
        "night": number,
        "phase": 1,
        "metric": "quality_score",
        "arm": "B",
        "sessions": 100 * number,
        "information": 10.0 * number,
        "information_fraction": number / horizon,
        "time": min(1.0, number / horizon),
        "alpha_spent": 0.0,
        "boundary": 9.0,
        "z": 0.0,
        "estimate": 0.0,
        "se": (10.0 * number) ** -0.5,
        "df": math.inf,
        "ci_low": -1.0,
        "ci_high": 1.0,
        "outcome": "undecided",
    }
    return Look(**{**known, **changes})


def nights(numbers: Sequence[int], **changes: object) -> list[Look]:
    """Looks on these nights."""
    return [look(number, **changes) for number in numbers]
