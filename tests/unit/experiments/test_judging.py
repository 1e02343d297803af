from __future__ import annotations

from datetime import date, timedelta

import pytest

from kenshin.errors import Conflict
from kenshin.experiments import night
from kenshin.experiments.assessment import assess
from kenshin.experiments.looks import (
    SCHEMA,
    history_of,
    looks_of,
    looks_partition,
    record_night,
)
from kenshin.experiments.report import read_report, report_partition
from kenshin.ledger import LedgerEntry
from kenshin.parquet import check_schema
from kenshin.publishing import local_parts, read_manifest

FIRST = date(2026, 11, 1)


@pytest.fixture
def run(runtime, experiment, seen, zone):
    """Five days of observations, of which the candidate's are better; answers what runs a night through a day."""
    runtime.experiments.put(experiment, expected=None)
    for day in range(5):
        runtime.observations.write(
            [
                seen(
                    f"{arm}{day}-{n}",
                    f"{arm}-{day}-{n}",
                    arm,
                    day=day,
                    quality_score=n / 100 + (arm == "B") / 2,
                )
                for arm in "AB"
                for n in range(40)
            ]
        )

    def work(day: int, *, dry_run: bool = False):
        through = FIRST + timedelta(days=day)
        items = night.plan(runtime.experiments, experiment_id="exp", through_day=through, tasks=1, zone=zone)
        for item in items:
            night.collect_shards(runtime.experiments, runtime.observations, runtime.lake, item, zone=zone)
            night.reduce_shards(runtime.experiments, runtime.lake, item, zone=zone)
        ports = (runtime.experiments, runtime.ledger, runtime.lake, runtime.recorder)
        (target,) = night.experiments_of(items)
        return night.analyse(*ports, target, zone=zone, at=runtime.clock(), dry_run=dry_run)

    return work


def published(runtime, day: int):
    manifest = read_manifest(runtime.lake, report_partition("exp", FIRST + timedelta(days=day)))
    return [part.sha256 for part in manifest.parts]


def test_a_rerun_adds_no_look_and_changes_no_byte(run, runtime):
    told = [run(day) for day in range(4)]
    looks, reports = looks_of(runtime.ledger, "exp"), [published(runtime, day) for day in range(4)]
    assert [each["look"] for each in told] == [1, 2, 3, 4]
    assert [look.night for look in looks] == [1, 2, 3, 4]
    assert told[0]["decision"]["rule"] == "too_few_nights"
    assert told[3]["decision"]["verdict"] == "promote"
    assert told[3]["recommendation"].startswith("PROMOTE version v2")
    for day in (3, 1, 0, 2):
        assert run(day)["decision"] == told[day]["decision"]
    assert looks_of(runtime.ledger, "exp") == looks
    assert [published(runtime, day) for day in range(4)] == reports


def test_a_day_before_the_last_look_is_shown_and_decides_nothing(run, runtime):
    run(3)
    before = runtime.ledger.read("experiment:exp")
    told = run(2)
    assert (told["decision"]["rule"], told["look"]) == ("retrospective", None)
    assert runtime.ledger.read("experiment:exp") == before
    report = read_report(runtime.lake, "exp", FIRST + timedelta(days=2)).as_dict()
    assert report["looks"] == []
    assert report["primary"][0]["delta"] == 0.5


def test_a_dry_run_looks_at_nothing(run, runtime):
    told = run(3, dry_run=True)
    assert (told["decision"]["verdict"], told["report_etag"]) == ("promote", None)
    assert history_of(runtime.ledger, "exp").nights == ()
    assert read_manifest(runtime.lake, looks_partition("exp")) is None


def test_late_observations_change_the_figures_and_not_the_look(run, runtime, seen):
    run(2)
    recorded = looks_of(runtime.ledger, "exp")
    runtime.observations.write([seen("late", "late", "B", day=2, quality_score=0.0)])
    told = run(2)
    report = read_report(runtime.lake, "exp", FIRST + timedelta(days=2))
    assert looks_of(runtime.ledger, "exp") == report.looks == recorded
    assert report.recounted
    assert told["sessions_b"] == 121


def test_an_experiment_that_is_over_keeps_its_looks_and_gets_none(run, runtime, experiment):
    run(2)
    version = runtime.experiments.get("exp").version
    before = published(runtime, 2)
    runtime.experiments.put(experiment.changed(status="concluded", winner="B"), expected=version)
    assert run(3)["decision"]["rule"] == "ended"
    assert run(2)["look"] == 1
    assert published(runtime, 2) == before
    assert len(looks_of(runtime.ledger, "exp")) == 1


def test_the_lake_has_every_look(run, runtime):
    import pyarrow.parquet as pq

    for day in range(3):
        run(day)
    with local_parts(runtime.lake, [read_manifest(runtime.lake, looks_partition("exp"))]) as (path,):
        check_schema(str(path), schema=SCHEMA)
        rows = pq.read_table(path).to_pylist()
    told = [look.as_dict() for look in looks_of(runtime.ledger, "exp")]
    assert [{**row, "day": row["day"].isoformat()} for row in rows] == told


def test_what_happened_meanwhile_is_not_written_over(run, runtime):
    run(0)
    (night_,) = history_of(runtime.ledger, "exp").nights
    known = history_of(runtime.ledger, "exp").last
    runtime.ledger.append(LedgerEntry("experiment:exp", "x", "changed", runtime.clock(), "somebody", {}))
    second = FIRST + timedelta(days=1)
    with pytest.raises(Conflict):
        record_night(
            runtime.ledger, "exp", (), night_.decision, day=second, number=2, after=known, at=runtime.clock()
        )


def test_a_ramp_under_a_time_trend_is_judged_within_phases(experiment, seen):
    """The candidate gets most sessions when scores are high; nothing differs within a phase."""
    from kenshin.experiments.sufficient import of_observations

    made = [
        seen(
            f"{phase}{arm}{n}",
            f"{phase}{arm}{n}",
            arm,
            day=phase - 1,
            phase=phase,
            quality_score=level + 0.1 * (n % 2 * 2 - 1),
        )
        for phase, level, counts in ((1, 0.3, {"A": 360, "B": 40}), (2, 0.7, {"A": 200, "B": 200}))
        for arm, count in counts.items()
        for n in range(count)
    ]
    days = (FIRST, FIRST + timedelta(days=1))
    ramped = experiment.changed(phase=2)
    shares = {1: {"A": 0.9, "B": 0.1}}
    found = assess(ramped, of_observations(made), {}, {}, (), days=days, shares=shares)
    (arm,) = found.arms
    assert arm.look.estimate == pytest.approx(0.0, abs=1e-12)
    assert [each.sessions_b for each in arm.estimate.by_phase] == [40, 200]
    assert (found.mismatch.held, found.mismatch.observed) == (False, {"A": 560, "B": 240})
    assert not found.validity.problems
