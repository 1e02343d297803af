"""Guardrails: figures that a candidate must not harm, whatever its score.

A guardrail passes where the candidate is surely less than the margin worse, and is harmed where it is surely more.
"Surely" is as far out as the score's own boundary of the night: looked at every night, a fixed level would find harm,
or safety, by patience alone. A guardrail's information grows as the score's does, by sessions, so the score's boundary
serves. Each guardrail is a promise of its own and there is no correction over several: each must pass for a promotion,
and any one that is harmed takes the arm back.

The 95th percentile of latency and winsorised values are of all phases together, everything else is within phases.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kenshin.experiments.estimates import estimate
from kenshin.experiments.figures import LATENCY_P95, stated
from kenshin.experiments.policy import Direction, Guardrail, Policy
from kenshin.experiments.stats.difference import Difference, ratio_difference
from kenshin.experiments.stats.noninferiority import Guard, Outcome
from kenshin.experiments.stats.quantile import QuantileEstimate
from kenshin.experiments.sufficient import Statistics

if TYPE_CHECKING:
    from kenshin.experiments.looks import Look
    from kenshin.experiments.stats.ratio import RatioStatistics
    from kenshin.experiments.stopping import Limit


@dataclass(frozen=True, slots=True)
class GuardrailFigures:
    """What a guardrail says of a candidate.

    Args:
        arm: the candidate.
        metric: that is guarded.
        margin: share of control's figure by which it may be worse.
        worse: in which direction it gets worse.
        delta: candidate minus control; None where there is nothing to compare.
        delta_relative: the same as a share of control's figure; None where that is 0.
        ci_low: lower limit of `delta_relative`, as far out as the night's boundary; None without one.
        ci_high: its upper limit.
        outcome: passes, harmed or undecided.
        excess: by how much `delta_relative` is worse than the margin; negative within it.
    """

    arm: str
    metric: str
    margin: float
    worse: Direction
    delta: float | None
    delta_relative: float | None
    ci_low: float | None
    ci_high: float | None
    outcome: Outcome
    excess: float | None


def guarded(
    policy: Policy,
    statistics: Statistics,
    quantiles: Mapping[str, QuantileEstimate],
    winsorised: Mapping[str, Mapping[str, RatioStatistics]],
    *,
    control: str,
    arm: str,
    limit: Limit | None,
    looks: Sequence[Look],
) -> tuple[GuardrailFigures, ...]:
    """Every guardrail of the policy, for one candidate.

    Args:
        policy: which guardrails.
        statistics: what was observed.
        quantiles: the 95th percentile of each arm's latency.
        winsorised: statistics of metrics whose values were cut, by metric and arm.
        control: the arm in use.
        arm: the candidate.
        limit: of the candidate's score tonight.
        looks: of the candidate, of earlier nights; after the horizon the last of their boundaries serves.
    """
    if not policy.guardrails:
        return ()
    alpha = _one_sided(limit, looks)
    found = []
    for rail in policy.guardrails:
        if rail.metric == LATENCY_P95:
            difference = _of_quantiles(quantiles.get(control), quantiles.get(arm))
        elif rail.metric in winsorised:
            arms = winsorised[rail.metric]
            difference = ratio_difference(arms[control], arms[arm]) if {control, arm} <= set(arms) else None
        else:
            each = estimate(statistics, control, arm, metric=rail.metric)
            difference = None if each is None else each.difference
        if difference is None and _constant(statistics, control, arm, rail):
            found.append(_passing(rail, arm))
        else:
            found.append(_figures(rail, arm, difference, alpha))
    return tuple(found)


def _one_sided(limit: Limit | None, looks: Sequence[Look]) -> float:
    """The level of each limit tonight; 0 where nothing may be decided."""
    from scipy.special import ndtr, stdtr

    if limit is not None:
        return float(ndtr(-limit.z))
    over = [(look.df, look.boundary) for look in looks if look.boundary is not None and look.time >= 1]
    return float(stdtr(over[-1][0], -over[-1][1])) if over else 0.0


def _constant(statistics: Statistics, control: str, arm: str, rail: Guardrail) -> bool:
    """Whether the metric is one and the same figure in every session, as an error that never happened."""
    ours, theirs = (statistics.of(each, rail.metric) for each in (control, arm))
    known = min(ours.n, theirs.n) > 1 and ours.variance == theirs.variance == 0
    return known and ours.estimate == theirs.estimate


def _passing(rail: Guardrail, arm: str) -> GuardrailFigures:
    known = (arm, rail.metric, rail.margin_relative, rail.worse)
    return GuardrailFigures(*known, 0.0, 0.0, 0.0, 0.0, "passes", -rail.margin_relative)


def _of_quantiles(control: QuantileEstimate | None, candidate: QuantileEstimate | None) -> Difference | None:
    if control is None or candidate is None or control.se is None or candidate.se is None:
        return None
    se = math.hypot(control.se, candidate.se)
    if se == 0:
        return None
    return Difference(
        delta=candidate.value - control.value,
        se=se,
        df=math.inf,
        mean_a=control.value,
        mean_b=candidate.value,
        se_a=control.se,
    )


def _figures(rail: Guardrail, arm: str, difference: Difference | None, alpha: float) -> GuardrailFigures:
    known = (arm, rail.metric, rail.margin_relative, rail.worse)
    if difference is None:
        return GuardrailFigures(*known, None, None, None, None, "undecided", None)
    result = Guard(rail.margin_relative, rail.worse).judge(difference, alpha=alpha)
    direction = 1 if rail.worse == "higher" else -1
    excess = math.inf if result.effect is None else direction * result.effect - rail.margin_relative
    return GuardrailFigures(
        *known,
        delta=stated(difference.delta),
        delta_relative=_stated(result.effect),
        ci_low=_stated(result.ci_low),
        ci_high=_stated(result.ci_high),
        outcome=result.outcome,
        excess=None if math.isinf(excess) else stated(excess),
    )


def _stated(value: float | None) -> float | None:
    return None if value is None else stated(value)
