"""One difference from several phases, in which the arms had other shares.

Where the traffic split changes while scores drift with time, the pooled arms differ though the prompts do not: each arm
has another mixture of days. So the arms are compared within each phase and the differences averaged by the phases'
sessions, as in post-stratified sampling (W. G. Cochran, *Sampling Techniques*, 3rd ed. 1977, chapter 5; for ramps T.
Crook et al., "Seven Pitfalls to Avoid when Running Controlled Experiments on the Web", KDD 2009). Weighting by sessions
keeps the estimate that of the mean session; weighting by precision would be of the phase that was split evenly.

Phases are taken as independent: a session that lies in two of them counts in both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kenshin.experiments.stats.difference import Difference, satterthwaite


@dataclass(frozen=True, slots=True)
class Stratum:
    """One phase.

    Args:
        name: of the phase.
        sessions: of both arms in it.
        difference: within it; None where there is none, as with fewer than two sessions an arm.
    """

    name: int
    sessions: int
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class Stratified:
    """The average over phases.

    Args:
        difference: None where no phase has one.
        used: names of the phases it is made of.
        left_out: names of the phases that have sessions but no difference.
    """

    difference: Difference | None
    used: tuple[int, ...]
    left_out: tuple[int, ...]


def stratified(strata: Sequence[Stratum]) -> Stratified:
    """Average differences, weighted by sessions; of one phase it is that phase's difference."""
    kept = [
        (each.sessions, each.difference) for each in strata if each.sessions and each.difference is not None
    ]
    used = tuple(each.name for each in strata if each.sessions and each.difference is not None)
    left_out = tuple(each.name for each in strata if each.sessions and each.difference is None)
    if len(kept) < 2:
        return Stratified(kept[0][1] if kept else None, used, left_out)
    whole = sum(sessions for sessions, _ in kept)
    weighted = [(sessions / whole, difference) for sessions, difference in kept]
    variances = [((weight * each.se) ** 2, each.df) for weight, each in weighted]
    mean_a = math.fsum(weight * each.mean_a for weight, each in weighted)
    mean_b = math.fsum(weight * each.mean_b for weight, each in weighted)
    return Stratified(
        Difference(
            delta=math.fsum(weight * each.delta for weight, each in weighted),
            se=math.sqrt(math.fsum(variance for variance, _ in variances)),
            df=satterthwaite(variances),
            mean_a=mean_a,
            mean_b=mean_b,
            se_a=math.sqrt(math.fsum((weight * each.se_a) ** 2 for weight, each in weighted)),
        ),
        used,
        left_out,
    )
