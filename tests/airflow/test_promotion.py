"""Promotion through a real Airflow: who may answer, what an answer does, and who sees it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from verdicts import ZONE, publish_verdict

from kenshin.cli.airflow_api import FINISHED, AirflowApi, Run
from kenshin.days import day_of
from kenshin.errors import BackendUnavailable, NotFound
from kenshin.experiments import registry
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.observation import observation
from kenshin.experiments.proposal import propose
from kenshin.runtime import Runtime
from kenshin.settings import Settings
from local_airflow import LocalAirflow

PROMOTE, ANALYSE = "promote_experiment", "experiment_analysis"
PATIENCE_S = 150.0
REFRESHED_S = 15.0
"""Definitions are refreshed every five seconds; the rest is for a busy machine."""

PARKED_S = 3.0
"""An answer in the second in which a task parks itself can fail it."""

WATCH = """
import sys, time
from kenshin.experiments import get_prompt_version, prime
assert prime(60)
end, seen = time.monotonic() + 240, None
while time.monotonic() < end and seen != "v2":
    now = get_prompt_version(sys.argv[1], "s-2")
    if now != seen:
        print(now, time.time(), flush=True)
    seen = now
    time.sleep(0.05)
"""


def until(say: str, ask: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    end = time.monotonic() + patience_s
    while (found := ask()) is None:
        assert time.monotonic() < end, say
        time.sleep(0.4)
    return found


@pytest.fixture(scope="module")
def runtime(airflow: LocalAirflow) -> Iterator[Runtime]:
    made = Runtime(Settings.from_env(airflow.environment))
    yield made
    made.close()


@pytest.fixture(scope="module")
def yesterday() -> date:
    return day_of(datetime.now(UTC), ZONE) - timedelta(days=1)


@pytest.fixture(scope="module")
def api(admin: AirflowApi) -> AirflowApi:
    """An admin's; `ANALYSE` stays paused, since its scheduled run would write the reports of these tests anew."""
    until("the DAGs are not parsed", lambda: True if {PROMOTE, ANALYSE} <= set(admin.dag_ids()) else None)
    assert admin.import_errors() == []
    return admin


@pytest.fixture
def running(runtime: Runtime, yesterday: date) -> Callable[..., Experiment]:
    """Starts an experiment with a report of yesterday whose verdict is to promote B."""

    def start(name: str, verdict: str = "promote", **promotion: object) -> Experiment:
        definition = {
            "experiment_id": name,
            "prompt_a_version": "v1",
            "prompt_b_version": "v2",
            "traffic_split": 0.01,
            "created_at": time.time() - 86_400 * 5,
            "policy": {"promotion": promotion},
        }
        made = registry.create(
            runtime.experiments, runtime.ledger, definition, start=True, at=datetime.now(UTC), by="test"
        )
        publish_verdict(runtime.lake, made.value, yesterday, verdict, automatic_allowed=True)
        return made.value

    return start


def kinds(runtime: Runtime, name: str) -> list[str]:
    return [each.value.kind for each in runtime.ledger.read(f"experiment:{name}")][2:]


def question_path(run: Run) -> str:
    return f"/api/v2/dags/{PROMOTE}/dagRuns/{quote(run.run_id)}/taskInstances/ask/0/hitlDetails"


def await_question(api: AirflowApi, run: Run) -> dict[str, object]:
    def waits() -> dict[str, object] | None:
        states = {task.task_id: task.state for task in api.task_instances(PROMOTE, run.run_id)}
        assert "failed" not in states.values(), log_of(api, run)
        if states.get("ask") != "awaiting_input":
            return None
        try:
            return api.get_json(question_path(run))
        except NotFound:
            return None

    found = until(f"{run.run_id} asks nobody", waits)
    time.sleep(PARKED_S)
    return found


def answer(api: AirflowApi, run: Run, choice: str) -> None:
    api.patch(question_path(run), {"chosen_options": [choice], "params_input": {}})


def await_run(api: AirflowApi, run: Run, dag_id: str = PROMOTE) -> Run:
    def done() -> Run | None:
        now = api.run(dag_id, run.run_id)
        return now if now.state in FINISHED else None

    return until(f"{run.run_id} does not end", done)


def log_of(api: AirflowApi, run: Run, dag_id: str = PROMOTE) -> str:
    failed = [task for task in api.task_instances(dag_id, run.run_id) if task.state == "failed"]
    return "\n".join(api.log_tail(dag_id, run.run_id, task) for task in failed)


def test_a_viewer_is_refused_a_permitted_user_promotes_and_another_process_sees_it(
    airflow, api, viewer, runtime, running, tmp_path
):
    running("greeting")
    with (tmp_path / "seen").open("w") as seen:
        watcher = subprocess.Popen(
            [sys.executable, "-c", WATCH, "greeting"], env=airflow.environment, stdout=seen
        )
    try:
        run = api.trigger(PROMOTE, {"experiment_id": "greeting"})
        question = await_question(api, run)
        assert question["subject"].startswith("Promote arm B of greeting?")
        assert question["options"] == ["Promote", "Keep running"]
        assert question["defaults"] == ["Keep running"]
        assert question["params"] == {}
        assert "every session gets prompt version v2" in question["body"]
        with pytest.raises(BackendUnavailable, match="403"):
            answer(viewer, run, "Promote")
        assert runtime.experiments.get("greeting").value.status == "running"
        answer(api, run, "Promote")
        concluded = until(
            "it is not concluded",
            lambda: time.time() if runtime.experiments.get("greeting").version == 2 else None,
        )
        assert await_run(api, run).state == "success", log_of(api, run)
        assert runtime.experiments.get("greeting").value.winner == "B"
        assert kinds(runtime, "greeting") == ["answer", "concluded"]
        entry = runtime.ledger.read("experiment:greeting")[-1].value
        assert entry.by == "admin"
        assert watcher.wait(REFRESHED_S) == 0
    finally:
        watcher.kill()
        watcher.wait()
    first, last = (tmp_path / "seen").read_text().split("\n")[:2]
    assert (first.split()[0], last.split()[0]) == ("v1", "v2")
    assert float(last.split()[1]) - concluded < REFRESHED_S


def test_a_rejection_leaves_it_running_and_is_recorded(api, runtime, running):
    running("farewell")
    run = api.trigger(PROMOTE, {"experiment_id": "farewell"})
    await_question(api, run)
    answer(api, run, "Keep running")
    assert await_run(api, run).state == "success", log_of(api, run)
    assert runtime.experiments.get("farewell").version == 1
    told = runtime.ledger.read("experiment:farewell")[-1].value
    assert (told.kind, told.by, told.body["choice"]) == ("answer", "admin", "Keep running")


def test_a_stale_report_cannot_promote(api, runtime, running, yesterday):
    experiment = running("refund")
    run = api.trigger(PROMOTE, {"experiment_id": "refund", "report_day": yesterday.isoformat()})
    await_question(api, run)
    publish_verdict(runtime.lake, experiment, yesterday + timedelta(days=1), "continue", None)
    answer(api, run, "Promote")
    assert await_run(api, run).state == "failed"
    assert "there is a newer report" in log_of(api, run)
    assert runtime.experiments.get("refund").value.status == "running"
    assert kinds(runtime, "refund") == ["answer", "refusal"]


def test_not_even_an_admin_answers_for_the_approvers_and_silence_changes_nothing(api, runtime, running):
    running("upsell", approvers=["paula"], answer_within_hours=12 / 3600)
    run = api.trigger(PROMOTE, {"experiment_id": "upsell"})
    question = await_question(api, run)
    assert question["assigned_users"] == [{"id": "paula", "name": "paula"}]
    with pytest.raises(BackendUnavailable, match="403"):
        answer(api, run, "Promote")
    assert await_run(api, run).state == "success", log_of(api, run)
    told = runtime.ledger.read("experiment:upsell")[-1].value
    assert (told.kind, told.by, told.body["how"]) == ("answer", PROMOTE, "timed_out")
    assert runtime.experiments.get("upsell").version == 1


def test_harm_is_rolled_back_without_asking_and_a_dry_run_asks_nobody(api, runtime, running):
    running("tone", "roll_back", auto_roll_back=True)
    dry = api.trigger(PROMOTE, {"experiment_id": "tone", "dry_run": True})
    assert await_run(api, dry).state == "success", log_of(api, dry)
    assert kinds(runtime, "tone") == []
    run = api.trigger(PROMOTE, {"experiment_id": "tone"})
    assert await_run(api, run).state == "success", log_of(api, run)
    assert runtime.experiments.get("tone").value.winner == "A"
    told = runtime.ledger.read("experiment:tone")[-2].value
    assert (told.kind, told.by, told.body["how"]) == ("answer", PROMOTE, "automatic")


def test_the_night_asks_about_a_winner_once(api, runtime, yesterday):
    first = datetime.combine(yesterday - timedelta(days=2), datetime.min.time(), ZONE)
    definition = {
        "experiment_id": "recommend",
        "prompt_a_version": "v1",
        "prompt_b_version": "v2",
        "created_at": first.timestamp(),
    }
    registry.create(
        runtime.experiments, runtime.ledger, definition, start=True, at=datetime.now(UTC), by="test"
    )
    runtime.observations.write(
        [
            observation(
                observation_id=f"{arm}-{day}-{n}",
                experiment_id="recommend",
                session_id=f"{arm}-{day}-{n}",
                arm=arm,
                prompt_version=version,
                observed_at=first + timedelta(days=day, hours=12),
                recorded_at=first + timedelta(days=day, hours=12),
                zone=ZONE,
                quality_score=score + (n % 10) / 100,
                latency_ms=100.0,
            )
            for arm, version, score in (("A", "v1", 0.3), ("B", "v2", 0.7))
            for day in range(3)
            for n in range(40)
        ]
    )
    api.unpause(ANALYSE)
    conf = {"experiment_id": "recommend", "through_day": yesterday.isoformat()}
    night = await_run(api, api.trigger(ANALYSE, conf), ANALYSE)
    assert night.state == "success", log_of(api, night, ANALYSE)
    asked = propose(runtime.experiments, runtime.lake, "recommend")
    run = api.run(PROMOTE, asked.run_id)
    await_question(api, run)
    again = await_run(api, api.trigger(ANALYSE, conf), ANALYSE)
    assert again.state == "success", log_of(api, again, ANALYSE)
    states = {task.task_id: task.state for task in api.task_instances(ANALYSE, again.run_id)}
    assert states["ask"] == "skipped"
    answer(api, run, "Promote")
    assert await_run(api, run).state == "success", log_of(api, run)
    assert runtime.experiments.get("recommend").value.winner == "B"
