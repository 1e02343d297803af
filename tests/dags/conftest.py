"""Airflow in this process: a home of its own, set before anything imports Airflow, and a database migrated once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
HOME = Path(tempfile.mkdtemp(prefix="kenshin-dags-"))
STARTED_BY = {"experiment_analysis": ("promote_experiment",)}
"""DAGs that a DAG starts runs of; Airflow has to know them."""

os.environ.update(
    AIRFLOW_HOME=str(HOME / "airflow"),
    AIRFLOW__CORE__LOAD_EXAMPLES="false",
    AIRFLOW__CORE__DAGS_FOLDER=str(HOME / "dags"),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(HOME / "plugins"),
    AIRFLOW__CORE__UNIT_TEST_MODE="false",
    AIRFLOW__LOGGING__LOGGING_LEVEL="WARNING",
    KENSHIN_HOME=str(HOME / "kenshin"),
)


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """A migrated metadata database; copied where an earlier run kept one for this Airflow."""
    from importlib.metadata import version

    database = HOME / "airflow" / "airflow.db"
    database.parent.mkdir(parents=True, exist_ok=True)
    kept = CHECKOUT / "var" / f"airflow-{version('apache-airflow')}.db"
    if kept.exists():
        shutil.copy(kept, database)
        return
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)


@pytest.fixture
def load_dag(airflow_database: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], object]:
    """Loads a DAG of the house from a folder with what it starts and nothing else: `dag.test` parses all of it."""
    folder = HOME / "dags"

    def load(dag_id: str) -> object:
        from airflow.dag_processing.dagbag import DagBag

        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for each in (dag_id, *STARTED_BY.get(dag_id, ())):
            shutil.copy(CHECKOUT / "dags" / f"{each}.py", folder)
        bag = DagBag(dag_folder=str(folder), bundle_name="dags-folder", bundle_path=folder)
        assert bag.import_errors == {}
        return bag.dags[dag_id]

    return load
