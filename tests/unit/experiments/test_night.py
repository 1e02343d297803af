from __future__ import annotations

import json
import os
from datetime import date, timedelta

import pytest

from kenshin.errors import ExperimentNotFound, InvalidInput
from kenshin.experiments import night
from kenshin.experiments.policy import Guardrail, Policy
from kenshin.experiments.report import read_report, report_days
from kenshin.signals.memory import MemorySink
from kenshin.signals.recorder import Recorder

FIRST = date(2026, 11, 1)


def plan(runtime, zone, **options):
    options = {"experiment_id": None, "through_day": FIRST, "tasks": 4, **options}
    return night.plan(runtime.experiments, zone=zone, **options)


def test_all_running_experiments_that_have_begun_are_planned(runtime, experiment, zone):
    later = experiment.changed(created_at=experiment.created_at + 7 * 86400)
    for each in (
        experiment.changed(experiment_id="one"),
        experiment.changed(experiment_id="two"),
        experiment.changed(experiment_id="a-draft", status="draft"),
        experiment.changed(experiment_id="over", status="concluded"),
        later.changed(experiment_id="later"),
    ):
        runtime.experiments.put(each, expected=None)
    for blank in (None, "", "  "):
        items = plan(runtime, zone, experiment_id=blank)
        assert json.loads(json.dumps(items)) == items
        assert [each["experiment_id"] for each in night.experiments_of(items)] == ["one", "two"]
        for name in ("one", "two"):
            shards = [s for item in items if item["experiment_id"] == name for s in item["shards"]]
            assert sorted(shards) == list(range(16))
    assert [each["experiment_id"] for each in plan(runtime, zone, experiment_id="over")] == ["over"] * 4


def test_nothing_running_is_an_empty_plan(runtime, zone):
    assert plan(runtime, zone) == []
    assert night.experiments_of([]) == []


@pytest.mark.parametrize(("tasks", "items"), [(1, 1), (3, 3), (16, 16), (99, 16), (0, 1)])
def test_shards_are_divided_among_at_most_so_many_tasks(runtime, experiment, zone, tasks, items):
    runtime.experiments.put(experiment, expected=None)
    found = plan(runtime, zone, tasks=tasks)
    assert len(found) == items
    assert sorted(shard for item in found for shard in item["shards"]) == list(range(16))


def test_many_experiments_stay_within_what_airflow_maps(runtime, experiment, zone):
    for number in range(150):
        runtime.experiments.put(experiment.changed(experiment_id=f"e{number}"), expected=None)
    assert len(plan(runtime, zone, tasks=16)) <= night.MOST_ITEMS


def test_what_cannot_be_analysed_is_refused(runtime, experiment, zone):
    runtime.experiments.put(experiment.changed(status="draft"), expected=None)
    with pytest.raises(InvalidInput, match="draft"):
        plan(runtime, zone, experiment_id="exp")
    with pytest.raises(ExperimentNotFound, match="nobody"):
        plan(runtime, zone, experiment_id="nobody")
    runtime.experiments.put(experiment, expected=1)
    with pytest.raises(InvalidInput, match="starts on 2026-11-01"):
        plan(runtime, zone, experiment_id="exp", through_day=FIRST - timedelta(days=1))


def whole_night(runtime, zone, recorder, *, dry_run=False):
    items = plan(runtime, zone)
    for item in items:
        collected = night.collect_shards(
            runtime.experiments, runtime.observations, runtime.lake, item, zone=zone
        )
        night.reduce_shards(runtime.experiments, runtime.lake, collected, zone=zone)
    [target] = night.experiments_of(items)
    return night.analyse(
        runtime.experiments,
        runtime.ledger,
        runtime.lake,
        recorder,
        target,
        zone=zone,
        at=runtime.clock(),
        dry_run=dry_run,
    )


def test_a_night_tells_one_record_per_compared_arm(runtime, experiment, seen, zone):
    runtime.experiments.put(experiment, expected=None)
    runtime.observations.write(
        [
            seen(f"{arm}{n}", f"{arm}-{n}", arm, quality_score=n / 100 + (arm == "B") / 2)
            for arm in "AB"
            for n in range(40)
        ]
    )
    sink = MemorySink()
    recorder = Recorder([sink])
    summary = whole_night(runtime, zone, recorder)
    recorder.close()
    [record] = sink.records
    assert (record.arm, record.status, record.sessions_b) == ("B", "analysed", 40)
    assert record.score_delta == summary["score_delta"] == 0.5
    assert record.report_key == summary["report_key"]
    assert summary["decision"]["rule"] == "too_few_nights"
    assert summary["recommendation"] == "Not significant — continue experiment or declare tie"
    assert (record.look, record.decision, record.decision_code, record.boundary) == (1, "hold", 6, None)
    assert "arms" not in summary
    assert len(json.dumps(summary)) < 2000


def test_a_dry_run_leaves_no_report_and_no_record(runtime, experiment, zone):
    runtime.experiments.put(experiment, expected=None)
    sink = MemorySink()
    recorder = Recorder([sink])
    summary = whole_night(runtime, zone, recorder, dry_run=True)
    recorder.close()
    assert (summary["status"], summary["published"]) == ("insufficient_data", False)
    assert sink.records == []
    assert report_days(runtime.lake, "exp") == []


def test_a_night_removes_what_was_replaced_more_than_a_week_ago(runtime, experiment, seen, zone):
    runtime.experiments.put(experiment, expected=None)

    def work():
        for item in plan(runtime, zone):
            night.collect_shards(runtime.experiments, runtime.observations, runtime.lake, item, zone=zone)
            night.reduce_shards(runtime.experiments, runtime.lake, item, zone=zone)
        (item,) = night.experiments_of(plan(runtime, zone))
        at = runtime.clock()
        night.analyse(
            runtime.experiments,
            runtime.ledger,
            runtime.lake,
            runtime.recorder,
            item,
            zone=zone,
            at=at,
            dry_run=False,
        )
        return set((runtime.settings.home / "lake" / "observations").rglob("*.parquet"))

    runtime.observations.write([seen("first", "s")])
    (replaced,) = work()
    runtime.observations.write([seen("late", "s")])
    assert len(work()) == 2
    long_ago = (runtime.clock() - timedelta(days=8)).timestamp()
    for part in work():
        os.utime(part, (long_ago, long_ago))
    (kept,) = work()
    assert kept != replaced


def test_a_winsorised_guardrail_is_not_moved_by_one_huge_value(runtime, experiment, seen, zone):
    rail = Guardrail("cost", 0.2)
    policies = {
        "cut": Policy(guardrails=(rail,), winsorise={"cost": 90}),
        "whole": Policy(guardrails=(rail,)),
    }
    found = {}
    for name, policy in policies.items():
        runtime.experiments.put(experiment.changed(experiment_id=name, policy=policy), expected=None)
        runtime.observations.write(
            [
                seen(
                    f"{name}-{arm}{n}",
                    f"{arm}-{n}",
                    arm,
                    experiment_id=name,
                    quality_score=n / 100,
                    metrics={"cost": 1e6 if (arm, n) == ("B", 7) else 1 + n / 40},
                )
                for arm in "AB"
                for n in range(40)
            ]
        )
        for item in plan(runtime, zone, experiment_id=name, tasks=1):
            night.collect_shards(runtime.experiments, runtime.observations, runtime.lake, item, zone=zone)
            night.reduce_shards(runtime.experiments, runtime.lake, item, zone=zone)
            ports = (runtime.experiments, runtime.ledger, runtime.lake, runtime.recorder)
            night.analyse(*ports, item, zone=zone, at=runtime.clock())
        [found[name]] = read_report(runtime.lake, name, FIRST).as_dict()["guardrails"]
    assert found["cut"]["delta_relative"] == pytest.approx(0.0, abs=0.02)
    assert found["whole"]["delta_relative"] > 1000
