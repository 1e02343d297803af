"""Collecting and aggregating in the lake: the same numbers whatever the order, the grouping, or what was killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from contract.experiment_doubles import CrampedObservations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kenshin.errors import InvalidExperiment, NotFound
from kenshin.experiments import night
from kenshin.experiments.aggregate import read_statistics, reduce
from kenshin.experiments.collect import collect, first_day, mark_arrivals, partition_of
from kenshin.experiments.observation import SHARDS
from kenshin.experiments.report import read_report
from kenshin.experiments.session_days import with_ending
from kenshin.experiments.sufficient import Statistics, of_observations
from kenshin.experiments.totals import Totals, merged
from kenshin.publishing import local_parts, manifests, read_json, read_manifest

FIRST = date(2026, 11, 1)
DAYS = 3
THROUGH = FIRST + timedelta(days=DAYS - 1)

CONTRACT = {
    "observations": [
        "observation_id",
        "experiment_id",
        "session_id",
        "arm",
        "phase",
        "prompt_version",
        "intent",
        "observed_at",
        "recorded_at",
        "trace_id",
        "quality_score",
        "latency_ms",
        "metrics",
        "covariates",
    ],
    "values": ["session_id", "arm", "metric", "n", "values"],
}


def draw(seen, chance: random.Random, count: int = 300):
    """Observations of sessions that recur over days, intents and phases; some cross arms, some have no score."""
    made = []
    for number in range(count):
        session = f"s-{chance.randrange(count // 6)}"
        arm = "AB"[hash_of(session) % 2] if chance.random() < 0.95 else "A"
        made.append(
            seen(
                f"o-{number}",
                session,
                arm,
                day=chance.randrange(DAYS),
                intent=chance.choice([None, "faq", "order", "*"]),
                phase=chance.choice([1, 1, 2]),
                quality_score=chance.choice([None, chance.random(), chance.random()]),
                latency_ms=chance.choice([None, 1000 * chance.random()]),
                metrics={"cost": chance.random()} if chance.random() < 0.5 else {},
                covariates={"quality_score": chance.random()} if chance.random() < 0.3 else {},
            )
        )
    return made


def hash_of(text: str) -> int:
    return sum(text.encode())


def write(store, batch):
    left = list(batch)
    while left:
        left = list(store.write(left).unprocessed)


def work(runtime, experiment, zone, *, shards=range(SHARDS), through=THROUGH, store=None):
    for shard in shards:
        collect(
            store or runtime.observations,
            runtime.lake,
            experiment,
            shard=shard,
            through_day=through,
            zone=zone,
        )
        reduce(runtime.lake, experiment, shard=shard, through_day=through, zone=zone)


def files(runtime) -> dict[str, bytes]:
    lake = runtime.settings.home / "lake"
    return {p.relative_to(lake).as_posix(): p.read_bytes() for p in lake.rglob("*") if p.is_file()}


def close(left: Statistics, right: Statistics) -> bool:
    """Equal but for the last digits of a sum over days."""
    return left.cells.keys() == right.cells.keys() and all(
        (ours.n, ours.count, ours.count_sq) == (theirs.n, theirs.count, theirs.count_sq)
        and (ours.sum, ours.sum_sq, ours.sum_count)
        == pytest.approx((theirs.sum, theirs.sum_sq, theirs.sum_count), rel=1e-13)
        for ours, theirs in ((left.cells[cell], right.cells[cell]) for cell in left.cells)
    )


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_the_lake_says_what_memory_says(seed, experiment, seen, zone, open_runtime, tmp_path_factory):
    runtime = open_runtime(tmp_path_factory.mktemp("home"))
    made = draw(seen, random.Random(seed))
    write(runtime.observations, made)
    work(runtime, experiment, zone)
    found, inputs = read_statistics(runtime.lake, "exp", THROUGH)
    expected = of_observations(made)
    assert close(found, expected)
    assert found.crossing_sessions == expected.crossing_sessions
    assert found.days == (FIRST, FIRST + timedelta(days=1), THROUGH)
    assert len(inputs) == SHARDS


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_order_of_arrival_store_and_grouping_change_no_byte(
    seed, experiment, seen, zone, open_runtime, tmp_path_factory
):
    made = draw(seen, random.Random(seed), count=150)
    first, second = (open_runtime(tmp_path_factory.mktemp(name)) for name in ("first", "second"))
    write(first.observations, made)
    work(first, experiment, zone)
    shuffled = [*made, *made[:40]]
    random.Random(seed + 1).shuffle(shuffled)
    cramped = CrampedObservations()
    write(cramped, shuffled)
    shards = list(range(SHARDS))
    random.Random(seed + 2).shuffle(shards)
    work(second, experiment, zone, shards=shards, store=cramped)
    assert {k: v for k, v in files(first).items() if not k.endswith(".lock")} == {
        k: v for k, v in files(second).items() if not k.endswith(".lock")
    }


def test_partitions_have_the_columns_of_the_contract(experiment, seen, zone, runtime):
    write(runtime.observations, draw(seen, random.Random(1)))
    work(runtime, experiment, zone)
    for dataset, columns in CONTRACT.items():
        some = [each for each in manifests(runtime.lake, f"{dataset}/experiment=exp/") if each.parts]
        assert some
        with local_parts(runtime.lake, some) as paths:
            for path in paths:
                schema = pq.read_schema(path)
                assert schema.names == columns
                assert schema.metadata[b"kenshin.schema"] == f"{dataset}/1".encode()
                assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_shards_day_without_observations_is_published_empty(experiment, zone, runtime):
    work(runtime, experiment, zone, shards=[3])
    for dataset in ("observations", "sessions"):
        assert read_manifest(runtime.lake, partition_of("exp", FIRST, 3, dataset=dataset)).parts == ()
    found = reduce(runtime.lake, experiment, shard=3, through_day=THROUGH, zone=zone)
    assert (found.cells, len(found.days), found.filled_days) == ({}, DAYS, ())


def test_a_delta_adds_over_days_and_carries_its_covariate(experiment, seen, zone, runtime):
    made = [
        seen("1", "s", quality_score=0.25, covariates={"quality_score": 0.5}),
        seen("2", "s", quality_score=0.75),
        seen("3", "s", quality_score=1.0, day=1),
    ]
    write(runtime.observations, made)
    shard = made[0].shard
    work(runtime, experiment, zone, shards=[shard])
    (row,) = delta_rows(runtime, FIRST, shard)
    assert [row.pop("key")] == [each["key"] for each in delta_rows(runtime, made[2].day, shard)]
    assert row == {
        "session_id": "s",
        "arm": "A",
        "phase": 1,
        "segment": "",
        "n": 2,
        "sum:quality_score": 1.0,
        "rest:quality_score": 0.0,
        "count:quality_score": 2,
        "covariate_sum:quality_score": 0.5,
        "covariate_rest:quality_score": 0.0,
        "covariate_count:quality_score": 1,
    }
    total = reduce(runtime.lake, experiment, shard=shard, through_day=THROUGH, zone=zone).of(
        "A", "quality_score"
    )
    assert (total.n, total.count, total.sum, total.sum_sq, total.covariate.x) == (1, 3, 2.0, 4.0, 0.5)


def delta_rows(runtime, day, shard):
    manifest = read_manifest(runtime.lake, partition_of("exp", day, shard, dataset="sessions"))
    with local_parts(runtime.lake, [manifest]) as paths:
        (path,) = with_ending(paths, "parquet")
        assert pq.read_schema(path).metadata[b"kenshin.schema"] == b"sessions/2"
        return pq.read_table(path).to_pylist()


NIGHTS = 6


def over_nights(seen, chance, *, spread: float):
    """Observations of six days, whose figures grow by so much from day to day."""
    return [
        seen(
            f"o-{number}",
            f"s-{chance.randrange(40)}",
            chance.choice("AAAB"),
            day=(day := chance.randrange(NIGHTS)),
            intent=chance.choice([None, "faq", "*"]),
            phase=1 + day // 3,
            quality_score=chance.choice([None, chance.random()]),
            latency_ms=chance.random() * spread**day,
            metrics={name: chance.gauss(0, 1) for name in ("cost", "turns")[: chance.randrange(day + 1)]},
            covariates={"quality_score": chance.random()} if chance.random() < 0.3 else {},
        )
        for number in range(240)
    ]


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), spread=st.sampled_from([1.0, 1.0, 40.0]))
def test_night_by_night_late_rows_included_gives_the_bytes_of_one_go(
    seed, spread, experiment, seen, zone, open_runtime, tmp_path_factory
):
    chance = random.Random(seed)
    made = over_nights(seen, chance, spread=spread)
    late = {each.observation_id for each in made if chance.random() < 0.1}
    days = [FIRST + timedelta(days=number) for number in range(NIGHTS)]
    nightly, once = (open_runtime(tmp_path_factory.mktemp(name)) for name in ("nightly", "once"))
    for night_of in days:
        ready = night_of - timedelta(days=1)
        write(
            nightly.observations,
            [each for each in made if each.day <= (ready if each.observation_id in late else night_of)],
        )
        work(nightly, experiment, zone, shards=range(2), through=night_of)
    write(nightly.observations, made)
    for runtime in (nightly, once):
        write(runtime.observations, made)
        work(runtime, experiment, zone, shards=range(2), through=days[-1])
    for shard in range(2):
        for dataset in ("statistics", "sessions"):
            found = [
                read_manifest(runtime.lake, partition_of("exp", days[-1], shard, dataset=dataset))
                for runtime in (nightly, once)
            ]
            assert found[0].etag == found[1].etag


def test_a_night_reads_the_observations_of_its_own_day_alone(experiment, seen, zone, runtime, monkeypatch):
    chance, shard = random.Random(7), seen("x", "s-1").shard
    write(
        runtime.observations,
        [
            seen(f"o-{number}", f"s-{number % 31}", day=number % NIGHTS, latency_ms=chance.uniform(100, 4000))
            for number in range(31 * NIGHTS)
        ],
    )
    last = FIRST + timedelta(days=NIGHTS - 1)
    work(runtime, experiment, zone, shards=[shard], through=last - timedelta(days=1))
    collect(runtime.observations, runtime.lake, experiment, shard=shard, through_day=last, zone=zone)
    opened, whole = [], runtime.lake.local
    monkeypatch.setattr(runtime.lake, "local", lambda key: opened.append(key) or whole(key))
    reduce(runtime.lake, experiment, shard=shard, through_day=last, zone=zone)
    observed = {key for key in opened if key.startswith("observations/") and key.endswith(".parquet")}
    assert {key.partition("day=")[2][:10] for key in observed} == {last.isoformat()}


def test_late_arrivals_count_within_three_days_and_older_ones_after_a_mark(experiment, seen, zone, runtime):
    through = FIRST + timedelta(days=4)
    shard = seen("x", "s").shard
    write(runtime.observations, [seen("0", "s", day=day) for day in range(5)])

    def counted():
        work(runtime, experiment, zone, shards=[shard], through=through)
        return reduce(runtime.lake, experiment, shard=shard, through_day=through, zone=zone).of(
            "A", "observations"
        )

    assert counted().count == 5
    write(runtime.observations, [seen("late", "s", day=day) for day in range(5)])
    assert counted().count == 8
    mark_arrivals(runtime.lake, "exp", [FIRST, FIRST + timedelta(days=1)], at=runtime.clock())
    assert counted().count == 10


def test_what_is_up_to_date_is_not_made_again(experiment, seen, zone, runtime):
    write(runtime.observations, draw(seen, random.Random(2), count=60))
    work(runtime, experiment, zone)

    def written():
        lake = runtime.settings.home / "lake"
        return {
            p: p.stat().st_mtime_ns for p in lake.rglob("*.*") if "sessions" in str(p) or "statis" in str(p)
        }

    before = written()
    work(runtime, experiment, zone)
    assert written() == before


def test_a_shard_that_was_not_reduced_is_missed_loudly(experiment, zone, runtime):
    work(runtime, experiment, zone, shards=range(15))
    with pytest.raises(NotFound, match="shard=15"):
        read_statistics(runtime.lake, "exp", THROUGH)


def test_the_first_day_is_the_zones(experiment, zone):
    assert first_day(experiment, zone) == FIRST
    with pytest.raises(InvalidExperiment, match="created_at"):
        first_day(experiment.changed(created_at=0.0), zone)


KILLED = """
import os, signal, sys
from datetime import date
from kenshin.experiments.aggregate import reduce
from kenshin.experiments.collect import collect
from kenshin.experiments.registry import find
from kenshin.runtime import Runtime

runtime = Runtime.from_env()
lake, left, when = runtime.lake, int(sys.argv[1]), sys.argv[2]
whole = lake.put

def put(*arguments, **options):
    global left
    left -= 1
    if left == 0 and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    answer = whole(*arguments, **options)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer

lake.put = put
experiment, zone = find(runtime.experiments, "exp"), runtime.settings.zone
for shard in range(4):
    day = date.fromisoformat(sys.argv[3])
    collect(runtime.observations, lake, experiment, shard=shard, through_day=day, zone=zone)
    reduce(lake, experiment, shard=shard, through_day=day, zone=zone)
"""


def published(runtime) -> dict[str, bytes]:
    """What manifests name, and the manifests; parts that a later one replaced are left for the sweep."""
    lake = runtime.settings.home / "lake"
    found = list(manifests(runtime.lake, ""))
    keys = {part.key for each in found for part in each.parts} | {
        f"{each.partition}/_manifest.json" for each in found
    }
    return {key: (lake / key).read_bytes() for key in keys}


def test_a_day_collected_twice_in_two_orders_with_late_rows_gives_the_same_bytes(
    experiment, seen, zone, open_runtime, tmp_path
):
    made = draw(seen, random.Random(5), count=1000)
    # Those may be late that are collected again without a mark: of the last three days.
    recent = [each for each in made if THROUGH - each.day <= timedelta(days=2)]
    late = random.Random(6).sample(recent, 30)
    in_time = [each for each in made if each not in late]
    assert len(late) / len(made) == 0.03
    calm, twice = open_runtime(tmp_path / "calm"), open_runtime(tmp_path / "twice")
    bodies = []
    for runtime, arrivals in ((calm, [made]), (twice, [in_time[::-1], late + in_time[:50]])):
        runtime.experiments.put(experiment, expected=None)
        for arrived in arrivals:
            write(runtime.observations, arrived)
            work(runtime, experiment, zone)
        item = {"experiment_id": "exp", "through_day": THROUGH.isoformat()}
        ports = (runtime.experiments, runtime.ledger, runtime.lake, runtime.recorder)
        night.analyse(*ports, item, zone=zone, at=runtime.clock())
        bodies.append(published(runtime))
    assert {key.partition("/")[0] for key in bodies[0]} == {
        "observations",
        "sessions",
        "values",
        "statistics",
        "reports",
        "looks",
    }
    assert bodies[0] == bodies[1]
    report = read_report(twice.lake, "exp", THROUGH)
    assert sum(arm.observations for arm in report.analysis.arms) == len(made)
    assert report.analysis.arms[0].latency_p95.observations == sum(
        each.latency_ms is not None and each.arm == "A" for each in made
    )


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("puts", [1, 2, 7, 30])
def test_a_killed_task_that_is_tried_again_loses_and_doubles_nothing(
    experiment, seen, zone, open_runtime, tmp_path, puts, when
):
    made = draw(seen, random.Random(3))
    calm, killed = open_runtime(tmp_path / "calm"), open_runtime(tmp_path / "killed")
    for runtime in (calm, killed):
        runtime.experiments.put(experiment, expected=None)
        write(runtime.observations, made)
    work(calm, experiment, zone, shards=range(4))
    environment = {
        **os.environ,
        "KENSHIN_HOME": str(tmp_path / "killed"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(puts), when, THROUGH.isoformat()], env=environment, timeout=120
    )
    assert done.returncode == -signal.SIGKILL
    work(killed, experiment, zone, shards=range(4))

    ours, theirs = (
        {k: v for k, v in files(r).items() if k.endswith("_manifest.json")} for r in (killed, calm)
    )
    assert ours == theirs
    expected = of_observations(each for each in made if each.shard < 4)
    found = [
        Totals.from_dict(read_json(killed.lake, partition_of("exp", THROUGH, shard, dataset="statistics")))
        for shard in range(4)
    ]
    assert close(merged(found), expected)


def test_grouping_shards_into_tasks_changes_no_byte_of_the_report(
    experiment, seen, zone, open_runtime, tmp_path
):
    made = draw(seen, random.Random(4))
    bodies = []
    for tasks in (1, 4, 16):
        runtime = open_runtime(tmp_path / str(tasks))
        runtime.experiments.put(experiment, expected=None)
        write(runtime.observations, made)
        items = night.plan(
            runtime.experiments, experiment_id="exp", through_day=THROUGH, tasks=tasks, zone=zone
        )
        assert len(items) == tasks
        for item in json.loads(json.dumps(items)):
            reduced = night.collect_shards(
                runtime.experiments, runtime.observations, runtime.lake, item, zone=zone
            )
            night.reduce_shards(runtime.experiments, runtime.lake, reduced, zone=zone)
        [target] = night.experiments_of(items)
        night.analyse(
            runtime.experiments,
            runtime.ledger,
            runtime.lake,
            runtime.recorder,
            target,
            zone=zone,
            at=runtime.clock(),
        )
        report = read_report(runtime.lake, "exp", THROUGH)
        manifest = read_manifest(runtime.lake, report.report_key)
        bodies.append(Path(runtime.settings.home / "lake" / manifest.parts[0].key).read_bytes())
    assert bodies[0] == bodies[1] == bodies[2]
