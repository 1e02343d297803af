"""The difference of two means whose unit is the session: absolute, relative, and whether two readings of it agree.

Variances of the arms add; degrees of freedom after B. L. Welch, "The generalization of 'Student's' problem when
several different population variances are involved", Biometrika 34 (1947), and F. E. Satterthwaite, "An Approximate
Distribution of Estimates of Variance Components", Biometrics Bulletin 2 (1946).

Relative effects have the interval of E. C. Fieller, "Some Problems in Interval Estimation", JRSS B 16 (1954), and not
the delta method on the logarithm: Fieller's holds 0 exactly where the absolute interval does, so the two never tell
different stories, and it allows negative means. It has no limits where control's mean cannot be told from 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from kenshin.experiments.stats.ratio import RatioStatistics

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Difference:
    """Candidate minus control.

    Args:
        delta: difference of the means.
        se: its standard error.
        df: its Welch–Satterthwaite degrees of freedom.
        mean_a: of control.
        mean_b: of the candidate.
        se_a: standard error of `mean_a`; that of `mean_b` follows, since the arms share no session.
    """

    delta: float
    se: float
    df: float
    mean_a: float
    mean_b: float
    se_a: float

    @property
    def z(self) -> float:
        """The difference in standard errors."""
        return self.delta / self.se

    @property
    def variance_b(self) -> float:
        """Squared standard error of the candidate's mean."""
        return max(self.se**2 - self.se_a**2, 0.0)

    @property
    def p_value(self) -> float:
        """Two-sided, from Student's t; true of one look only."""
        from scipy.special import stdtr

        return float(2 * stdtr(self.df, -abs(self.z)))

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Student's confidence interval; true of one look only."""
        half = critical_value(self.df, level) * self.se
        return self.delta - half, self.delta + half


@dataclass(frozen=True, slots=True)
class Relative:
    """A difference as a share of control's mean, without that mean's sign.

    Args:
        effect: 0.1 for ten per cent more than control.
        se: its standard error by the delta method.
        ci_low: lower Fieller limit; None where control's mean cannot be told from 0.
        ci_high: upper Fieller limit; None likewise.
    """

    effect: float
    se: float
    ci_low: float | None
    ci_high: float | None


def satterthwaite(parts: Iterable[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of independent variances.

    Args:
        parts: each variance with its own degrees of freedom; not all variances 0.
    """
    each = [(variance, df) for variance, df in parts if variance > 0]
    whole = math.fsum(variance for variance, _ in each)
    # Shares instead of squared variances: the same quotient, but tiny variances do not underflow.
    return 1 / math.fsum((variance / whole) ** 2 / df for variance, df in each)


def critical_value(df: float, level: float) -> float:
    """Student's two-sided critical value of a confidence level."""
    from scipy.special import stdtrit

    return float(stdtrit(df, (1 + level) / 2))


def ratio_difference(control: RatioStatistics, candidate: RatioStatistics) -> Difference | None:
    """The difference of the arms' ratios of sums; None for fewer than two sessions an arm, or where neither varies."""
    if min(control.n, candidate.n) < 2:
        return None
    of_control, of_candidate = control.variance, candidate.variance
    variance = of_control + of_candidate
    if variance == 0:
        return None
    mean_a, mean_b = control.estimate, candidate.estimate
    return Difference(
        delta=mean_b - mean_a,
        se=math.sqrt(variance),
        df=satterthwaite(((of_control, control.n - 1), (of_candidate, candidate.n - 1))),
        mean_a=mean_a,
        mean_b=mean_b,
        se_a=math.sqrt(of_control),
    )


def session_mean_difference(control: RatioStatistics, candidate: RatioStatistics) -> Difference | None:
    """The same of the means of the sessions' own means, in which a long session counts no more than a short one."""
    return ratio_difference(_by_session(control), _by_session(candidate))


def relative(difference: Difference, *, critical: float | None = None) -> Relative | None:
    """The difference relative to control's mean; None where that is 0.

    Args:
        difference: to divide.
        critical: half the interval's width in standard errors, e.g. of a sequential bound; None: Student's at 95 %.
    """
    mean_a, mean_b = difference.mean_a, difference.mean_b
    if mean_a == 0:
        return None
    effect = difference.delta / abs(mean_a)
    quotient = mean_b / mean_a
    of_a, of_b = difference.se_a**2, difference.variance_b
    se = math.sqrt(of_b + quotient**2 * of_a) / abs(mean_a)
    half = critical_value(difference.df, LEVEL) if critical is None else critical
    g = half**2 * of_a / mean_a**2
    if not g < 1 or math.isinf(half):
        return Relative(effect, se, None, None)
    # The roots in r of (b - ra)² = half² (var b + r² var a), moved from r to effect.
    width = half / abs(mean_a) * math.sqrt(of_b * (1 - g) + quotient**2 * of_a)
    sign = math.copysign(1, mean_a)
    limits = [sign * ((quotient + side * width) / (1 - g) - 1) for side in (-1, 1)]
    return Relative(effect, se, min(limits), max(limits))


def disagree(by_observation: Difference, by_session: Difference, *, level: float = LEVEL) -> bool:
    """Whether the ratio of sums and the mean of session means contradict each other.

    They do where one of them is told from 0 and the other points the other way, or where their intervals have nothing
    in common. Then the answer depends on how much a long session counts, and a person has to say which is meant.
    """
    intervals = [each.interval(level) for each in (by_observation, by_session)]
    apart = max(low for low, _ in intervals) > min(high for _, high in intervals)
    sure = any(low > 0 or high < 0 for low, high in intervals)
    return apart or (sure and by_observation.delta * by_session.delta < 0)


def _by_session(statistics: RatioStatistics) -> RatioStatistics:
    """Each session as one observation, its own mean."""
    return RatioStatistics(
        n=statistics.n,
        sum=statistics.mean_sum,
        count=statistics.n,
        sum_sq=statistics.mean_sq,
        sum_count=statistics.mean_sum,
        count_sq=statistics.n,
    )
