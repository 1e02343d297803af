"""Judging: assess, look, decide; the part of a night that reads and writes the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from kenshin.experiments.assessment import Assessment, assess
from kenshin.experiments.decision import Decision, decide
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.looks import Look, history_of, record_night, signed
from kenshin.experiments.registry import shares_by_phase
from kenshin.experiments.report import report_partition
from kenshin.experiments.sufficient import Statistics
from kenshin.ledger import Ledger
from kenshin.publishing import code_version

if TYPE_CHECKING:
    from kenshin.experiments.stats.quantile import QuantileEstimate
    from kenshin.experiments.stats.ratio import RatioStatistics


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a night came to.

    Args:
        assessment: what it saw.
        decision: what was decided; on a day that was looked at before, what was decided then.
        looks: every look until this night, oldest first.
        number: of the night's look; None where none was taken.
        recounted: whether the night's recorded look was taken on other figures.
    """

    assessment: Assessment
    decision: Decision
    looks: tuple[Look, ...]
    number: int | None
    recounted: bool = False


def judge(
    experiment: Experiment,
    statistics: Statistics,
    ledger: Ledger,
    *,
    days: Sequence[date],
    latencies: Mapping[str, QuantileEstimate],
    winsorised: Mapping[str, Mapping[str, RatioStatistics]],
    at: datetime,
    dry_run: bool = False,
) -> Judgement:
    """Assess a night, and decide; a day that was looked at before keeps its look and its decision.

    No look is taken of a day before the last look, nor of an experiment that is over.

    Args:
        experiment: its arms and its policy.
        statistics: what was observed.
        ledger: tells of earlier looks, and gets this one.
        days: every day from the experiment's first through the last that counts.
        latencies: the 95th percentile of each arm's latency.
        winsorised: statistics of metrics whose values were cut, by metric and arm.
        at: the present instant, for the ledger.
        dry_run: write nothing.

    Raises:
        Conflict: something happened to the experiment meanwhile; run the night again.
    """
    day, name = days[-1], experiment.experiment_id
    history = history_of(ledger, name)
    before = history.looks(before=day)
    recorded = history.of(day)
    assessment = assess(
        experiment,
        statistics,
        latencies,
        winsorised,
        before,
        days=days,
        retrospective=history.is_retrospective(day),
        ended=experiment.status != "running" and recorded is None,
        shares=shares_by_phase(ledger, name),
    )
    key = report_partition(name, day)
    if recorded is not None:
        version = recorded.looks[0].code_version if recorded.looks else ""
        again = _signed(assessment, recorded.decision, number=recorded.look, version=version, key=key)
        looks = (*before, *recorded.looks)
        return Judgement(assessment, recorded.decision, looks, recorded.look, again != recorded.looks)
    decision = decide(experiment, assessment, before)
    if {"ended", "retrospective"} & set(assessment.validity.problems):
        return Judgement(assessment, decision, before, None)
    number = history.next_look
    tonight = _signed(assessment, decision, number=number, version=code_version(), key=key)
    if not dry_run:
        night = record_night(
            ledger, name, tonight, decision, day=day, number=number, after=history.last, at=at
        )
        decision, tonight = night.decision, night.looks
    return Judgement(assessment, decision, (*before, *tonight), number)


def _signed(
    assessment: Assessment, decision: Decision, *, number: int, version: str, key: str
) -> tuple[Look, ...]:
    looks = [each.look for each in assessment.arms if each.look is not None]
    return signed(looks, number=number, decision=decision, report_key=key, code_version=version)
