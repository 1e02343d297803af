"""The DAG calibrate_tokens, run whole in this process on the embedded default."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import kenshin
from kenshin.budget.models import DEFAULT_MODEL
from kenshin.budget.night import place
from kenshin.budget.weights import KEY, read_weights
from kenshin.current import use
from kenshin.publishing import read_json
from kenshin.runtime import Runtime
from kenshin.settings import Settings

YESTERDAY = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A Kenshin of its own in which a service observed usage yesterday: a third above the estimates."""
    monkeypatch.setenv("KENSHIN_HOME", str(tmp_path))
    our = Runtime(Settings.from_env(), clock=lambda: YESTERDAY)
    with use(our):
        for number in range(80):
            checked = kenshin.check_budget(user_message=f"Where is order {number}? " * (number + 9))
            actual = round(checked.measured.tokens * (1.33 + 0.02 * (number % 3 - 1)))
            kenshin.observe_usage(DEFAULT_MODEL, checked, {"inputTokens": actual})
    our.recorder.flush()
    yield our
    our.close()


@pytest.fixture
def day(home):
    return YESTERDAY.astimezone(home.settings.zone).date()


def run(load_dag, **conf):
    dag = load_dag("calibrate_tokens")
    for task in dag.tasks:
        task.retries = 0
    return dag.test(logical_date=datetime.now(UTC), run_conf=conf or None)


def states(finished) -> dict[str, str]:
    return {each.task_id: str(each.state) for each in finished.get_task_instances()}


def test_yesterdays_usage_comes_into_force_once_and_services_start_from_it(home, day, load_dag):
    assert run(load_dag).state == "success"
    assert run(load_dag, through_day=day.isoformat()).state == "success"

    weights, version = read_weights(home.documents)
    assert (version, weights.through_day) == (1, day)
    (entry,) = home.ledger.read(KEY)
    assert entry.value.by == "calibrate_tokens"
    assert read_json(home.lake, place(day))["calls"] == 80
    service = Runtime(Settings.from_env())
    with use(service):
        raw = kenshin.check_budget(user_message="Where is my order? " * 50)
        assert service.weights_loader.refresh()
        checked = kenshin.check_budget(user_message="Where is my order? " * 50)
    service.close()
    assert not raw.calibrated
    assert checked.calibrated
    assert checked.total_tokens - 1_500 == pytest.approx(1.33 * checked.measured.tokens, rel=0.02)


def test_a_dry_run_puts_nothing_in_force(home, load_dag):
    finished = run(load_dag, dry_run=True)
    assert finished.state == "success"
    assert states(finished) == {"fit": "success", "put_in_force": "skipped"}
    assert read_weights(home.documents)[1] is None


def test_bad_conf_fails_the_run_before_anything_is_written(home, load_dag):
    finished = run(load_dag, dayz=3)
    assert states(finished) == {"fit": "failed", "put_in_force": "upstream_failed"}
    assert read_weights(home.documents)[1] is None
