"""Figures: an arm's, a phase's and a comparison's, as analysis and report state them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kenshin.experiments.stats.quantile import QuantileEstimate

DIGITS = 12
"""Figures are stated to so many significant digits: further ones are rounding."""

LATENCY_P95 = "latency_ms.p95"

Outcome = Literal["tested", "insufficient_data", "no_variance"]


@dataclass(frozen=True, slots=True)
class MetricFigures:
    """A metric in one arm.

    Args:
        sessions: that have the metric.
        observations: that have it.
        mean: per observation; None where there is none.
        se: standard error of the mean, by session; None below two sessions.
    """

    sessions: int
    observations: int
    mean: float | None
    se: float | None


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """One arm: all its sessions and observations, scored or not, and its metrics."""

    arm: str
    prompt_version: str
    sessions: int
    observations: int
    score: MetricFigures
    latency: MetricFigures
    latency_p95: QuantileEstimate | None = None


@dataclass(frozen=True, slots=True)
class PhaseFigures:
    """One arm in one phase: between two changes of the shares or the prompts."""

    phase: int
    arm: str
    sessions: int
    observations: int
    score: MetricFigures
    latency: MetricFigures


@dataclass(frozen=True, slots=True)
class Comparison:
    """One arm's metric minus control's; see `WelchTest` for the figures, None unless it was tested."""

    arm: str
    metric: str
    outcome: Outcome
    delta: float | None = None
    se: float | None = None
    t_statistic: float | None = None
    degrees_of_freedom: float | None = None
    p_value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    significant: bool | None = None
    winner: str | None = None
    recommendation: str | None = None


def stated(value: float) -> float:
    """A figure to 12 significant digits."""
    return float(f"{value:.{DIGITS}g}")
