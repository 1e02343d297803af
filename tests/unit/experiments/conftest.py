"""Observations, an experiment, and the embedded default of every port in a folder of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kenshin.current import use
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.observation import ABObservation, observation
from kenshin.runtime import Runtime
from kenshin.settings import Settings

ZONE = ZoneInfo("Asia/Tokyo")
FIRST_DAY = date(2026, 11, 1)
NOW = datetime(2026, 11, 14, 17, tzinfo=UTC)


@pytest.fixture
def zone() -> ZoneInfo:
    return ZONE


@pytest.fixture
def experiment() -> Experiment:
    created_at = datetime(2026, 11, 1, 3, tzinfo=ZONE).timestamp()
    return Experiment("exp", "v1", "v2", created_at=created_at, unit="session", left_out="nothing")


@pytest.fixture
def seen() -> Callable[..., ABObservation]:
    """Makes an observation of `experiment`: on which of its days (from 0), in which session and arm."""

    def make(name: str, session: str, arm: str = "A", *, day: int = 0, **rest: object) -> ABObservation:
        at = datetime(2026, 11, 1, 12, tzinfo=ZONE) + timedelta(days=day)
        rest = {"quality_score": 0.5, **rest}
        version = rest.pop("prompt_version", {"A": "v1", "B": "v2"}.get(arm, "v3"))
        return observation(
            observation_id=name,
            experiment_id=rest.pop("experiment_id", "exp"),
            session_id=session,
            arm=arm,
            prompt_version=version,
            observed_at=at,
            recorded_at=at,
            zone=ZONE,
            **rest,
        )

    return make


@pytest.fixture
def open_runtime() -> Iterator[Callable[[Path], Runtime]]:
    opened: list[Runtime] = []

    def make(home: Path) -> Runtime:
        runtime = Runtime(Settings.from_env({"KENSHIN_HOME": str(home)}), clock=lambda: NOW)
        opened.append(runtime)
        return runtime

    yield make
    for runtime in opened:
        runtime.close()


@pytest.fixture
def runtime(open_runtime: Callable[[Path], Runtime], tmp_path: Path) -> Iterator[Runtime]:
    with use(open_runtime(tmp_path / "home")) as made:
        yield made
