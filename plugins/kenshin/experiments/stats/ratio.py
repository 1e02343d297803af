"""The mean of observations that come in sessions: a ratio of sums, with the session as its unit.

With sᵢ the sum and kᵢ the count of session i, the mean is R̂ = Σs/Σk. Its variance by the delta method is
Σ(sᵢ − R̂kᵢ)² / [n(n−1)k̄²] (W. G. Cochran, *Sampling Techniques*, 3rd ed. 1977, chapter 6; A. Deng, U.
Knoblich and J. Lu, "Applying the Delta Method in Metric Analytics", KDD 2018). That equals the cluster-robust
variance CR0 of an intercept-only regression times n/(n−1).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any

from kenshin.errors import InvalidInput

RESOLUTION = Fraction(1, 10**14)
"""A residual sum of squares below this share of the squares it is made of is rounding, and counts as none."""


@dataclass(frozen=True, slots=True)
class CovariateSums:
    """What is needed of a session's covariate x beside its sum s and count k, over the sessions that have one.

    Args:
        n: sessions that have the covariate.
        x: Σx.
        x_sq: Σx².
        x_sum: Σxs.
        x_count: Σxk.
        sum: Σs of these sessions.
        count: Σk of these sessions.
    """

    n: int = 0
    x: float = 0.0
    x_sq: float = 0.0
    x_sum: float = 0.0
    x_count: float = 0.0
    sum: float = 0.0
    count: int = 0

    @classmethod
    def of_sessions(cls, sessions: Iterable[tuple[float, float, int]]) -> CovariateSums:
        """From each session's covariate, sum and count; exactly rounded sums, so their order does not matter."""
        rows = list(sessions)
        return cls(
            n=len(rows),
            x=math.fsum(x for x, _, _ in rows),
            x_sq=math.fsum(x * x for x, _, _ in rows),
            x_sum=math.fsum(x * s for x, s, _ in rows),
            x_count=math.fsum(x * k for x, _, k in rows),
            sum=math.fsum(s for _, s, _ in rows),
            count=sum(k for _, _, k in rows),
        )

    @classmethod
    def total(cls, parts: Iterable[CovariateSums]) -> CovariateSums:
        """All parts together; exactly rounded sums, so their order does not matter."""
        return cls(**_added(list(parts), cls))


@dataclass(frozen=True, slots=True)
class RatioStatistics:
    """What is needed of the sessions of one cell; adding two adds their disjoint sets of sessions.

    Args:
        n: sessions.
        sum: Σs, over the sessions' sums s.
        count: Σk, over the sessions' counts k: how many observations.
        sum_sq: Σs².
        sum_count: Σsk.
        count_sq: Σk².
        mean_sum: Σ(s/k), over the sessions' own means.
        mean_sq: Σ(s/k)².
        covariate: of the sessions whose covariate was known before they were exposed.
    """

    n: int = 0
    sum: float = 0.0
    count: int = 0
    sum_sq: float = 0.0
    sum_count: float = 0.0
    count_sq: int = 0
    mean_sum: float = 0.0
    mean_sq: float = 0.0
    covariate: CovariateSums = field(default_factory=CovariateSums)

    @classmethod
    def of_sessions(
        cls, sessions: Iterable[tuple[float, int]], *, covariates: Iterable[float | None] = ()
    ) -> RatioStatistics:
        """From each session's sum and count; exactly rounded sums, so their order does not matter.

        Args:
            sessions: their sums and counts.
            covariates: in the same order, each session's covariate, None where it has none; empty: none has.
        """
        pairs = list(sessions)
        known = list(covariates)
        return cls(
            n=len(pairs),
            sum=math.fsum(s for s, _ in pairs),
            count=sum(k for _, k in pairs),
            sum_sq=math.fsum(s * s for s, _ in pairs),
            sum_count=math.fsum(s * k for s, k in pairs),
            count_sq=sum(k * k for _, k in pairs),
            mean_sum=math.fsum(s / k for s, k in pairs),
            mean_sq=math.fsum((s / k) ** 2 for s, k in pairs),
            covariate=CovariateSums.of_sessions(
                (x, s, k) for (s, k), x in zip(pairs, known, strict=bool(known)) if x is not None
            ),
        )

    @classmethod
    def total(cls, parts: Iterable[RatioStatistics]) -> RatioStatistics:
        """All parts together; exactly rounded sums, so their order does not matter."""
        each = list(parts)
        return cls(
            **_added(each, cls, leave_out=("covariate",)),
            covariate=CovariateSums.total(part.covariate for part in each),
        )

    def __add__(self, other: RatioStatistics) -> RatioStatistics:
        return self.total((self, other))

    @property
    def estimate(self) -> float:
        """R̂, the mean per observation; raises InvalidInput where there is none."""
        return float(self._ratio())

    @property
    def variance(self) -> float:
        """Variance of R̂; raises InvalidInput for fewer than two sessions.

        The residual Σ(s − R̂k)² = Σs² − 2R̂Σsk + R̂²Σk² is a small difference of large sums where sessions
        hardly differ, so it is formed in exact rational arithmetic: only the rounding of the sums themselves
        is left.
        """
        if self.n < 2:
            raise InvalidInput(
                value=f"{self.n} sessions",
                reason="a variance needs at least two",
                mend="Wait for more sessions.",
            )
        ratio = self._ratio()
        squares = Fraction(self.sum_sq) + ratio * ratio * self.count_sq
        residual = squares - 2 * ratio * Fraction(self.sum_count)
        if residual <= RESOLUTION * squares:
            return 0.0
        return float(residual * self.n / ((self.n - 1) * self.count * self.count))

    def _ratio(self) -> Fraction:
        if self.count <= 0:
            raise InvalidInput(
                value="no observations", reason="there is no mean of nothing", mend="Wait for some."
            )
        return Fraction(self.sum) / self.count


def _added(parts: list[Any], kind: type, *, leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """Each field's sum; of floats exactly rounded."""
    names = [each for each in fields(kind) if each.name not in leave_out]
    return {
        each.name: (sum if each.type == "int" else math.fsum)(getattr(part, each.name) for part in parts)
        for each in names
    }
