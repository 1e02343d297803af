"""The report: an analysis with what a reader needs to judge it, one a day and experiment.

Nothing in it depends on the time of the run: the same observations through the same day give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from kenshin.days import days_between, parse_day
from kenshin.errors import InvalidInput, NotFound
from kenshin.experiments.analysis import ExperimentAnalysis
from kenshin.experiments.assessment import JUDGED, Assessment
from kenshin.experiments.decision import Decision
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.looks import Look
from kenshin.experiments.page import render_page
from kenshin.experiments.sufficient import LATENCY, SCORE
from kenshin.lake import Lake
from kenshin.publishing import MANIFEST, Manifest, as_json, partition, publish, read_json, read_manifest

if TYPE_CHECKING:
    import pandas as pd

DATASET = "reports"
SCHEMA = "experiment-report/2"


@dataclass(frozen=True, slots=True)
class ExperimentReport:
    """An experiment's figures through a day.

    Args:
        day: through which the observations were counted.
        analysis: the figures.
        description: what is compared and why.
        unit: what one session is.
        randomised: what was assigned by chance, and how.
        left_out: what the figures do not speak of.
        score_unit: what a score of 0 and of 1 mean.
        days: every day from the experiment's first to `day`.
        missing_days: those of them that were not collected whole, so that their observations are not all
            counted.
        empty_days: those of them that hold no observation.
        inputs: the statistics it was made from, key of the manifest to etag.
        decision: what was decided that night.
        looks: every look until that night, oldest first.
        judged: the assessment as it is written (`Assessment.as_dict`): primary, guardrails, segments, …
        rules: the policy that the figures depend on (`Policy.rules`).
        recounted: whether the figures have changed since the night's look was recorded, as they do when late
            observations arrive; the decision stays the recorded one.
    """

    day: date
    analysis: ExperimentAnalysis
    description: str
    unit: str
    randomised: str
    left_out: str
    score_unit: str
    days: tuple[date, ...]
    missing_days: tuple[date, ...]
    empty_days: tuple[date, ...]
    inputs: Mapping[str, str]
    decision: Decision
    looks: tuple[Look, ...]
    judged: Mapping[str, Any]
    rules: Mapping[str, Any]
    recounted: bool = False

    @property
    def experiment_id(self) -> str:
        """Whose report it is."""
        return self.analysis.experiment_id

    @property
    def report_key(self) -> str:
        """The lake's partition of this report."""
        return report_partition(self.experiment_id, self.day)

    def as_dict(self) -> dict[str, Any]:
        """The report at a JSON edge: the keys of the proof of concept at the top, then the rest."""
        return {
            "experiment_id": self.experiment_id,
            "day": self.day.isoformat(),
            **self.analysis.as_dict(self.decision.arm),
            "decision": self.decision.as_dict(),
            "description": self.description,
            "unit": self.unit,
            "randomised": self.randomised,
            "left_out": self.left_out,
            "score_unit": self.score_unit,
            "days": {
                "first": self.days[0].isoformat() if self.days else None,
                "last": self.days[-1].isoformat() if self.days else None,
                "count": len(self.days),
            },
            "missing_days": [day.isoformat() for day in self.missing_days],
            "empty_days": [day.isoformat() for day in self.empty_days],
            **self.judged,
            "looks": [look.as_dict() for look in self.looks],
            "recounted": self.recounted,
            "policy": dict(self.rules),
            "inputs": dict(self.inputs),
            "report_key": self.report_key,
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ExperimentReport:
        """Read back what `as_dict` wrote.

        Raises:
            InvalidInput: a key is missing.
        """
        try:
            first, last = raw["days"]["first"], raw["days"]["last"]
            return cls(
                day=parse_day(raw["day"]),
                analysis=ExperimentAnalysis.from_dict(raw),
                **{
                    name: str(raw[name])
                    for name in ("description", "unit", "randomised", "left_out", "score_unit")
                },
                days=tuple(days_between(parse_day(first), parse_day(last))) if first else (),
                missing_days=tuple(parse_day(day) for day in raw["missing_days"]),
                empty_days=tuple(parse_day(day) for day in raw["empty_days"]),
                inputs=dict(raw["inputs"]),
                decision=Decision.from_dict(raw["decision"]),
                looks=tuple(Look.from_dict(look) for look in raw["looks"]),
                judged={name: raw[name] for name in JUDGED},
                rules=dict(raw["policy"]),
                recounted=raw["recounted"],
            )
        except (KeyError, TypeError) as error:
            raise InvalidInput(
                value=raw.get("report_key", "report"),
                reason=f"not a report of schema {SCHEMA} ({error})",
                mend="Run the day's analysis again.",
            ) from error

    def arm_rows(self) -> list[dict[str, Any]]:
        """One row an arm: its figures, and its difference from control; None where there is none."""
        rows = []
        for arm in self.analysis.arms:
            scores = [
                each for each in self.analysis.comparisons if each.arm == arm.arm and each.metric == SCORE
            ]
            latencies = [
                each for each in self.analysis.comparisons if each.arm == arm.arm and each.metric == LATENCY
            ]
            score = scores[0] if scores else None
            rows.append(
                {
                    "arm": arm.arm,
                    "prompt_version": arm.prompt_version,
                    "sessions": arm.sessions,
                    "observations": arm.observations,
                    "mean_score": arm.score.mean,
                    "se": arm.score.se,
                    "score_delta": score and score.delta,
                    "ci_low": score and score.ci_low,
                    "ci_high": score and score.ci_high,
                    "p_value": score and score.p_value,
                    "mean_latency_ms": arm.latency.mean,
                    "latency_delta_ms": latencies[0].delta if latencies else None,
                    "p95_latency_ms": arm.latency_p95 and arm.latency_p95.value,
                }
            )
        return rows

    def to_pandas(self) -> pd.DataFrame:
        """The rows of `arm_rows` as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.arm_rows())


def report_partition(experiment_id: str, day: date) -> str:
    """Where an experiment's report of a day lies."""
    return partition(DATASET, experiment=experiment_id, day=day.isoformat())


def compose(
    experiment: Experiment,
    analysis: ExperimentAnalysis,
    *,
    days: Sequence[date],
    collected: Sequence[date],
    filled: Sequence[date],
    inputs: Mapping[str, str],
    assessment: Assessment,
    decision: Decision,
    looks: Sequence[Look],
    recounted: bool = False,
) -> ExperimentReport:
    """The report through the last of `days`.

    Args:
        experiment: whose words it repeats.
        analysis: the figures.
        days: every day that should be counted.
        collected: days that were collected whole.
        filled: days that hold observations.
        inputs: what the figures were made from.
        assessment: what the night saw.
        decision: what was decided.
        looks: every look until this night, oldest first.
        recounted: whether the figures are others than those of the night's recorded look.
    """
    return ExperimentReport(
        day=days[-1],
        analysis=analysis.decided(_winners(experiment, assessment, decision), experiment),
        description=experiment.description,
        unit=experiment.unit,
        randomised=experiment.randomised,
        left_out=experiment.left_out,
        score_unit=experiment.score_unit,
        days=tuple(days),
        missing_days=tuple(day for day in days if day not in collected),
        empty_days=tuple(day for day in days if day in collected and day not in filled),
        inputs=inputs,
        decision=decision,
        looks=tuple(looks),
        judged=assessment.as_dict(),
        rules=experiment.policy.rules(),
        recounted=recounted,
    )


def _winners(experiment: Experiment, assessment: Assessment, decision: Decision) -> dict[str, str]:
    """Who wins each comparison that is decided: the promoted arm its own, control those of arms shown to be worse."""
    if decision.verdict == "hold":
        return {}
    control = experiment.arm_names()[0]
    found = {
        each.arm: control
        for each in assessment.arms
        if each.look is not None and each.look.outcome == "crossed_down"
    }
    if decision.arm is not None and (decision.verdict == "roll_back" or decision.rule == "crossed_down"):
        found[decision.arm] = control
    if decision.arm is not None and decision.verdict == "promote":
        found[decision.arm] = decision.arm
    return found


def publish_report(lake: Lake, report: ExperimentReport) -> Manifest:
    """Write a report and its page to their place in the lake; one with other figures of the same day is replaced."""
    body = report.as_dict()
    parts = [("json", as_json(body)), ("html", render_page(body))]
    return publish(lake, report.report_key, parts, schema=SCHEMA, inputs=report.inputs)


def read_report(lake: Lake, experiment_id: str, day: date) -> ExperimentReport:
    """An experiment's report of a day.

    Raises:
        NotFound: there is none.
    """
    target = report_partition(experiment_id, day)
    if read_manifest(lake, target) is None:
        raise NotFound(
            value=f"{experiment_id}, {day}",
            reason="there is no report of this day",
            mend="Run the DAG experiment_analysis with this experiment_id and through_day.",
        )
    return ExperimentReport.from_dict(read_json(lake, target))


def report_days(lake: Lake, experiment_id: str) -> list[date]:
    """The days of which an experiment has a report, in order."""
    prefix = partition(DATASET, experiment=experiment_id) + "/day="
    keys = [ref.key for ref in lake.list(prefix) if ref.key.endswith(f"/{MANIFEST}")]
    return sorted(parse_day(key.removeprefix(prefix).partition("/")[0]) for key in keys)
