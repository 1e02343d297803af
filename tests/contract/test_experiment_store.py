"""Every registry of experiments does this."""

from __future__ import annotations

import threading

import pytest
from contract.experiment_doubles import ConditionalExperiments

from kenshin.backends.local.experiments import SCHEMA, SqliteExperiments
from kenshin.backends.local.sqlite import Database
from kenshin.errors import Conflict
from kenshin.experiments.experiment import Arm, Experiment

FULL = Experiment(
    experiment_id="three",
    prompt_a_version="v1",
    prompt_b_version="v2",
    status="concluded",
    created_at=1794000000.25,
    arms=(Arm("A", "v1", 0.5), Arm("B", "v2", 0.25), Arm("C", "v3", 0.25)),
    phase=2,
    unit="conversation",
    description="日本語 and “quotes”",
    winner="C",
    concluded_at=1795000000.5,
    overrides={"vera's session": "B", "日本": "C"},
    holdout=0.05,
)


@pytest.fixture(params=["sqlite", "double"])
def store(request, tmp_path):
    if request.param == "double":
        return ConditionalExperiments()
    return SqliteExperiments(Database(tmp_path / "experiments.db", SCHEMA))


def test_what_is_put_comes_back_whole(store):
    assert store.get("three") is None
    assert store.put(FULL, expected=None) == 1
    found = store.get("three")
    assert (found.value, found.version) == (FULL, 1)


def test_a_put_needs_the_version_in_force(store):
    store.put(FULL, expected=None)
    assert store.put(FULL.changed(phase=3), expected=1) == 2
    for stale in (None, 1, 3):
        with pytest.raises(Conflict):
            store.put(FULL.changed(phase=9), expected=stale)
    assert store.get("three").value.phase == 3
    with pytest.raises(Conflict):
        store.put(FULL.changed(experiment_id="new"), expected=1)
    assert store.get("new") is None


def test_the_list_is_complete_and_in_order_of_id(store):
    for name in ("b", "C", "a"):
        store.put(FULL.changed(experiment_id=name), expected=None)
    assert [(each.value.experiment_id, each.version) for each in store.list()] == [
        ("C", 1),
        ("a", 1),
        ("b", 1),
    ]


def test_of_many_writers_one_wins(tmp_path):
    outcomes = []

    def attempt(number):
        store = SqliteExperiments(Database(tmp_path / "shared.db", SCHEMA))
        try:
            outcomes.append(store.put(FULL.changed(description=str(number)), expected=None))
        except Conflict:
            outcomes.append("conflict")
        finally:
            store.close()

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, key=str) == [1, *["conflict"] * 7]
