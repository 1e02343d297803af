"""The assessment of a night: everything that is tested, of statistics in memory, before anything is decided.

Pure and fast, so that a simulation decides thousands of worlds by the very code that decides a night.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from kenshin.experiments.estimates import Estimate, estimate, session_means
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.exploration import MetricDifference, SegmentFigures, metrics_of, segments_of
from kenshin.experiments.figures import stated
from kenshin.experiments.forecast import Plan, conditional_power_of, information_fraction, plan_of
from kenshin.experiments.guardrails import GuardrailFigures, guarded
from kenshin.experiments.looks import Look, Outcome
from kenshin.experiments.ratio_check import Mismatch, Shares, mismatch_of
from kenshin.experiments.stats.difference import Relative, disagree, relative
from kenshin.experiments.stopping import Candidate, Limit, limits
from kenshin.experiments.sufficient import SCORE, Statistics
from kenshin.experiments.validity import Validity, validity_of

if TYPE_CHECKING:
    from kenshin.experiments.stats.difference import Difference
    from kenshin.experiments.stats.quantile import QuantileEstimate
    from kenshin.experiments.stats.ratio import RatioStatistics


JUDGED = ("primary", "guardrails", "mismatch", "plan", "segments", "metrics")
"""The report's keys that an assessment fills."""


@dataclass(frozen=True, slots=True)
class ArmAssessment:
    """A candidate.

    Args:
        arm: its name.
        live: whether sessions are still assigned to it.
        estimate: of the score; None where nothing varies or there are too few sessions.
        look: what the ledger gets; None without an estimate.
        relative: the effect as a share of control's mean, its interval as wide as the boundary.
        session_mean_delta: the difference of the means of session means.
        disagreement: whether that contradicts the estimate.
        guards: the guardrails.
        conditional_power: the chance to cross upwards by the horizon, if the difference that matters is there.
    """

    arm: str
    live: bool
    estimate: Estimate | None = None
    look: Look | None = None
    relative: Relative | None = None
    session_mean_delta: float | None = None
    disagreement: bool = False
    guards: tuple[GuardrailFigures, ...] = ()
    conditional_power: float | None = None

    def interval(self) -> str:
        """The size of the difference in words, with its repeated interval where that leaves out 0."""
        look = self.look
        if look is None:
            return "an unknown amount"
        size = f"{abs(look.estimate):.4g}"
        if look.ci_low is None or look.ci_high is None or look.ci_low * look.ci_high <= 0:
            return size
        low, high = sorted((abs(look.ci_low), abs(look.ci_high)))
        return f"{size} ({low:.4g} to {high:.4g})"


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a night sees.

    Args:
        day: through which the observations were counted.
        night: days from the first to `day`.
        time: the share of the horizon that has passed, at most 1.
        validity: whether it may decide.
        arms: every candidate, in order.
        mismatch: whether sessions are divided as assigned.
        segments: differences by segment, exploratory.
        metrics: differences in further metrics, exploratory.
        plan: what is to be expected until the horizon.
    """

    day: date
    night: int
    time: float
    validity: Validity
    arms: tuple[ArmAssessment, ...]
    mismatch: Mismatch
    segments: tuple[SegmentFigures, ...]
    metrics: tuple[MetricDifference, ...]
    plan: Plan

    def as_dict(self) -> dict[str, Any]:
        """The assessment at a JSON edge, under the report's keys."""
        return {
            "primary": [_primary(each) for each in self.arms],
            "guardrails": [asdict(guard) for each in self.arms for guard in each.guards],
            "mismatch": {**asdict(self.mismatch), "untold": list(self.mismatch.untold)},
            "plan": asdict(self.plan),
            "segments": [asdict(each) for each in self.segments],
            "metrics": [asdict(each) for each in self.metrics],
        }


def assess(
    experiment: Experiment,
    statistics: Statistics,
    quantiles: Mapping[str, QuantileEstimate],
    winsorised: Mapping[str, Mapping[str, RatioStatistics]],
    looks: Sequence[Look],
    *,
    days: Sequence[date],
    retrospective: bool = False,
    ended: bool | None = None,
    shares: Shares | None = None,
) -> Assessment:
    """Test everything that the night tests.

    Args:
        experiment: its arms and its policy.
        statistics: what was observed; its `days` are those that were collected.
        quantiles: the 95th percentile of each arm's latency, where it was looked at.
        winsorised: statistics of metrics whose values were cut, by metric and arm.
        looks: of earlier nights, oldest first.
        days: every day from the experiment's first through the last that counts.
        retrospective: whether a later day was looked at already.
        ended: whether it is over; by its status unless given.
        shares: the arms' shares in earlier phases.
    """
    control, *others = experiment.all_arms()
    policy, day, night = experiment.policy, days[-1], len(days)
    names = [arm.name for arm in others]
    estimates = {arm: estimate(statistics, control.name, arm, adjusted=policy.cuped) for arm in names}
    mismatch = mismatch_of(experiment, statistics, shares)
    validity = validity_of(
        experiment,
        statistics,
        mismatch,
        days=days,
        estimated=[arm for arm, each in estimates.items() if each is not None],
        retrospective=retrospective,
        ended=experiment.status != "running" if ended is None else ended,
    )
    frame = _Frame(
        experiment=experiment,
        day=day,
        night=night,
        time=min(1.0, night / policy.horizon_nights),
        phase=max(statistics.phases(), default=experiment.phase),
        decides=not validity.problems,
        control=control.name,
        mismatch=mismatch,
    )
    candidates = {
        arm: Candidate(each.difference, stated(each.difference.se**-2), each.sessions)
        for arm, each in estimates.items()
        if each is not None
    }
    found: Mapping[str, Limit | None] = {}
    if frame.decides:
        found = limits(policy, candidates, looks, comparisons=len(others), time=frame.time)
    arms: list[ArmAssessment] = []
    lead = max(candidates, key=lambda arm: candidates[arm].difference.z, default=None)
    plan = plan_of(policy, night)
    for arm in others:
        each = estimates[arm.name]
        if each is None:
            arms.append(ArmAssessment(arm.name, arm.share > 0))
            continue
        before = [look for look in looks if look.arm == arm.name]
        candidate, limit = candidates[arm.name], found.get(arm.name)
        fraction = information_fraction(candidate.information, night, policy.horizon_nights, before)
        power = conditional_power_of(policy, candidate, night, fraction, comparisons=len(others))
        if arm.name == lead:
            plan = plan_of(policy, night, candidate, power, fraction=fraction, comparisons=len(others))
        means = session_means(statistics, control.name, arm.name)
        guards = guarded(
            policy,
            statistics,
            quantiles,
            winsorised,
            control=control.name,
            arm=arm.name,
            limit=limit,
            looks=before,
        )
        arms.append(
            ArmAssessment(
                arm=arm.name,
                live=arm.share > 0,
                estimate=each,
                look=_look(frame, arm.name, candidate, limit, fraction, power, looks),
                relative=relative(each.difference, critical=None if limit is None else limit.boundary),
                session_mean_delta=None if means is None else stated(means.delta),
                disagreement=means is not None and disagree(each.unadjusted, means),
                guards=guards,
                conditional_power=None if power is None else stated(power),
            )
        )
    return Assessment(
        day=day,
        night=night,
        time=frame.time,
        validity=validity,
        arms=tuple(arms),
        mismatch=mismatch,
        segments=segments_of(statistics, control.name, names),
        metrics=metrics_of(statistics, control.name, names),
        plan=plan,
    )


@dataclass(frozen=True, slots=True)
class _Frame:
    """What all looks of a night have in common."""

    experiment: Experiment
    day: date
    night: int
    time: float
    phase: int
    decides: bool
    control: str
    mismatch: Mismatch


def _look(
    frame: _Frame,
    arm: str,
    candidate: Candidate,
    limit: Limit | None,
    fraction: float,
    power: float | None,
    looks: Sequence[Look],
) -> Look:
    difference = candidate.difference
    spent = [look.alpha_spent for look in looks if look.arm == arm]
    half = None if limit is None else limit.boundary * difference.se
    return Look(
        look=looks[-1].look + 1 if looks else 1,
        day=frame.day,
        night=frame.night,
        phase=frame.phase,
        metric=SCORE,
        arm=arm,
        sessions=candidate.sessions,
        information=candidate.information,
        information_fraction=stated(fraction),
        time=stated(frame.time),
        alpha_spent=stated(limit.alpha_spent) if limit is not None else max(spent, default=0.0),
        boundary=None if limit is None else stated(limit.boundary),
        z=stated(difference.z),
        estimate=stated(difference.delta),
        se=stated(difference.se),
        df=stated(difference.df),
        ci_low=None if half is None else stated(difference.delta - half),
        ci_high=None if half is None else stated(difference.delta + half),
        outcome=_outcome(frame, difference, limit, power),
        sessions_a=frame.mismatch.observed[frame.control],
        sessions_b=frame.mismatch.observed[arm],
        expected_b=stated(_share_beside(frame.mismatch.expected, frame.control, arm)),
    )


def _share_beside(expected: Mapping[str, float], control: str, arm: str) -> float:
    both = expected[control] + expected[arm]
    return expected[arm] / both if both else 0.0


def _outcome(frame: _Frame, difference: Difference, limit: Limit | None, power: float | None) -> Outcome:
    if not frame.decides:
        return "held"
    if limit is not None and abs(difference.z) >= limit.boundary:
        return "crossed_up" if difference.z > 0 else "crossed_down"
    futility = frame.experiment.policy.futility
    if futility is not None and power is not None and power < futility and frame.time < 1:
        return "futile"
    return "undecided"


def _primary(each: ArmAssessment) -> dict[str, Any]:
    """A candidate at a JSON edge."""
    look, found = each.look, each.estimate
    if look is None or found is None:
        return {"arm": each.arm, "delta": None}
    interval = None
    if each.relative is not None and each.relative.ci_low is not None and each.relative.ci_high is not None:
        interval = [stated(each.relative.ci_low), stated(each.relative.ci_high)]
    covariate = None
    if found.variance_reduction is not None:
        covariate = {
            "variance_reduction": stated(found.variance_reduction),
            "delta_unadjusted": stated(found.unadjusted.delta),
            "se_unadjusted": stated(found.unadjusted.se),
        }
    return {
        "arm": each.arm,
        "delta": look.estimate,
        "se": look.se,
        "df": look.df,
        "z": look.z,
        "boundary": look.boundary,
        "ci_low": look.ci_low,
        "ci_high": look.ci_high,
        "relative": None if each.relative is None else stated(each.relative.effect),
        "relative_ci": interval,
        "outcome": look.outcome,
        "sessions": found.sessions,
        "conditional_power": each.conditional_power,
        "cuped": covariate,
        "by_phase": [_stated(asdict(phase)) for phase in found.by_phase],
        "session_mean_delta": each.session_mean_delta,
        "disagreement": each.disagreement,
    }


def _stated(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: stated(value) if isinstance(value, float) else value for name, value in row.items()}
