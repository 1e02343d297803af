"""One real Airflow for all tests of this folder: the project's DAGs and plugins, a fresh home for Kenshin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kenshin.cli.airflow_api import AirflowApi
from local_airflow import VIEWER, LocalAirflow, template_database

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.airflow)


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    home = tmp_path_factory.mktemp("airflow")
    with LocalAirflow(
        home / "airflow", kenshin_home=home / "kenshin", port=0, template=template_database()
    ) as running:
        yield running


@pytest.fixture(scope="session")
def admin(airflow: LocalAirflow) -> AirflowApi:
    return airflow.api()


@pytest.fixture(scope="session")
def viewer(airflow: LocalAirflow) -> AirflowApi:
    return airflow.api(VIEWER)
