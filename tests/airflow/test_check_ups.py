"""Both check-ups through the scheduler of a real Airflow, on real data."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kenshin.cli.airflow_api import FINISHED, AirflowApi, DatabaseLocked, Run
from kenshin.current import use
from kenshin.days import day_of
from kenshin.drift import check_drift
from kenshin.drift.history import read_history
from kenshin.drift.index import StoredDocument, sample_key
from kenshin.errors import Conflict
from kenshin.runtime import Runtime
from kenshin.samples.star import load_star
from kenshin.settings import Settings
from local_airflow import CHECKOUT, LocalAirflow, airflow_command

TOKYO = ZoneInfo("Asia/Tokyo")
DRIFT, EXPERIMENTS = "embedding_drift", "experiment_analysis"
INDEX = "mangaassist-products"
RUN_TIMEOUT_S = 180.0
DOCUMENTS = 40


def await_run(api: AirflowApi, dag_id: str, run: Run) -> Run:
    end = time.monotonic() + RUN_TIMEOUT_S
    while run.state not in FINISHED:
        assert time.monotonic() < end, (
            f"{run.run_id} is still {run.state}: {api.task_instances(dag_id, run.run_id)}"
        )
        time.sleep(0.5)
        run = api.run(dag_id, run.run_id)
    return run


def failed_log(api: AirflowApi, dag_id: str, run: Run) -> str:
    return "\n".join(
        api.log_tail(dag_id, run.run_id, task)
        for task in api.task_instances(dag_id, run.run_id)
        if task.state == "failed"
    )


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.json")}


@pytest.fixture(scope="module")
def today() -> date:
    return day_of(datetime.now(UTC), TOKYO)


@pytest.fixture(scope="module")
def runtime(airflow: LocalAirflow) -> Iterator[Runtime]:
    made = Runtime(Settings.from_env(airflow.environment))
    yield made
    made.close()


@pytest.fixture(scope="module")
def last_night(runtime: Runtime, today: date) -> date:
    definition = json.loads((CHECKOUT / "include" / "experiments" / "star-class-size.json").read_text())
    last = today - timedelta(days=1)
    experiment, observations = load_star(definition, last_day=last, zone=TOKYO)
    runtime.experiments.put(experiment, expected=None)
    runtime.observations.write(list(observations))
    return last


@pytest.fixture(scope="module")
def index(runtime: Runtime) -> None:
    texts = [
        f"Document {number} says how to return item {number * 7} within {number} days."
        for number in range(DOCUMENTS)
    ]
    vectors = [answer.vector for answer in runtime.embedder.embed(texts, kind="passage", deadline=60)]
    # Every fourth vector points the other way.
    wrong = [
        [-element for element in vector] if number % 4 == 0 else vector
        for number, vector in enumerate(vectors)
    ]
    runtime.index().add(
        [
            StoredDocument(
                doc_id=f"doc-{number}",
                text=text,
                vector=vector,
                sample_key=sample_key(f"doc-{number}"),
                embedded_at=datetime.now(UTC) - timedelta(days=60),
            )
            for number, (text, vector) in enumerate(zip(texts, wrong, strict=True))
        ]
    )


@pytest.fixture(scope="module")
def api(admin: AirflowApi) -> AirflowApi:
    end = time.monotonic() + 90
    while not {DRIFT, EXPERIMENTS} <= set(admin.dag_ids()):
        assert admin.import_errors() == []
        assert time.monotonic() < end
        time.sleep(0.5)
    for dag_id in (DRIFT, EXPERIMENTS):
        admin.unpause(dag_id)
    return admin


def run_kenshin(airflow: LocalAirflow, *words: str) -> subprocess.CompletedProcess[str]:
    return airflow.run(str(airflow_command().with_name("kenshin")), *words)


def test_the_experiment_is_analysed_and_a_rerun_changes_no_byte(airflow, api, last_night):
    conf = {"experiment_id": "star-class-size", "through_day": last_night.isoformat()}
    first = await_run(api, EXPERIMENTS, api.trigger(EXPERIMENTS, conf))
    assert first.state == "success", failed_log(api, EXPERIMENTS, first)
    reports = airflow.kenshin_home / "lake" / "reports"
    before = tree(reports / "experiment=star-class-size")
    shown = json.loads(run_kenshin(airflow, "experiments", "show", "star-class-size", "--json").stdout)[
        "report"
    ]
    assert (shown["sessions_a"], shown["sessions_b"]) == (103, 131)
    assert shown["missing_days"] == []
    assert "Within each school" in shown["randomised"]
    assert shown["recommendation"].startswith("PROMOTE version small-class")
    second = await_run(api, EXPERIMENTS, api.trigger(EXPERIMENTS, conf))
    assert second.state == "success"
    assert tree(reports / "experiment=star-class-size") == before


def test_a_dry_run_publishes_no_report(airflow, api, last_night):
    day = last_night - timedelta(days=2)
    conf = {"experiment_id": "star-class-size", "through_day": day.isoformat(), "dry_run": True}
    assert await_run(api, EXPERIMENTS, api.trigger(EXPERIMENTS, conf)).state == "success"
    reports = airflow.kenshin_home / "lake" / "reports" / "experiment=star-class-size"
    assert not (reports / f"day={day}").exists()


@pytest.mark.parametrize(
    ("dag_id", "conf", "said"),
    [
        (EXPERIMENTS, {"experiment": "star-class-size"}, "unknown conf keys"),
        (DRIFT, {"treshold": 0.2}, "unknown conf keys"),
        (EXPERIMENTS, {"experiment_id": "nobody"}, "Experiment not found"),
        (DRIFT, {"index": "nobody"}, "no such index"),
    ],
)
def test_a_run_with_a_wrong_conf_fails_and_says_why(api, index, last_night, dag_id, conf, said):
    run = await_run(api, dag_id, api.trigger(dag_id, conf))
    assert run.state == "failed"
    assert said in failed_log(api, dag_id, run)


def test_seven_days_backfilled_by_the_command_are_exactly_those_days(airflow, api, runtime, index, today):
    first, last = today - timedelta(days=10), today - timedelta(days=4)
    done = run_kenshin(
        airflow, "drift", "backfill", "--from", str(first), "--to", str(last), "--sample-size", "20", "--json"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    expected = [(first + timedelta(days=number)).isoformat() for number in range(7)]
    assert [row["day"] for row in json.loads(done.stdout)["history"]] == expected
    rows = read_history(runtime.lake, INDEX, today - timedelta(days=30), today - timedelta(days=4)).rows()
    assert [(row["day"], row["mode"]) for row in rows] == [(day, "reconstructed") for day in expected]
    assert all(row["drifted_count"] > 0 for row in rows)
    again = run_kenshin(airflow, "drift", "backfill", "--from", str(first), "--to", str(last), "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout)["skipped"] == expected


def test_seven_days_backfilled_as_the_ui_does_it_are_exactly_those_days(api, runtime, index, today):
    first, last = today - timedelta(days=27), today - timedelta(days=21)
    created = press_button(
        api,
        {
            "dag_id": DRIFT,
            "from_date": datetime(first.year, first.month, first.day, tzinfo=TOKYO)
            .astimezone(UTC)
            .isoformat(),
            "to_date": datetime(last.year, last.month, last.day, 23, 59, tzinfo=TOKYO)
            .astimezone(UTC)
            .isoformat(),
            "run_backwards": False,
            "reprocess_behavior": "none",
            "max_active_runs": 2,
            "dag_run_conf": {"sample_size": 20},
        },
    )
    end = time.monotonic() + 2 * RUN_TIMEOUT_S
    begin = datetime(first.year, first.month, first.day, tzinfo=TOKYO)
    runs: list[Run] = []
    while len(runs) < 7 or any(run.state not in FINISHED for run in runs):
        assert time.monotonic() < end, (created, runs)
        time.sleep(1)
        runs = list(api.runs_between(DRIFT, begin, begin + timedelta(days=8)))
    assert [run.state for run in runs] == ["success"] * 7
    rows = read_history(runtime.lake, INDEX, first - timedelta(days=3), last + timedelta(days=3)).rows()
    assert [row["day"] for row in rows] == [
        (first + timedelta(days=number)).isoformat() for number in range(7)
    ]
    states = {task.task_id: task.state for task in api.task_instances(DRIFT, runs[0].run_id)}
    assert "skipped" in states.values(), states


def press_button(api: AirflowApi, body: dict[str, object]) -> dict[str, object]:
    """Create a backfill as the UI does; a person tries again while Airflow closes the one before."""
    end = time.monotonic() + 90
    while True:
        try:
            return api.post_json("/api/v2/backfills", body)
        except (Conflict, DatabaseLocked):
            assert time.monotonic() < end
            time.sleep(1)


def test_a_task_that_is_killed_is_tried_again_and_nothing_is_lost_or_doubled(
    airflow, api, runtime, index, today, tmp_path
):
    """SIGKILL of the process that embeds; the report must be that of an undisturbed run."""
    documents = [
        StoredDocument(
            doc_id=f"clause-{number}",
            text=f"Clause {number}: " + f"the customer may return what courier {number} has broken. " * 12,
            vector=[math.sin(number + place) for place in range(384)],
            sample_key=sample_key(f"clause-{number}"),
            embedded_at=datetime.now(UTC) - timedelta(days=60),
        )
        for number in range(110)
    ]
    runtime.index("contracts").add(documents)
    run = api.trigger(DRIFT, {"index": "contracts", "sample_size": 100})
    kill_when(api, DRIFT, run, "embed", airflow)
    done = await_run(api, DRIFT, run)
    assert done.state == "success", failed_log(api, DRIFT, done)
    tries = [task.try_number for task in api.task_instances(DRIFT, run.run_id) if task.task_id == "embed"]
    assert max(tries) > 1, tries
    killed = json.loads(run_kenshin(airflow, "drift", "show", "--index", "contracts", "--json").stdout)

    undisturbed = Runtime(Settings.from_env({"KENSHIN_HOME": str(tmp_path)}))
    undisturbed.index("contracts").add(documents)
    with use(undisturbed):
        assert killed == check_drift(sample_size=100, index="contracts").as_dict()
    undisturbed.close()
    worst = run_kenshin(airflow, "drift", "worst", "--index", "contracts", "--limit", "200", "--json")
    ids = [document["doc_id"] for document in json.loads(worst.stdout)]
    assert len(ids) == len(set(ids)) == 100


def test_a_killed_collection_is_tried_again_and_the_report_stays_the_same(airflow, api, last_night):
    conf = {"experiment_id": "star-class-size", "through_day": (last_night - timedelta(days=1)).isoformat()}
    lake = airflow.kenshin_home / "lake"
    folder = lake / "reports" / "experiment=star-class-size" / f"day={conf['through_day']}"
    for dataset in ("observations", "sessions", "statistics"):
        shutil.rmtree(lake / dataset, ignore_errors=True)
    run = api.trigger(EXPERIMENTS, conf)
    kill_when(api, EXPERIMENTS, run, "collect", airflow)
    assert await_run(api, EXPERIMENTS, run).state == "success"
    tries = [
        task.try_number for task in api.task_instances(EXPERIMENTS, run.run_id) if task.task_id == "collect"
    ]
    assert max(tries) > 1, tries
    before = tree(folder)
    for dataset in ("observations", "sessions", "statistics"):
        shutil.rmtree(lake / dataset)
    assert await_run(api, EXPERIMENTS, api.trigger(EXPERIMENTS, conf)).state == "success"
    assert tree(folder) == before


def kill_when(api: AirflowApi, dag_id: str, run: Run, task_id: str, airflow: LocalAirflow) -> int:
    """SIGKILL the process that works on a task as soon as there is one; answers its id."""
    end = time.monotonic() + RUN_TIMEOUT_S
    while time.monotonic() < end:
        body = api.get_json(f"/api/v2/dags/{dag_id}/dagRuns/{run.run_id}/taskInstances?limit=100")
        for task in body["task_instances"]:
            if task["task_id"] == task_id and task["state"] == "running":
                found = processes_titled(f"airflow worker -- {task['id']}", airflow)
                for pid in found:
                    os.kill(pid, signal.SIGKILL)
                if found:
                    return found[0]
        time.sleep(0.2)
    raise AssertionError(f"{task_id} never ran")


def processes_titled(title: str, airflow: LocalAirflow) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            ours = str(airflow.folder).encode() in (folder / "environ").read_bytes()
            if title.encode() in (folder / "cmdline").read_bytes().replace(b"\0", b" ") and ours:
                found.append(int(folder.name))
        except OSError:
            continue
    return found
