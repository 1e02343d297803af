"""Guardrails: whether the candidate is at most a declared margin worse than control.

A non-inferiority test on each side of the margin (G. Piaggio et al., "Reporting of Noninferiority and Equivalence
Randomized Trials", JAMA 308, 2012). With a margin relative to control's mean, the null hypothesis is a line in both
means, (b − a)·direction = margin·|a|, so it is tested as that contrast and needs no division: the test that E. C.
Fieller's interval of a ratio inverts ("Some Problems in Interval Estimation", JRSS B 16, 1954).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from kenshin.errors import InvalidInput
from kenshin.experiments.stats.difference import Difference, relative

Outcome = Literal["passes", "harmed", "undecided"]
Worse = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class GuardResult:
    """What a guardrail says.

    Args:
        outcome: passes where the candidate is surely less than the margin worse, harmed where it is surely more.
        effect: relative to control's mean; None where that is 0.
        ci_low: lower one-sided limit of `effect`; None where control's mean cannot be told from 0.
        ci_high: its upper one-sided limit, likewise.
    """

    outcome: Outcome
    effect: float | None
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True, slots=True)
class Guard:
    """A margin.

    Args:
        margin: that is tolerated, as a share of control's mean: 0.05 for five per cent; 0 asks for an improvement.
        worse: which way is worse.
    """

    margin: float
    worse: Worse = "higher"

    def __post_init__(self) -> None:
        if not 0 <= self.margin < math.inf:
            raise InvalidInput(
                value=self.margin,
                reason="a margin is a share, not negative",
                mend="Use 0.05 for five per cent.",
            )
        if self.worse not in ("higher", "lower"):
            raise InvalidInput(value=self.worse, reason="no such direction", mend="Use 'higher' or 'lower'.")

    def judge(self, difference: Difference, *, alpha: float = 0.05) -> GuardResult:
        """Compare a difference with the margin.

        Args:
            difference: of the guarded metric.
            alpha: one-sided level of each limit at this look; of nightly looks half a bound's `level`, and at 0 nothing
                is decided.
        """
        from scipy.special import stdtrit

        critical = -float(stdtrit(difference.df, alpha)) if alpha > 0 else math.inf
        direction = 1.0 if self.worse == "higher" else -1.0
        slope = direction + math.copysign(self.margin, difference.mean_a)
        excess = direction * difference.delta - self.margin * abs(difference.mean_a)
        half = critical * math.sqrt(difference.variance_b + slope**2 * difference.se_a**2)
        outcome: Outcome = "undecided"
        if excess + half < 0:
            outcome = "passes"
        elif excess - half > 0:
            outcome = "harmed"
        told = relative(difference, critical=critical)
        if told is None:
            return GuardResult(outcome, None, None, None)
        return GuardResult(outcome, told.effect, told.ci_low, told.ci_high)
