"""The DAG promote_experiment, run in this process where nobody has to be asked; see tests/airflow for the rest."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from verdicts import publish_verdict

from kenshin.experiments import registry
from kenshin.runtime import Runtime
from kenshin.settings import Settings

DAY = date(2026, 11, 14)
DEFINITION = {"experiment_id": "greeting", "prompt_a_version": "v1", "prompt_b_version": "v2"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KENSHIN_HOME", str(tmp_path))
    runtime = Runtime(Settings.from_env())
    yield runtime
    runtime.close()


def start(home, verdict, **promotion):
    definition = {**DEFINITION, "policy": {"promotion": promotion}}
    at = datetime(2026, 11, 1, tzinfo=UTC)
    made = registry.create(home.experiments, home.ledger, definition, start=True, at=at, by="test")
    publish_verdict(home.lake, made.value, DAY, verdict, automatic_allowed=True)


def run(load_dag, **conf):
    dag = load_dag("promote_experiment")
    for task in dag.tasks:
        task.retries = 0
    finished = dag.test(run_conf={"experiment_id": "greeting", **conf})
    return finished.state, {each.task_id: each.state for each in finished.get_task_instances()}


def test_it_asks_between_the_proposal_and_the_conclusion(load_dag):
    dag = load_dag("promote_experiment")
    assert dag.get_task("ask").upstream_task_ids == {"questions"}
    assert dag.get_task("conclude").upstream_task_ids == {"propose", "ask"}
    assert dag.get_task("ask").operator_class.__name__ == "HITLOperator"


def test_harm_is_rolled_back_by_the_policy_without_asking(home, load_dag):
    start(home, "roll_back", auto_roll_back=True)
    state, tasks = run(load_dag, report_day=DAY.isoformat())
    assert (state, tasks["ask"], tasks["conclude"]) == ("success", "skipped", "success")
    assert home.experiments.get("greeting").value.winner == "A"


def test_a_dry_run_asks_nobody_and_writes_nothing(home, load_dag):
    start(home, "promote")
    before = len(home.ledger.read("experiment:greeting"))
    state, tasks = run(load_dag, dry_run=True)
    assert (state, tasks["ask"], tasks["conclude"]) == ("success", "skipped", "success")
    assert home.experiments.get("greeting").version == 1
    assert len(home.ledger.read("experiment:greeting")) == before


def test_a_report_that_was_replaced_asks_nobody_and_fails_loudly(home, load_dag):
    start(home, "promote")
    state, tasks = run(load_dag, report_sha256="0" * 64)
    assert (state, tasks["ask"], tasks["conclude"]) == ("failed", "skipped", "failed")
    assert home.ledger.read("experiment:greeting")[-1].value.kind == "refusal"
    assert home.experiments.get("greeting").value.status == "running"


@pytest.mark.parametrize(
    "conf", [{"report": "2026-11-14"}, {"experiment_id": "nobody"}, {"report_day": "2026-11-13"}]
)
def test_a_wrong_conf_fails_at_the_first_task(home, load_dag, conf):
    start(home, "promote")
    state, tasks = run(load_dag, **conf)
    assert (state, tasks["propose"]) == ("failed", "failed")
    assert home.experiments.get("greeting").value.status == "running"
