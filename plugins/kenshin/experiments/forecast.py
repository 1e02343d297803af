"""The forecast: what is to be expected until the horizon, if sessions go on coming as they have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kenshin.experiments.figures import stated
from kenshin.experiments.policy import Policy
from kenshin.experiments.stats.futility import conditional_power
from kenshin.experiments.stats.power import inflation, minimal_detectable_effect, nights_left, power
from kenshin.experiments.stopping import Candidate, boundary_at_horizon

if TYPE_CHECKING:
    from kenshin.experiments.looks import Look


@dataclass(frozen=True, slots=True)
class Plan:
    """The nights to come, as the leading candidate's look sees them.

    Args:
        horizon_nights: after so many nights alpha is spent.
        night: which one this is.
        nights_left: until the horizon.
        nights_needed: from now until `minimal_effect` is found with a power of 80 %; None where none is declared.
        power: to find `minimal_effect` by the horizon; None where none is declared.
        minimal_detectable_effect: the difference that is found by the horizon with a power of 80 %.
        conditional_power: the chance that the leading candidate crosses upwards by the horizon, if there is a
            difference that matters; None after the horizon.
    """

    horizon_nights: int
    night: int
    nights_left: int
    nights_needed: int | None = None
    power: float | None = None
    minimal_detectable_effect: float | None = None
    conditional_power: float | None = None


def information_fraction(information: float, night: int, horizon: int, looks: Sequence[Look]) -> float:
    """Which share of the horizon's information is there: it is expected to grow on as it has since the first look.

    Args:
        information: tonight's.
        night: tonight.
        horizon: the last night.
        looks: of the same candidate, of earlier nights.
    """
    first = next((look for look in looks if look.night < night), None)
    rate = information / night
    if first is not None and information > first.information:
        rate = (information - first.information) / (night - first.night)
    return information / (information + rate * max(0, horizon - night))


def conditional_power_of(
    policy: Policy, candidate: Candidate, night: int, fraction: float, *, comparisons: int
) -> float | None:
    """The chance that a candidate crosses upwards by the horizon, if the difference that matters is there.

    That is `minimal_effect`, or without one the difference that a fixed look at the horizon finds with a power of 80 %:
    going on as the trend did instead would give up every fourth good candidate in the first nights.

    Args:
        policy: its alpha, its horizon and its smallest effect.
        candidate: as seen tonight.
        night: tonight.
        fraction: of the horizon's information that is there.
        comparisons: how many candidates the experiment has.
    """
    if night >= policy.horizon_nights:
        return None
    alpha = policy.spending_alpha / comparisons
    if policy.minimal_effect is None:
        effect = minimal_detectable_effect(1.0, 1.0, alpha=alpha)
    else:
        effect = policy.minimal_effect * math.sqrt(candidate.information / fraction)
    end = boundary_at_horizon(policy.minimum_nights, policy.horizon_nights, alpha, policy.spending)
    return conditional_power(candidate.difference.z, min(fraction, 1.0), end, drift="effect", effect=effect)


def plan_of(
    policy: Policy,
    night: int,
    candidate: Candidate | None = None,
    chance: float | None = None,
    *,
    fraction: float = 0.0,
    comparisons: int = 1,
) -> Plan:
    """The plan as the leading candidate sees it; without one, the calendar alone.

    Args:
        policy: its alpha, its horizon and its smallest effect.
        night: tonight.
        candidate: the one with the highest z.
        chance: its conditional power.
        fraction: of the horizon's information that is there.
        comparisons: how many candidates the experiment has.
    """
    horizon = policy.horizon_nights
    left = max(0, horizon - night)
    if candidate is None:
        return Plan(horizon, night, left)
    alpha = policy.spending_alpha / comparisons
    grown = inflation(horizon - policy.minimum_nights + 1, policy.spending, alpha=alpha)
    at_horizon = candidate.difference.se * math.sqrt(fraction)
    smallest = minimal_detectable_effect(at_horizon, 1.0, alpha=alpha, inflation=grown)
    needed, found = None, None
    if policy.minimal_effect is not None:
        needed = nights_left(
            policy.minimal_effect, candidate.difference.se, night, alpha=alpha, inflation=grown
        )
        found = stated(power(policy.minimal_effect, at_horizon, 1.0, alpha=alpha, inflation=grown))
    return Plan(
        horizon, night, left, needed, found, stated(smallest), None if chance is None else stated(chance)
    )
