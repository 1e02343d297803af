"""Estimates: a candidate's difference from control in one metric, within phases and then over them.

Another split, prompt or holdout opens a phase. Where the score moves with time and the split does too, a difference of
pooled means takes the one for the other; a difference within each phase does not, so the estimate is stratified.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kenshin.experiments.stats.cuped import adjusted as cuped
from kenshin.experiments.stats.cuped import variance_reduction
from kenshin.experiments.stats.difference import Difference, ratio_difference, session_mean_difference
from kenshin.experiments.stats.ratio import RatioStatistics
from kenshin.experiments.stats.stratified import Stratum, stratified
from kenshin.experiments.sufficient import ALL_PHASES, ALL_SEGMENTS, OBSERVATIONS, SCORE, Cell, Statistics

TURNS = "turns"
"""Observations a session."""

Pair = tuple[RatioStatistics, RatioStatistics]
"""Control and candidate."""


@dataclass(frozen=True, slots=True)
class PhaseEstimate:
    """What one phase says: sessions of control and of the candidate, and their difference; None where it cannot say."""

    phase: int
    sessions_a: int
    sessions_b: int
    delta: float | None
    se: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A candidate minus control, in one metric.

    Args:
        difference: over the phases; sharpened by a covariate where there is one and it was asked for.
        unadjusted: the same without the covariate.
        variance_reduction: which share of the variance the covariate takes away; None without one.
        sessions: of both arms.
        by_phase: each phase of several.
    """

    difference: Difference
    unadjusted: Difference
    variance_reduction: float | None
    sessions: int
    by_phase: tuple[PhaseEstimate, ...] = ()


def estimate(
    statistics: Statistics,
    control: str,
    arm: str,
    *,
    metric: str = SCORE,
    segment: str = ALL_SEGMENTS,
    adjusted: bool = False,
) -> Estimate | None:
    """The difference of an arm from control; None where neither varies or one has fewer than two sessions.

    Args:
        statistics: what was observed.
        control: the arm in use.
        arm: the candidate.
        metric: of the statistics, or `TURNS`.
        segment: one of them, or all.
        adjusted: whether a covariate may sharpen it.
    """
    pairs = _pairs(statistics, control, arm, segment, metric)
    plain = {phase: ratio_difference(*pair) for phase, pair in pairs.items()}
    unadjusted = _over_phases(pairs, plain)
    if unadjusted is None:
        return None
    used, sharp, reduction = plain, None, None
    if adjusted and any(each.covariate.n for pair in pairs.values() for each in pair):
        used = {phase: each and (cuped(*pairs[phase]) or each) for phase, each in plain.items()}
        sharp = _over_phases(pairs, used)
    if sharp is not None:
        reduction = variance_reduction(unadjusted, sharp)
    by_phase = tuple(_phase(phase, *pair, used[phase]) for phase, pair in pairs.items())
    return Estimate(
        difference=sharp or unadjusted,
        unadjusted=unadjusted,
        variance_reduction=reduction,
        sessions=sum(ours.n + theirs.n for ours, theirs in pairs.values()),
        by_phase=by_phase if len(pairs) > 1 else (),
    )


def session_means(statistics: Statistics, control: str, arm: str) -> Difference | None:
    """The difference of the means of session means of the score, over the phases; None where it cannot be told."""
    pairs = _pairs(statistics, control, arm, ALL_SEGMENTS, SCORE)
    return _over_phases(pairs, {phase: session_mean_difference(*pair) for phase, pair in pairs.items()})


def turns(observations: RatioStatistics) -> RatioStatistics:
    """Observations a session: each session's count becomes its sum, and it counts once."""
    counts = float(observations.count)
    return RatioStatistics(
        n=observations.n,
        sum=counts,
        count=observations.n,
        sum_sq=float(observations.count_sq),
        sum_count=counts,
        count_sq=observations.n,
        mean_sum=counts,
        mean_sq=float(observations.count_sq),
    )


def _pairs(statistics: Statistics, control: str, arm: str, segment: str, metric: str) -> dict[int, Pair]:
    """Control and candidate in every phase; where there is only one, in all."""
    phases = statistics.phases()
    read: Callable[[RatioStatistics], RatioStatistics] = turns if metric == TURNS else lambda each: each
    name = OBSERVATIONS if metric == TURNS else metric
    nothing = RatioStatistics()
    return {
        phase: (
            read(statistics.cells.get(Cell(control, phase, segment, name), nothing)),
            read(statistics.cells.get(Cell(arm, phase, segment, name), nothing)),
        )
        for phase in (phases if len(phases) > 1 else (ALL_PHASES,))
    }


def _over_phases(pairs: Mapping[int, Pair], found: Mapping[int, Difference | None]) -> Difference | None:
    if len(pairs) == 1:
        return next(iter(found.values()))
    strata = [Stratum(phase, ours.n + theirs.n, found[phase]) for phase, (ours, theirs) in pairs.items()]
    return stratified(strata).difference


def _phase(
    phase: int, control: RatioStatistics, candidate: RatioStatistics, found: Difference | None
) -> PhaseEstimate:
    if found is None:
        return PhaseEstimate(phase, control.n, candidate.n, None, None)
    return PhaseEstimate(phase, control.n, candidate.n, found.delta, found.se)
