"""Stopping: how large z must be tonight, so that looking every night decides falsely no more often than alpha.

Alpha is spent by the calendar, the share of the horizon that has passed, while the boundary follows from the
information that was observed (K. K. G. Lan and D. L. DeMets, "Group sequential procedures: calendar versus information
time", Statistics in Medicine 8, 1989): nights that are skipped, added or thinner than others do no harm. A look that
may not decide spends nothing.

Several candidates: each is tested at alpha divided by their number. With ``holm``, alpha of a comparison that has
crossed its boundary passes to the others, at the same look and later; their boundaries are then those of a plan that
had that alpha from the start (W. Maurer and F. Bretz, "Multiple testing in group sequential trials using graphical
approaches", Statistics in Biopharmaceutical Research 5, 2013; Y. Ye et al., "A group sequential Holm procedure with
multiple primary endpoints", Statistics in Medicine 32, 2013). Every intersection of hypotheses is tested at a
Bonferroni share of alpha by boundaries of its own, so the family's error stays below alpha by closure.

Few sessions: the boundary is Student's t quantile of the same tail as the normal z (`Bound.critical`; S. J. Pocock,
"Group sequential methods in the design and analysis of clinical trials", Biometrika 64, 1977).

After the horizon, a policy that extends goes on with an asymptotic confidence sequence on the alpha kept back; the two
parts add up to alpha by the union bound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from kenshin.experiments.policy import Policy, Spending
from kenshin.experiments.stats.sequence import sequence_bound
from kenshin.experiments.stats.sequential import bounds

if TYPE_CHECKING:
    from kenshin.experiments.looks import Look
    from kenshin.experiments.stats.difference import Difference


@dataclass(frozen=True, slots=True)
class Candidate:
    """What stopping needs to know of a comparison.

    Args:
        difference: candidate minus control.
        information: 1/se².
        sessions: of both arms.
    """

    difference: Difference
    information: float
    sessions: int


@dataclass(frozen=True, slots=True)
class Limit:
    """How far from zero decides.

    Args:
        z: for a normal estimate.
        boundary: for this one, with its degrees of freedom.
        alpha_spent: of this comparison, until now.
    """

    z: float
    boundary: float
    alpha_spent: float


def limits(
    policy: Policy,
    candidates: Mapping[str, Candidate],
    looks: Sequence[Look],
    *,
    comparisons: int,
    time: float,
) -> dict[str, Limit | None]:
    """Tonight's limit of every candidate; None where no alpha is left.

    Args:
        policy: alpha, spending, correction and extension.
        candidates: by arm.
        looks: of earlier nights.
        comparisons: how many candidates the experiment has.
        time: the share of the horizon that has passed.
    """
    rejected = {look.arm for look in looks if look.outcome in ("crossed_up", "crossed_down")}
    found: dict[str, Limit | None] = {}
    while True:
        left = comparisons - len(rejected) if policy.correction == "holm" else comparisons
        now = {
            arm: _limit(policy, each, [look for look in looks if look.arm == arm], 1 / max(1, left), time)
            for arm, each in candidates.items()
            if arm not in found
        }
        crossed = {
            arm
            for arm, limit in now.items()
            if limit is not None and arm not in rejected and _beyond(candidates[arm].difference, limit)
        }
        if not crossed or policy.correction == "bonferroni":
            return {**now, **found}
        found.update({arm: now[arm] for arm in crossed})
        rejected |= crossed


@lru_cache(maxsize=256)
def boundary_at_horizon(first: int, horizon: int, alpha: float, spending: Spending) -> float:
    """The last normal boundary of a plan with one look a night, equally informative.

    Args:
        first: night that may decide.
        horizon: the last night.
        alpha: that is spent until the horizon.
        spending: how.
    """
    steps = tuple((night / horizon, night / horizon) for night in range(first, horizon + 1))
    return bounds(steps, alpha, spending)[-1].z


def _limit(policy: Policy, each: Candidate, looks: Sequence[Look], share: float, time: float) -> Limit | None:
    difference = each.difference
    spent = [look for look in looks if look.boundary is not None]
    end = next((place for place, look in enumerate(spent) if look.time >= 1), None)
    if end is None:
        steps = (*((look.information, look.time) for look in spent), (each.information, time))
        bound = bounds(steps, policy.spending_alpha * share, policy.spending)[-1]
        critical = bound.critical(difference.df)
        return Limit(bound.z, critical, bound.alpha_spent) if math.isfinite(critical) else None
    if not policy.extend:
        return None
    half = sequence_bound(each.sessions, policy.extension_alpha * share, spent[end].sessions)
    return Limit(half, half, policy.alpha * share)


def _beyond(difference: Difference, limit: Limit) -> bool:
    return abs(difference.delta) >= limit.boundary * difference.se
