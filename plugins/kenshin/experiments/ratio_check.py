"""The sample ratio: whether each phase's sessions fell on the arms as they were assigned then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from kenshin.experiments.experiment import Experiment
from kenshin.experiments.figures import stated
from kenshin.experiments.stats.mismatch import chi_square, e_value
from kenshin.experiments.sufficient import ALL_PHASES, OBSERVATIONS, Statistics

Shares = Mapping[int, Mapping[str, float]]
"""The arms' shares in each phase."""

BEYOND_DOUBT = 1e300
"""An e-value is stated no higher: a product of several could leave the floats."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Whether sessions are divided as assigned.

    Args:
        chi_square_p: Pearson's, true of one look; None where there is nothing to compare.
        e_value: the product over the phases; true of all looks together.
        expected: the share of each arm, over the phases.
        observed: sessions of each arm, over the phases; one that lasts through two counts in both.
        held: whether the e-value reaches 1/`srm_alpha`.
        untold: phases whose shares are not known, so that they are left out.
    """

    chi_square_p: float | None
    e_value: float
    expected: Mapping[str, float]
    observed: Mapping[str, int]
    held: bool
    untold: tuple[int, ...] = ()


def mismatch_of(experiment: Experiment, statistics: Statistics, shares: Shares | None = None) -> Mismatch:
    """Compare each phase's sessions with its shares.

    Args:
        experiment: whose arms; the shares of its current phase are known.
        statistics: what was observed.
        shares: of earlier phases.
    """
    current = {arm.name: arm.share for arm in experiment.all_arms()}
    known = {**(shares or {}), experiment.phase: current}
    phases = statistics.phases() or (ALL_PHASES,)
    if phases == (ALL_PHASES,):
        known = {ALL_PHASES: current}
    counts = {
        phase: {
            arm: statistics.of(arm, OBSERVATIONS, phase=phase).n
            for arm, share in known[phase].items()
            if share > 0
        }
        for phase in phases
        if phase in known
    }
    observed = {arm: sum(each.get(arm, 0) for each in counts.values()) for arm in current}
    total = sum(observed.values())
    expected = {
        arm: sum(sum(each.values()) * _share(known[phase], arm) for phase, each in counts.items()) / total
        if total
        else current[arm]
        for arm in current
    }
    evidence = min(prod(e_value(each, known[phase]) for phase, each in counts.items()), BEYOND_DOUBT)
    test = chi_square({arm: n for arm, n in observed.items() if expected[arm] > 0}, expected)
    return Mismatch(
        chi_square_p=None if test is None else stated(test.p_value),
        e_value=stated(evidence),
        expected={arm: stated(share) for arm, share in expected.items()},
        observed=observed,
        held=evidence >= 1 / experiment.policy.srm_alpha,
        untold=tuple(phase for phase in phases if phase not in known),
    )


def _share(shares: Mapping[str, float], arm: str) -> float:
    whole = sum(shares.values())
    return shares.get(arm, 0.0) / whole if whole else 0.0
