"""The night: what the tasks of the DAG ``experiment_analysis`` call, each with small JSON-ready answers.

Plan, then collect and reduce a few shards a task, then analyse each experiment. Every step may be run again
at any
time: what it writes is keyed by experiment, day and shard, and published whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from kenshin.days import days_between, parse_day
from kenshin.errors import InvalidInput
from kenshin.experiments.aggregate import (
    STATISTICS,
    read_latencies,
    read_statistics,
    read_winsorised,
    reduce,
)
from kenshin.experiments.analysis import analyse as analyse_statistics
from kenshin.experiments.collect import DATASET as OBSERVATIONS
from kenshin.experiments.collect import collect, first_day
from kenshin.experiments.deltas import DATASET as SESSIONS
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.judging import judge
from kenshin.experiments.looks import export_looks, looks_of
from kenshin.experiments.observation import SHARDS
from kenshin.experiments.registry import find
from kenshin.experiments.report import ExperimentReport, compose, publish_report
from kenshin.experiments.store import ExperimentStore, ObservationStore
from kenshin.experiments.sufficient import SCORE
from kenshin.experiments.values import DATASET as VALUES
from kenshin.lake import Lake
from kenshin.ledger import Ledger
from kenshin.publishing import partition, sweep
from kenshin.signals.recorder import Recorder
from kenshin.signals.records import ExperimentAnalysed
from kenshin.signals.verdicts import DECISION_CODES

MOST_ITEMS = 1000
"""Airflow maps a task over at most 1,024 items unless it is told otherwise."""

SWEPT_DAYS = 14
"""Parts that were replaced lie in the days that a night reads again; a week later they are removed."""

_SUMMARY_LEAVES_OUT = ("arms", "by_phase", "comparisons", "crossing", "estimates")


def plan(
    store: ExperimentStore, *, experiment_id: str | None, through_day: date, tasks: int, zone: tzinfo
) -> list[dict[str, Any]]:
    """What a night has to do: one item for each mapped task.

    Args:
        store: the registry.
        experiment_id: an experiment of any status but draft; blank: all that are running.
        through_day: the last day to count.
        tasks: among how many tasks the 16 shards of an experiment are divided, at most.
        zone: whose dates the days are.

    Returns:
        Items ``{"experiment_id", "shards", "through_day"}``; none where nothing is running.

    Raises:
        ExperimentNotFound: the registry does not know the named experiment.
        InvalidInput: it is a draft, or starts after `through_day`.
    """
    if experiment_id and experiment_id.strip():
        chosen = [find(store, experiment_id.strip())]
        _check_analysable(chosen[0], through_day, zone)
    else:
        running = [each.value for each in store.list() if each.value.status == "running"]
        chosen = [each for each in running if first_day(each, zone) <= through_day]
    tasks = max(1, min(tasks, SHARDS, MOST_ITEMS // max(1, len(chosen))))
    return [
        {
            "experiment_id": experiment.experiment_id,
            "shards": list(range(SHARDS))[first::tasks],
            "through_day": through_day.isoformat(),
        }
        for experiment in chosen
        for first in range(tasks)
    ]


def experiments_of(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The experiments among items, each once, in order, as ``{"experiment_id", "through_day"}``."""
    each = dict.fromkeys((item["experiment_id"], item["through_day"]) for item in items)
    return [{"experiment_id": name, "through_day": day} for name, day in each]


def collect_shards(
    experiments: ExperimentStore,
    observations: ObservationStore,
    lake: Lake,
    item: Mapping[str, Any],
    *,
    zone: tzinfo,
) -> dict[str, Any]:
    """Bring an item's observations into the lake; answers the item, with how many partitions were read."""
    experiment, through_day = find(experiments, item["experiment_id"]), parse_day(item["through_day"])
    read = sum(
        len(collect(observations, lake, experiment, shard=shard, through_day=through_day, zone=zone))
        for shard in item["shards"]
    )
    return {**item, "partitions_read": read}


def reduce_shards(
    experiments: ExperimentStore, lake: Lake, item: Mapping[str, Any], *, zone: tzinfo
) -> dict[str, Any]:
    """Publish an item's session deltas and statistics; answers the item, with how many cells these have."""
    experiment, through_day = find(experiments, item["experiment_id"]), parse_day(item["through_day"])
    cells = sum(
        len(reduce(lake, experiment, shard=shard, through_day=through_day, zone=zone).cells)
        for shard in item["shards"]
    )
    return {**item, "cells": cells}


def analyse(
    experiments: ExperimentStore,
    ledger: Ledger,
    lake: Lake,
    recorder: Recorder,
    item: Mapping[str, Any],
    *,
    zone: tzinfo,
    at: datetime,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Merge an experiment's shards, test, look, decide, publish the report, and say so.

    The look is written first, so that a night that is run again, or that died, tells what was decided and not something
    new.

    Args:
        experiments: the registry.
        ledger: tells of earlier looks, and gets this one.
        lake: where the statistics are and the report goes.
        recorder: takes one record for each arm compared with control.
        item: ``{"experiment_id", "through_day"}``, see `experiments_of`.
        zone: whose dates the days are.
        at: the instant of the records; the report does not hold it.
        dry_run: neither look, nor publish, nor record.

    Returns:
        The decision, number of the look (None where none was taken), the report's key and etag, and the figures under
        the keys of the proof of concept.

    Raises:
        NotFound: a shard has not been reduced.
        Conflict: something happened to the experiment meanwhile; run it again.
    """
    experiment, through_day = find(experiments, item["experiment_id"]), parse_day(item["through_day"])
    statistics, inputs = read_statistics(lake, experiment.experiment_id, through_day)
    days = tuple(days_between(first_day(experiment, zone), through_day))
    latencies = read_latencies(lake, experiment.experiment_id, days)
    judged = judge(
        experiment,
        statistics,
        ledger,
        days=days,
        latencies=latencies,
        winsorised=read_winsorised(lake, experiment, days),
        at=at,
        dry_run=dry_run,
    )
    report = compose(
        experiment,
        analyse_statistics(experiment, statistics, latencies=latencies),
        days=days,
        collected=statistics.days,
        filled=statistics.filled_days,
        inputs=inputs,
        assessment=judged.assessment,
        decision=judged.decision,
        looks=judged.looks,
        recounted=judged.recounted,
    )
    etag = None
    if not dry_run:
        etag = publish_report(lake, report).etag
        export_looks(lake, experiment.experiment_id, looks_of(ledger, experiment.experiment_id))
        _sweep(lake, experiment.experiment_id, through_day, now=at)
        for record in records_of(report, at=at):
            recorder.record(record)
    body = report.analysis.as_dict(judged.decision.arm)
    return {
        **{name: value for name, value in body.items() if name not in _SUMMARY_LEAVES_OUT},
        "day": through_day.isoformat(),
        "missing_days": [day.isoformat() for day in report.missing_days],
        "decision": judged.decision.as_dict(),
        "look": judged.number,
        "published": not dry_run,
        "report_key": report.report_key,
        "report_etag": etag,
    }


def _sweep(lake: Lake, experiment_id: str, through_day: date, *, now: datetime) -> None:
    for dataset in (OBSERVATIONS, SESSIONS, VALUES, STATISTICS):
        for day in days_between(through_day - timedelta(days=SWEPT_DAYS), through_day):
            sweep(lake, f"{partition(dataset, experiment=experiment_id, day=day.isoformat())}/", now=now)


def records_of(report: ExperimentReport, *, at: datetime) -> list[ExperimentAnalysed]:
    """One record for each arm compared with control, its figures rounded as the report rounds them."""
    looks = {look.arm: look for look in report.looks if look.day == report.day}
    records = []
    for comparison in report.analysis.comparisons:
        if comparison.metric != SCORE:
            continue
        figures = report.analysis.as_dict(comparison.arm)
        look = looks.get(comparison.arm)
        records.append(
            ExperimentAnalysed(
                at=at,
                experiment_id=report.experiment_id,
                day=report.day.isoformat(),
                arm=comparison.arm,
                status="analysed" if comparison.outcome == "tested" else comparison.outcome,
                sample_a=figures["sample_a"],
                sample_b=figures["sample_b"],
                sessions_a=figures["sessions_a"],
                sessions_b=figures["sessions_b"],
                score_delta=figures.get("score_delta"),
                p_value=figures.get("p_value"),
                significant=figures.get("significant"),
                recommendation=figures.get("recommendation"),
                report_key=report.report_key,
                look=None if look is None else look.look,
                z=None if look is None else look.z,
                boundary=None if look is None else look.boundary,
                alpha_spent=None if look is None else look.alpha_spent,
                decision=report.decision.verdict,
                decision_code=DECISION_CODES[report.decision.verdict],
                decided_arm=report.decision.arm,
            )
        )
    return records


def _check_analysable(experiment: Experiment, through_day: date, zone: tzinfo) -> None:
    if experiment.status == "draft":
        raise InvalidInput(
            value=experiment.experiment_id,
            reason="it is a draft, no session has been assigned",
            mend=f"Start it: kenshin experiments start {experiment.experiment_id}.",
        )
    first = first_day(experiment, zone)
    if first > through_day:
        raise InvalidInput(
            value=through_day.isoformat(),
            reason=f"'{experiment.experiment_id}' starts on {first}",
            mend="Choose a later through_day.",
        )
