"""Which tests stay together when several workers of pytest run them: those that share a live Airflow, or its database.

A group of pytest-xdist (``--dist loadgroup``) would say the same, but it does not reach the scheduler under pytest 9.2.
"""

from __future__ import annotations

from typing import Any

import pytest

TOGETHER = ("tests/airflow/", "tests/dags/")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):  # type: ignore[misc]
        """Each test for itself, but for the folders whose tests one worker runs."""

        def _split_scope(self, nodeid: str) -> str:
            return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid)

    return Together(config, log)
