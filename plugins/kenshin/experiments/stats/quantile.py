"""A quantile of observations that come in sessions, with the session as its unit.

The share of observations at or below the quantile is a ratio of sums, so its variance is that of `ratio`, by the
delta method over clusters. The quantiles at that share's confidence limits are the quantile's own (R. S. Woodruff,
"Confidence Intervals for Medians and Other Position Measures", JASA 47, 1952; for sessions A. Deng, U. Knoblich and
J. Lu, "Applying the Delta Method in Metric Analytics", KDD 2018, section 4). No density is estimated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kenshin.errors import InvalidInput
from kenshin.experiments.stats.ratio import RatioStatistics

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class ClusteredValues:
    """Values by session.

    Args:
        values: of all sessions, one session after the other.
        sizes: how many values each session has, at least one.
        weights: for how many observations each value stands; None where each stands for itself.
    """

    values: np.ndarray
    sizes: np.ndarray
    weights: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class QuantileEstimate:
    """A quantile and how sure it is; no standard error and no limits where too few values lie above it.

    Args:
        value: the sorted observation at ⌊share × count⌋.
        sessions: that have a value.
        observations: that the values stand for.
        se: half the interval's width over the normal quantile of its level.
        ci_low: lower end of the confidence interval.
        ci_high: its upper end.
    """

    value: float
    sessions: int
    observations: int
    se: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None


@dataclass(frozen=True, slots=True)
class QuantileDifference:
    """Candidate minus control; normal limits and p-value, for samples of hundreds of sessions."""

    delta: float
    se: float
    z: float
    p_value: float
    ci_low: float
    ci_high: float


def quantile(sample: ClusteredValues, share: float, *, level: float = LEVEL) -> QuantileEstimate:
    """Estimate a quantile.

    Args:
        sample: the values.
        share: of the observations that lie below it, e.g. 0.95.
        level: of the confidence interval.

    Raises:
        InvalidInput: there is no value.
    """
    import numpy as np
    from scipy.special import ndtri

    sessions = len(sample.sizes)
    if sessions == 0:
        raise InvalidInput(
            value="no observations", reason="there is no quantile of nothing", mend="Wait for some."
        )
    starts = np.concatenate(([0], np.cumsum(sample.sizes)[:-1]))
    order = np.argsort(sample.values, kind="stable") if sample.weights is not None else None
    ordered = sample.values.copy() if order is None else sample.values[order]
    ranks = None if order is None or sample.weights is None else np.cumsum(sample.weights[order])
    total = len(ordered) if ranks is None else float(ranks[-1])

    def place(part: float) -> int:
        if ranks is None:
            return math.floor(part * total)
        return int(np.searchsorted(ranks, part * total, "right"))

    def at(*places: int) -> list[float]:
        # Three places of millions are asked for: to sort all of them would take several times as long.
        if order is None:
            ordered.partition(places)
        return [float(ordered[each]) for each in places]

    last = len(ordered) - 1
    [value] = at(min(place(share), last))
    within = sample.values <= value
    if sample.weights is None:
        counts, below = sample.sizes.astype(np.int64), np.add.reduceat(within, starts, dtype=np.int64)
    else:
        counts = np.add.reduceat(sample.weights, starts)
        below = np.add.reduceat(np.where(within, sample.weights, 0.0), starts)
    known = QuantileEstimate(value, sessions, round(float(total)))
    if sessions < 2:
        return known
    normal = float(ndtri((1 + level) / 2))
    half = normal * math.sqrt(_variance(below, counts))
    if share <= half or place(share + half) >= last:
        return known
    low, high = at(place(share - half), place(share + half))
    return QuantileEstimate(value, sessions, known.observations, (high - low) / 2 / normal, low, high)


def difference(
    control: QuantileEstimate, candidate: QuantileEstimate, *, level: float = LEVEL
) -> QuantileDifference | None:
    """Candidate minus control; None where one has no standard error, or neither varies."""
    from scipy.special import ndtr, ndtri

    if control.se is None or candidate.se is None:
        return None
    se = math.hypot(control.se, candidate.se)
    if se == 0:
        return None
    delta = candidate.value - control.value
    half = float(ndtri((1 + level) / 2)) * se
    return QuantileDifference(
        delta, se, delta / se, float(2 * ndtr(-abs(delta / se))), delta - half, delta + half
    )


def _variance(below: np.ndarray, counts: np.ndarray) -> float:
    if counts.dtype.kind == "i":
        return RatioStatistics(
            n=len(counts),
            sum=float(below.sum()),
            count=int(counts.sum()),
            sum_sq=float((below * below).sum()),
            sum_count=float((below * counts).sum()),
            count_sq=int((counts * counts).sum()),
        ).variance
    residual = below - below.sum() / counts.sum() * counts
    n = len(counts)
    return float((residual * residual).sum() * n / ((n - 1) * counts.sum() ** 2))
