"""The DAG experiment_analysis, run whole in this process on the embedded default."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from verdicts import publish_verdict

from kenshin.experiments.looks import looks_of
from kenshin.experiments.report import read_report, report_days
from kenshin.runtime import Runtime
from kenshin.samples.star import NIGHTS, load_star
from kenshin.settings import Settings

DEFINITION = Path(__file__).parents[2] / "include" / "experiments" / "star-class-size.json"
LAST_DAY = date(2026, 11, 14)
AFTER_IT = datetime(2026, 11, 14, 17, tzinfo=UTC)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A Kenshin of its own with the STAR trial in it."""
    monkeypatch.setenv("KENSHIN_HOME", str(tmp_path))
    runtime = Runtime(Settings.from_env())
    experiment, observations = load_star(
        json.loads(DEFINITION.read_text()), last_day=LAST_DAY, zone=runtime.settings.zone
    )
    runtime.experiments.put(experiment, expected=None)
    runtime.observations.write(list(observations))
    yield runtime
    runtime.close()


def run(load_dag, *, logical_date=AFTER_IT, **conf):
    return load_dag("experiment_analysis").test(logical_date=logical_date, run_conf=conf or None)


def signals(home) -> list[dict]:
    files = (home.settings.home / "signals").rglob("*.jsonl")
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_a_night_publishes_a_report_and_sends_its_figures(home, load_dag):
    finished = run(load_dag)

    assert finished.state == "success"
    report = read_report(home.lake, "star-class-size", LAST_DAY)
    body = report.as_dict()
    assert (body["sample_a"], body["sample_b"]) == (2006, 1739)
    assert (body["sessions_a"], body["sessions_b"]) == (103, 131)
    assert body["missing_days"] == []
    assert body["winner"] == "B"
    [line] = signals(home)
    assert line["log_type"] == "experiment_analysis"
    assert line["ExperimentScoreDelta"] == body["score_delta"]
    assert line["report_key"] == report.report_key


def test_a_rerun_leaves_the_report_as_it_is_byte_for_byte(home, load_dag):
    def files():
        return {
            path: path.read_bytes() for path in (home.settings.home / "lake").rglob("*.*") if path.is_file()
        }

    from airflow.models.dagrun import DagRun

    assert run(load_dag).state == "success"
    before, asked = files(), [each.run_id for each in DagRun.find(dag_id="promote_experiment")]
    assert any(run_id.startswith("star-class-size__2026-11-14__") for run_id in asked)
    again = run(load_dag, logical_date=datetime(2026, 11, 20, tzinfo=UTC), through_day="2026-11-14")
    assert again.state == "success"
    assert {each.task_id: each.state for each in again.get_task_instances()}["ask"] == "skipped"
    assert [each.run_id for each in DagRun.find(dag_id="promote_experiment")] == asked
    assert files() == before


def test_a_dry_run_publishes_and_sends_nothing(home, load_dag):
    finished = run(load_dag, experiment_id="star-class-size", dry_run=True)

    assert finished.state == "success"
    assert report_days(home.lake, "star-class-size") == []
    assert signals(home) == []


def test_nothing_to_do_is_no_failure(tmp_path, monkeypatch, load_dag):
    monkeypatch.setenv("KENSHIN_HOME", str(tmp_path))

    assert run(load_dag).state == "success"


@pytest.mark.parametrize("conf", [{"experiment": "star-class-size"}, {"experiment_id": "unknown"}])
def test_bad_conf_fails_the_run_at_its_first_task(home, load_dag, conf):
    dag = load_dag("experiment_analysis")
    for task in dag.tasks:
        task.retries = 0
    finished = dag.test(logical_date=AFTER_IT, run_conf=conf)

    states = {each.task_id: each.state for each in finished.get_task_instances()}
    assert finished.state == "failed"
    assert states["plan"] == "failed"
    assert report_days(home.lake, "star-class-size") == []


@pytest.mark.parametrize("backfilled", [False, True])
def test_a_verdict_is_asked_about_and_a_backfill_asks_nobody(home, load_dag, backfilled, monkeypatch):
    experiment = home.experiments.get("star-class-size").value
    publish_verdict(home.lake, experiment, LAST_DAY, "promote")
    asking = load_dag("experiment_analysis").get_task("questions").python_callable
    monkeypatch.setitem(asking.__globals__, "is_backfill", lambda: backfilled)

    night = {"experiment_id": "star-class-size", "day": LAST_DAY.isoformat(), "published": True}
    asked = asking([night])

    if backfilled:
        assert asked == []
    else:
        assert asked[0]["trigger_run_id"].startswith("star-class-size__2026-11-14__")


@pytest.mark.slow
def test_star_night_by_night(home, load_dag):
    """Fourteen nights take fourteen looks, and what is decided on one of them stays decided."""
    days = [LAST_DAY - timedelta(days=back) for back in reversed(range(NIGHTS))]
    for day in days:
        assert run(load_dag, through_day=day.isoformat(), experiment_id="star-class-size").state == "success"
    looks = looks_of(home.ledger, "star-class-size")
    assert [look.day for look in looks] == days[len(days) - len(looks) :]
    assert [look.look for look in looks] == list(range(1, len(looks) + 1))
    assert all(later.information > earlier.information for earlier, later in pairwise(looks))
    spent = [look.alpha_spent for look in looks]
    assert spent == sorted(spent)
    assert spent[-1] == pytest.approx(0.05)
    reports = [read_report(home.lake, "star-class-size", day) for day in days]
    body = reports[-1].as_dict()
    [primary] = body["primary"]
    assert (primary["delta"], primary["se"]) == pytest.approx((0.0186382627159, 0.00776243320691), rel=1e-9)
    assert abs(primary["z"]) >= primary["boundary"]
    assert body["decision"]["verdict"] == "promote"
    first = next(number for number, each in enumerate(reports) if each.decision.verdict == "promote")
    assert {each.decision.verdict for each in reports[first:]} == {"promote"}
    assert "hold" in {each.decision.verdict for each in reports[:first]}
