"""The difference adjusted for what was known of the sessions before they were exposed (CUPED).

A. Deng, Y. Xu, R. Kohavi and T. Walker, "Improving the Sensitivity of Online Controlled Experiments by Utilizing
Pre-Experiment Data", WSDM 2013; for ratios by linearised session residuals as in A. Deng, U. Knoblich and J. Lu,
"Applying the Delta Method in Metric Analytics", KDD 2018. With Lᵢ = (sᵢ − R̂kᵢ)/k̄ and zᵢ the covariate less its mean
over both arms, 0 for a session without one, each arm's R̂ becomes R̂ − θz̄, and its variance that of Lᵢ − θ(zᵢ − z̄)
over n.

θ = cov(L, z)/var(z) over both arms pooled, so that the arms are adjusted by the same line. It is one number estimated
from all sessions, and its own error is of a smaller order than the difference's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from kenshin.experiments.stats.difference import Difference, satterthwaite
from kenshin.experiments.stats.ratio import RESOLUTION, RatioStatistics


@dataclass(frozen=True, slots=True)
class _Moments:
    """Sums about the arm's own means, exact: of the residuals L·k̄, and of z."""

    ratio: Fraction
    mean_count: Fraction
    mean: Fraction
    residual_sq: Fraction
    cross: Fraction
    sq: Fraction


def adjusted(control: RatioStatistics, candidate: RatioStatistics) -> Difference | None:
    """The adjusted difference; None for fewer than two sessions an arm, or where no covariate or no metric varies.

    The covariate must not depend on the arm: it is of before the session's first exposure.
    """
    if min(control.n, candidate.n) < 2:
        return None
    pooled = control + candidate
    if pooled.covariate.n == 0:
        return None
    centre = Fraction(pooled.covariate.x) / pooled.covariate.n
    both = _moments(pooled, centre, about=pooled)
    if both.sq <= RESOLUTION * Fraction(pooled.covariate.x_sq):
        return None
    theta = both.cross / both.mean_count / both.sq
    arms = [_moments(arm, centre, about=arm) for arm in (control, candidate)]
    variances = [_variance(arm, n, theta) for arm, n in zip(arms, (control.n, candidate.n), strict=True)]
    if sum(variances) == 0:
        return None
    mean_a, mean_b = (arm.ratio - theta * arm.mean for arm in arms)
    return Difference(
        delta=float(mean_b - mean_a),
        se=math.sqrt(sum(variances)),
        df=satterthwaite(zip(variances, (control.n - 1, candidate.n - 1), strict=True)),
        mean_a=float(mean_a),
        mean_b=float(mean_b),
        se_a=math.sqrt(variances[0]),
    )


def variance_reduction(raw: Difference, after: Difference) -> float:
    """The share of the variance that the adjustment took away: 0.3 saves 30 % of the sessions."""
    return 1 - (after.se / raw.se) ** 2


def _moments(arm: RatioStatistics, centre: Fraction, *, about: RatioStatistics) -> _Moments:
    known = arm.covariate
    ratio = Fraction(about.sum) / about.count
    total = Fraction(known.x) - known.n * centre
    squares = Fraction(known.x_sq) - 2 * centre * Fraction(known.x) + known.n * centre * centre
    # Σ(s − R̂k)z over the sessions that have z; the residuals add to 0 over all, so z's own mean falls out.
    cross = (
        Fraction(known.x_sum)
        - ratio * Fraction(known.x_count)
        - centre * (Fraction(known.sum) - ratio * known.count)
    )
    residual = Fraction(arm.sum_sq) - 2 * ratio * Fraction(arm.sum_count) + ratio * ratio * arm.count_sq
    return _Moments(
        ratio=ratio,
        mean_count=Fraction(arm.count, arm.n),
        mean=total / arm.n,
        residual_sq=residual,
        cross=cross,
        sq=squares - total * total / arm.n,
    )


def _variance(arm: _Moments, n: int, theta: Fraction) -> float:
    residual = arm.residual_sq / arm.mean_count**2
    explained = theta * (2 * arm.cross / arm.mean_count - theta * arm.sq)
    left = residual - explained
    return 0.0 if left <= RESOLUTION * residual else float(left / (n * (n - 1)))
