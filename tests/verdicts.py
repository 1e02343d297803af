"""Reports with a verdict, published as a night publishes them, for tests of what follows a verdict."""

from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from kenshin.experiments.analysis import analyse
from kenshin.experiments.assessment import assess
from kenshin.experiments.decision import Decision
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.observation import observation
from kenshin.experiments.report import ExperimentReport, publish_report
from kenshin.experiments.sufficient import of_observations
from kenshin.lake import Lake

ZONE = ZoneInfo("Asia/Tokyo")


def report_of(experiment: Experiment, day: date, verdict: str, arm: str | None = "B", **decided: object):
    """A report of a few scored sessions an arm, with the given verdict."""
    at = datetime.combine(day, time(12), ZONE)
    seen = [
        observation(
            observation_id=f"{each.name}-{n}",
            experiment_id=experiment.experiment_id,
            session_id=f"{each.name}-{n}",
            arm=each.name,
            prompt_version=each.prompt_version,
            observed_at=at,
            recorded_at=at,
            zone=ZONE,
            quality_score=0.5 + n / 100,
        )
        for each in experiment.all_arms()
        for n in range(3)
    ]
    statistics = of_observations(seen)
    judged = assess(experiment, statistics, {}, {}, (), days=(day,)).as_dict()
    for each in judged["primary"]:
        limits = (None, None) if each["arm"] == "C" else (0.001, 0.02)
        each |= {"delta": 0.0123456, "se": 0.004, "ci_low": limits[0], "ci_high": limits[1]}
    words = str(decided.pop("words", f"The verdict is {verdict}."))
    return ExperimentReport(
        day=day,
        analysis=analyse(experiment, statistics),
        description=experiment.description,
        unit="session",
        randomised="by session",
        left_out="",
        score_unit="",
        days=(day,),
        missing_days=(),
        empty_days=(),
        inputs={},
        decision=Decision(verdict, arm, ("It crossed its boundary.",), words, **decided),
        looks=(),
        judged=judged,
        rules=experiment.policy.rules(),
    )


def publish_verdict(
    lake: Lake, experiment: Experiment, day: date, verdict: str, arm: str | None = "B", **decided: object
) -> ExperimentReport:
    """Publish such a report."""
    report = report_of(experiment, day, verdict, arm, **decided)
    publish_report(lake, report)
    return report
