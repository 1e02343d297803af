"""Estimates: a candidate's difference from control in one metric, within phases and then over them.

Another split, prompt or holdout opens a phase. Where the score moves with time and the split does too, a difference of
pooled means takes the one for the other; a difference within each phase does not, so the estimate is stratified. A
session that lasts through two phases counts in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kenshin.experiments.stats import cuped
from kenshin.experiments.stats.difference import Difference, disagree, ratio_difference, session_mean_difference
from kenshin.experiments.stats.ratio import RatioStatistics
from kenshin.experiments.stats.stratified import Stratum, stratified
from kenshin.experiments.sufficient import ALL_PHASES, ALL_SEGMENTS, OBSERVATIONS, SCORE, Cell, Statistics

if TYPE_CHECKING:
    from collections.abc import Sequence

TURNS = "turns"
"""Observations a session."""


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
    phases = statistics.phases()
    pairs = {
        phase: (_of(statistics, control, phase, segment, metric), _of(statistics, arm, phase, segment, metric))
        for phase in (phases if len(phases) > 1 else (ALL_PHASES,))
    }
    found = {phase: _differences(*pair, adjusted=adjusted) for phase, pair in pairs.items() if min(p.n for p in pair) > 1}
    told = {phase: each for phase, each in found.items() if each is not None}
    if not told:
        return None
    sessions = sum(ours.n + theirs.n for ours, theirs in pairs.values())
    if len(pairs) == 1:
        ((plain, sharp),) = told.values()
        return Estimate(sharp or plain, plain, _reduction(plain, sharp), sessions)
    strata = [(phase, pairs[phase], each) for phase, each in told.items()]
    plain = stratified([Stratum(each[0], ours.n, theirs.n) for _, (ours, theirs), each in strata])
    sharp = None
    if any(each[1] is not None for _, _, each in strata):
        sharp = stratified([Stratum(each[1] or each[0], ours.n, theirs.n) for _, (ours, theirs), each in strata])
    return Estimate(
        sharp or plain,
        plain,
        _reduction(plain, sharp),
        sessions,
        tuple(_phase(phase, *pair, told.get(phase)) for phase, pair in pairs.items()),
    )


def session_means(statistics: Statistics, control: str, arm: str) -> Difference | None:
    """The difference of the mean of session means of the score, over all phases; None where it cannot be told."""
    ours, theirs = statistics.of(control, SCORE), statistics.of(arm, SCORE)
    return session_mean_difference(ours, theirs) if min(ours.n, theirs.n) > 1 else None


def _differences(
    control: RatioStatistics, candidate: RatioStatistics, *, adjusted: bool
) -> tuple[Difference, Difference | None] | None:
    plain = ratio_difference(control, candidate)
    if plain is None:
        return None
    return plain, cuped.adjusted(control, candidate) if adjusted else None


def _of(statistics: Statistics, arm: str, phase: int, segment: str, metric: str) -> RatioStatistics:
    if metric != TURNS:
        return statistics.cells.get(Cell(arm, phase, segment, metric), RatioStatistics())
    cell = statistics.cells.get(Cell(arm, phase, segment, OBSERVATIONS), RatioStatistics())
    return turns(cell)


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


def _phase(
    phase: int,
    control: RatioStatistics,
    candidate: RatioStatistics,
    found: tuple[Difference, Difference | None] | None,
) -> PhaseEstimate:
    if found is None:
        return PhaseEstimate(phase, control.n, candidate.n, None, None)
    used = found[1] or found[0]
    return PhaseEstimate(phase, control.n, candidate.n, used.delta, used.se)


def _reduction(plain: Difference, sharp: Difference | None) -> float | None:
    return None if sharp is None or plain.se == 0 else 1 - (sharp.se / plain.se) ** 2
