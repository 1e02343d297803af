"""Exploration: segments and further metrics, which may suggest the next experiment and decide nothing in this one.

Their p-values hold for one look. Adjusted after Benjamini and Hochberg over all arms and segments (or all arms and
metrics), of those below 0.05 at most one in twenty is expected to be false.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kenshin.experiments.estimates import estimate
from kenshin.experiments.figures import stated
from kenshin.experiments.stats.multiplicity import benjamini_hochberg
from kenshin.experiments.sufficient import ALL_SEGMENTS, OBSERVATIONS, SCORE, Statistics

if TYPE_CHECKING:
    from kenshin.experiments.estimates import Estimate


@dataclass(frozen=True, slots=True)
class SegmentFigures:
    """A candidate minus control in the score of one segment; 95 % interval."""

    arm: str
    segment: str
    sessions: int
    delta: float
    ci_low: float
    ci_high: float
    p_value: float
    p_adjusted: float


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """A candidate minus control in a further metric; 95 % interval."""

    arm: str
    metric: str
    sessions: int
    delta: float
    ci_low: float
    ci_high: float
    p_value: float
    p_adjusted: float


def segments_of(statistics: Statistics, control: str, arms: Sequence[str]) -> tuple[SegmentFigures, ...]:
    """Every candidate's difference in every segment that both arms have sessions in."""
    names = sorted({cell.segment for cell in statistics.cells} - {ALL_SEGMENTS})
    found = []
    for arm in arms:
        for name in names:
            each = estimate(statistics, control, arm, segment=name)
            if each is not None:
                found.append(SegmentFigures(arm, name, each.sessions, *_figures(each)))
    adjusted = benjamini_hochberg([each.p_value for each in found])
    return tuple(replace(each, p_adjusted=stated(p)) for each, p in zip(found, adjusted, strict=True))


def metrics_of(statistics: Statistics, control: str, arms: Sequence[str]) -> tuple[MetricDifference, ...]:
    """Every candidate's difference in every metric beside the score."""
    names = sorted({cell.metric for cell in statistics.cells} - {SCORE, OBSERVATIONS})
    found = []
    for arm in arms:
        for name in names:
            each = estimate(statistics, control, arm, metric=name)
            if each is not None:
                found.append(MetricDifference(arm, name, each.sessions, *_figures(each)))
    adjusted = benjamini_hochberg([each.p_value for each in found])
    return tuple(replace(each, p_adjusted=stated(p)) for each, p in zip(found, adjusted, strict=True))


def _figures(each: Estimate) -> tuple[float, float, float, float, float]:
    low, high = each.difference.interval()
    p = stated(each.difference.p_value)
    return stated(each.difference.delta), stated(low), stated(high), p, p
