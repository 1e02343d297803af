"""Analysis: an experiment's statistics to figures, a test by session, and a recommendation in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any

from kenshin.experiments.experiment import MINIMUM_SESSIONS, Experiment
from kenshin.experiments.figures import (
    LATENCY_P95,
    ArmFigures,
    Comparison,
    MetricFigures,
    PhaseFigures,
    stated,
)
from kenshin.experiments.stats.quantile import QuantileEstimate, difference
from kenshin.experiments.stats.ratio import RatioStatistics
from kenshin.experiments.stats.welch import welch
from kenshin.experiments.sufficient import LATENCY, OBSERVATIONS, SCORE, Statistics

ALPHA = 0.05
CROSSING_NAMED = 1000
"""So many crossing sessions are named in a report; the statistics of the shards name all."""

P_VALUE_NOTE = "valid for one look only; the decision looks at the boundary"
"""What stands beside Welch's p-value."""


@dataclass(frozen=True, slots=True)
class ExperimentAnalysis:
    """What the statistics say of an experiment.

    Args:
        experiment_id: which one.
        arms: every arm's figures, control first.
        comparisons: each further arm with control, score before latency; last, the 95th percentiles of latency.
        crossing_sessions: how many sessions were seen in more than one arm.
        phases: phases that hold observations; the figures are pooled over them.
        crossing: the first of the crossing sessions by id, and in which arms each was seen.
        by_phase: every arm's figures in every phase.
    """

    experiment_id: str
    arms: tuple[ArmFigures, ...]
    comparisons: tuple[Comparison, ...]
    crossing_sessions: int
    phases: tuple[int, ...]
    crossing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    by_phase: tuple[PhaseFigures, ...] = ()

    def of(self, arm: str, metric: str = SCORE) -> Comparison:
        """The comparison of an arm's metric with control's."""
        return next(each for each in self.comparisons if (each.arm, each.metric) == (arm, metric))

    def decided(self, winners: Mapping[str, str], experiment: Experiment) -> ExperimentAnalysis:
        """The same figures, with winner and recommendation by the decision instead of by Welch's p.

        Args:
            winners: which arm wins each comparison that is decided, by the compared arm.
            experiment: whose prompt versions the words name.
        """
        comparisons = []
        for each in self.comparisons:
            if each.metric == SCORE and each.outcome == "tested" and each.p_value is not None:
                winner, control = winners.get(each.arm), self.arms[0].arm
                words = _recommendation(experiment, control, winner, each.p_value)
                each = replace(each, winner=winner, significant=winner is not None, recommendation=words)
            comparisons.append(each)
        return replace(self, comparisons=tuple(comparisons))

    def as_dict(self, arm: str | None = None) -> dict[str, Any]:
        """The keys and the rounding of the proof of concept for one arm and control; beside them the rest.

        Args:
            arm: which arm stands where the proof of concept has B; the first after control unless given.
        """
        control = self.arms[0]
        other = self.arms[1] if arm is None else next(each for each in self.arms if each.arm == arm)
        score = self.of(other.arm)
        return {
            **_poc(self.experiment_id, control.score, other.score, score),
            "sessions_a": control.score.sessions,
            "sessions_b": other.score.sessions,
            **({"se": _rounded(score.se, 6)} if score.outcome == "tested" else {}),
            **({"ci_low": _rounded(score.ci_low, 6)} if score.outcome == "tested" else {}),
            **({"ci_high": _rounded(score.ci_high, 6)} if score.outcome == "tested" else {}),
            **({"p_value_note": P_VALUE_NOTE} if score.outcome == "tested" else {}),
            "estimates": {
                "mean_a": control.score.mean,
                "mean_b": other.score.mean,
                "se_a": control.score.se,
                "se_b": other.score.se,
                **{
                    name: getattr(score, name)
                    for name in (
                        "delta",
                        "se",
                        "t_statistic",
                        "degrees_of_freedom",
                        "p_value",
                        "ci_low",
                        "ci_high",
                    )
                },
            },
            "crossing_sessions": self.crossing_sessions,
            "crossing": {session: list(arms) for session, arms in self.crossing.items()},
            "phases": list(self.phases),
            "by_phase": [asdict(each) for each in self.by_phase],
            "arms": [asdict(each) for each in self.arms],
            "comparisons": [asdict(each) for each in self.comparisons],
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ExperimentAnalysis:
        """Read back what `as_dict` wrote."""
        return cls(
            experiment_id=raw["experiment_id"],
            arms=tuple(
                ArmFigures(
                    **{
                        **arm,
                        "score": MetricFigures(**arm["score"]),
                        "latency": MetricFigures(**arm["latency"]),
                        "latency_p95": QuantileEstimate(**arm["latency_p95"])
                        if arm.get("latency_p95")
                        else None,
                    }
                )
                for arm in raw["arms"]
            ),
            comparisons=tuple(Comparison(**each) for each in raw["comparisons"]),
            crossing_sessions=raw["crossing_sessions"],
            phases=tuple(raw["phases"]),
            crossing={session: tuple(arms) for session, arms in raw.get("crossing", {}).items()},
            by_phase=tuple(
                PhaseFigures(
                    **{
                        **each,
                        "score": MetricFigures(**each["score"]),
                        "latency": MetricFigures(**each["latency"]),
                    }
                )
                for each in raw.get("by_phase", ())
            ),
        )


def analyse(
    experiment: Experiment, statistics: Statistics, *, latencies: Mapping[str, QuantileEstimate] | None = None
) -> ExperimentAnalysis:
    """Compare every arm with control; the session is the unit, and each arm needs 30 of them.

    Args:
        experiment: whose arms.
        statistics: what was observed.
        latencies: the 95th percentile of each arm's latency, if it was looked at.
    """
    control, *others = experiment.all_arms()
    p95 = {arm: _stated_quantile(each) for arm, each in (latencies or {}).items()}
    return ExperimentAnalysis(
        experiment_id=experiment.experiment_id,
        arms=tuple(
            ArmFigures(
                arm=arm.name,
                prompt_version=arm.prompt_version,
                sessions=statistics.of(arm.name, OBSERVATIONS).n,
                observations=statistics.of(arm.name, OBSERVATIONS).count,
                score=_figures(statistics.of(arm.name, SCORE)),
                latency=_figures(statistics.of(arm.name, LATENCY)),
                latency_p95=p95.get(arm.name),
            )
            for arm in experiment.all_arms()
        ),
        comparisons=tuple(
            _compare(experiment, statistics, control.name, other.name, metric)
            for other in others
            for metric in (SCORE, LATENCY)
        )
        + tuple(
            _compare_p95(other.name, p95[control.name], p95[other.name])
            for other in others
            if control.name in p95 and other.name in p95
        ),
        crossing_sessions=statistics.crossing_sessions,
        phases=statistics.phases(),
        crossing=dict(islice(sorted(statistics.crossing.items()), CROSSING_NAMED)),
        by_phase=tuple(
            PhaseFigures(
                phase=phase,
                arm=arm.name,
                sessions=statistics.of(arm.name, OBSERVATIONS, phase=phase).n,
                observations=statistics.of(arm.name, OBSERVATIONS, phase=phase).count,
                score=_figures(statistics.of(arm.name, SCORE, phase=phase)),
                latency=_figures(statistics.of(arm.name, LATENCY, phase=phase)),
            )
            for phase in statistics.phases()
            for arm in experiment.all_arms()
        ),
    )


def _compare(
    experiment: Experiment, statistics: Statistics, control: str, arm: str, metric: str
) -> Comparison:
    ours, theirs = statistics.of(control, metric), statistics.of(arm, metric)
    if min(ours.n, theirs.n) < MINIMUM_SESSIONS:
        words = "Insufficient data — continue experiment" if metric == SCORE else None
        return Comparison(arm, metric, "insufficient_data", recommendation=words)
    test = welch(ours, theirs)
    if test is None:
        return Comparison(arm, metric, "no_variance", delta=stated(theirs.estimate - ours.estimate))
    p_value = stated(test.p_value)
    significant = p_value < ALPHA
    winner = None
    if significant and metric == SCORE:
        winner = arm if test.delta > 0 else control
    return Comparison(
        arm=arm,
        metric=metric,
        outcome="tested",
        delta=stated(test.delta),
        se=stated(test.se),
        t_statistic=stated(test.t),
        degrees_of_freedom=stated(test.df),
        p_value=p_value,
        ci_low=stated(test.ci_low),
        ci_high=stated(test.ci_high),
        significant=significant,
        winner=winner,
        recommendation=_recommendation(experiment, control, winner, p_value) if metric == SCORE else None,
    )


def _compare_p95(arm: str, control: QuantileEstimate, candidate: QuantileEstimate) -> Comparison:
    delta = stated(candidate.value - control.value)
    if (
        control.se is None
        or candidate.se is None
        or min(control.sessions, candidate.sessions) < MINIMUM_SESSIONS
    ):
        return Comparison(arm, LATENCY_P95, "insufficient_data", delta=delta)
    test = difference(control, candidate)
    if test is None:
        return Comparison(arm, LATENCY_P95, "no_variance", delta=delta)
    return Comparison(
        arm=arm,
        metric=LATENCY_P95,
        outcome="tested",
        delta=delta,
        se=stated(test.se),
        p_value=stated(test.p_value),
        ci_low=stated(test.ci_low),
        ci_high=stated(test.ci_high),
        significant=stated(test.p_value) < ALPHA,
    )


def _stated_quantile(estimate: QuantileEstimate) -> QuantileEstimate:
    figures = {
        name: value if value is None else stated(value)
        for name, value in (
            ("value", estimate.value),
            ("se", estimate.se),
            ("ci_low", estimate.ci_low),
            ("ci_high", estimate.ci_high),
        )
    }
    return replace(estimate, **figures)  # type: ignore[arg-type]


def _recommendation(experiment: Experiment, control: str, winner: str | None, p_value: float) -> str:
    if winner is None:
        return "Not significant — continue experiment or declare tie"
    verb = "KEEP" if winner == control else "PROMOTE"
    return f"{verb} version {experiment.version_of(winner)} (p={round(p_value, 6)})"


def _figures(statistics: RatioStatistics) -> MetricFigures:
    return MetricFigures(
        sessions=statistics.n,
        observations=statistics.count,
        mean=stated(statistics.estimate) if statistics.n else None,
        se=stated(statistics.variance**0.5) if statistics.n > 1 else None,
    )


def _poc(
    experiment_id: str, control: MetricFigures, other: MetricFigures, score: Comparison
) -> dict[str, Any]:
    if score.outcome == "insufficient_data":
        return {
            "status": "insufficient_data",
            "experiment_id": experiment_id,
            "sample_a": control.observations,
            "sample_b": other.observations,
            "minimum_required": MINIMUM_SESSIONS,
            "recommendation": score.recommendation,
        }
    if score.outcome == "no_variance":
        return {
            "status": "no_variance",
            "experiment_id": experiment_id,
            "sample_a": control.observations,
            "sample_b": other.observations,
            "mean_a": control.mean,
            "mean_b": other.mean,
        }
    return {
        "experiment_id": experiment_id,
        "sample_a": control.observations,
        "sample_b": other.observations,
        "mean_score_a": _rounded(control.mean, 4),
        "mean_score_b": _rounded(other.mean, 4),
        "score_delta": _rounded(score.delta, 4),
        "t_statistic": _rounded(score.t_statistic, 3),
        "degrees_of_freedom": _rounded(score.degrees_of_freedom, 1),
        "p_value": _rounded(score.p_value, 6),
        "significant": score.significant,
        "winner": score.winner,
        "recommendation": score.recommendation,
    }


def _rounded(value: float | None, places: int) -> float | None:
    return None if value is None else round(value, places)
