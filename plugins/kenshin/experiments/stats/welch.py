"""The difference of two session-weighted means, without assuming equal variances.

B. L. Welch, "The generalization of 'Student's' problem when several different population variances are
involved", Biometrika 34 (1947); degrees of freedom after F. E. Satterthwaite (1946), with n − 1 for each
arm's n sessions. The p-value holds for one look at a sample of fixed size, not for a look every night.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from kenshin.experiments.stats.difference import LEVEL, satterthwaite
from kenshin.experiments.stats.ratio import RatioStatistics


@dataclass(frozen=True, slots=True)
class WelchTest:
    """Candidate minus control.

    Args:
        delta: difference of the means.
        se: its standard error.
        t: their ratio.
        df: Welch–Satterthwaite degrees of freedom.
        p_value: two-sided, from Student's t.
        ci_low: lower end of the confidence interval of `delta`.
        ci_high: its upper end.
    """

    delta: float
    se: float
    t: float
    df: float
    p_value: float
    ci_low: float
    ci_high: float


def welch(control: RatioStatistics, candidate: RatioStatistics, *, level: float = LEVEL) -> WelchTest | None:
    """Test a difference of two means; None where neither arm varies.

    Args:
        control: of the arm in use.
        candidate: of the arm compared with it.
        level: of the confidence interval.

    Raises:
        InvalidInput: an arm has fewer than two sessions.
    """
    from scipy.special import stdtr, stdtrit

    delta = candidate.estimate - control.estimate
    of_control, of_candidate = control.variance, candidate.variance
    variance = of_control + of_candidate
    if variance == 0:
        return None
    df = satterthwaite(((of_control, control.n - 1), (of_candidate, candidate.n - 1)))
    se = math.sqrt(variance)
    t = delta / se
    half = float(stdtrit(df, (1 + level) / 2)) * se
    return WelchTest(
        delta=delta,
        se=se,
        t=t,
        df=df,
        p_value=float(2 * stdtr(df, -abs(t))),
        ci_low=delta - half,
        ci_high=delta + half,
    )
