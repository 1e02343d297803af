"""What a process knows of the registry: never asked for in a request, refreshed behind it."""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from contract.experiment_doubles import ConditionalExperiments

import kenshin
from kenshin.current import use
from kenshin.errors import BackendUnavailable, ExperimentNotFound
from kenshin.experiments import api, registry
from kenshin.experiments.assignment import assign
from kenshin.experiments.definitions import Definitions
from kenshin.experiments.experiment import Experiment
from kenshin.ports import Versioned

RUNNING = Experiment("exp", "v1", "v2", 1.0, created_at=1_794_000_000.0)
PLUGINS = Path(__file__).resolve().parents[3] / "plugins"


class WatchedExperiments(ConditionalExperiments):
    """Notes which thread asks; can be made to wait, or to be out of reach."""

    def __init__(self, *definitions: Experiment) -> None:
        super().__init__()
        self.asked_by: list[str] = []
        self.open = threading.Event()
        self.open.set()
        self.reachable = True
        for each in definitions:
            self.put(each, expected=None)

    def list(self):
        self.asked_by.append(threading.current_thread().name)
        found = super().list()
        assert self.open.wait(30)
        if not self.reachable:
            raise BackendUnavailable(value="registry", reason="no answer", mend="Wait.")
        return found

    def get(self, experiment_id):
        self.asked_by.append(threading.current_thread().name)
        return super().get(experiment_id)


def eventually(holds, seconds=10.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)


@pytest.fixture
def cache():
    made = []

    def make(store, **options):
        definitions = Definitions(lambda: store, **{"interval_s": 0.02, **options})
        made.append(definitions)
        return definitions

    yield make
    for each in made:
        each.close()


def test_a_cold_cache_answers_at_once_while_the_registry_makes_it_wait(cache):
    store = WatchedExperiments(RUNNING)
    store.open.clear()
    definitions = cache(store)
    started = time.monotonic()
    assert definitions.assign_group("exp", "s") == "A"
    assert definitions.assign_group("exp", "s", "C") == "C"
    assert definitions.get_prompt_version("exp", "s") is None
    assert definitions.get_prompt_version("exp", "s", "v7") == "v7"
    found = definitions.assignment("exp", "s")
    assert time.monotonic() - started < 5
    assert (found.arm, found.reason, found.exposed, found.phase) == ("A", "unknown", False, 0)
    assert not definitions.prime(0.01)
    assert definitions.cold_answers == 5
    store.open.set()
    assert definitions.prime(10)
    assert definitions.assign_group("exp", "s", "C") == "B"
    assert definitions.get_prompt_version("exp", "s", "v7") == "v2"
    assert definitions.cold_answers == 5


def test_no_request_asks_the_registry(cache):
    store = WatchedExperiments(RUNNING)
    definitions = cache(store)
    for _ in range(1000):
        definitions.assign_group("exp", "s")
        definitions.get_prompt_version("exp", "s")
        definitions.assignment("exp", "s")
    eventually(lambda: definitions.refresher.refreshes >= 3)
    assert set(store.asked_by) == {"kenshin-definitions"}


def test_the_bound_functions_ask_memory_alone(runtime):
    """Also from the process's runtime, whose registry may not even be opened by a request."""
    registry.create(
        runtime.experiments,
        runtime.ledger,
        {"experiment_id": "exp", "prompt_a_version": "v1", "prompt_b_version": "v2", "traffic_split": 1.0},
        start=True,
        at=runtime.clock(),
        by="t",
    )
    store, askers = runtime.experiments, []

    def watched():
        askers.append(threading.current_thread().name)
        return store

    runtime.definitions = Definitions(watched)
    assert not askers
    assert kenshin.assign_group("exp", "s", "C") in ("B", "C")
    assert api.prime(10)
    assert kenshin.assign_group("exp", "s") == "B"
    assert kenshin.get_prompt_version("exp", "s") == "v2"
    assert api.PromptABTester().assign_group("exp", "s") == "B"
    assert api.PromptABTester().get_prompt_version("exp", "s") == "v2"
    assert api.get_assignment("exp", "s").exposed
    assert set(askers) == {"kenshin-definitions"}


def test_a_warm_cache_says_that_an_experiment_is_unknown(cache):
    definitions = cache(WatchedExperiments(RUNNING))
    assert definitions.prime(10)
    for ask in (definitions.assign_group, definitions.get_prompt_version, definitions.assignment):
        with pytest.raises(ExperimentNotFound) as caught:
            ask("nobody", "s")
        assert caught.value.as_dict()["error"] == "Experiment not found"


def test_what_changes_in_the_registry_is_known_after_a_while(cache):
    store = WatchedExperiments(RUNNING)
    definitions = cache(store)
    assert definitions.prime(10)
    assert definitions.assign_group("exp", "s") == "B"
    store.put(RUNNING.changed(experiment_id="new"), expected=None)
    store.put(RUNNING.changed(traffic_split=0.0, phase=2), expected=1)
    eventually(lambda: definitions.assign_group("exp", "s") == "A")
    assert definitions.assignment("exp", "s").phase == 2
    assert definitions.assign_group("new", "s") == "B"


@pytest.mark.parametrize(
    ("changes", "arm", "version", "arm_with_default", "version_with_default"),
    [
        ({"status": "draft"}, "A", "v1", "C", "v7"),
        ({"status": "cancelled"}, "A", "v1", "C", "v7"),
        ({"status": "concluded", "winner": "B"}, "A", "v2", "A", "v2"),
        ({"holdout": 0.999999}, "A", "v1", "A", "v1"),
        ({"overrides": {"s": "A"}}, "A", "v1", "A", "v1"),
        ({}, "B", "v2", "B", "v2"),
    ],
)
def test_the_default_is_for_what_assigns_nobody(
    cache, changes, arm, version, arm_with_default, version_with_default
):
    definitions = cache(WatchedExperiments(RUNNING.changed(**changes)))
    assert definitions.prime(10)
    assert definitions.assign_group("exp", "s") == arm
    assert definitions.get_prompt_version("exp", "s") == version
    assert definitions.assign_group("exp", "s", "C") == arm_with_default
    assert definitions.get_prompt_version("exp", "s", "v7") == version_with_default
    assert definitions.assignment("exp", "s").exposed == (not changes)


def test_an_unreachable_registry_leaves_what_was_known_and_is_told_once(cache, caplog):
    store = WatchedExperiments(RUNNING)
    definitions = cache(store)
    assert definitions.prime(10)
    with caplog.at_level(logging.WARNING, "kenshin.experiments.definitions"):
        store.reachable = False
        eventually(lambda: definitions.refresher.failures >= 3)
        assert definitions.assign_group("exp", "s") == "B"
        assert [record.getMessage() for record in caplog.records if "cannot be read" in record.getMessage()]
        assert len(caplog.records) == 1
        store.put(RUNNING.changed(traffic_split=0.0), expected=1)
        store.reachable = True
        eventually(lambda: definitions.assign_group("exp", "s") == "A")
    assert len(caplog.records) == 2
    assert "can be read again" in caplog.records[-1].getMessage()


def test_a_registry_out_of_reach_from_the_start_gives_control_and_then_the_arm(cache):
    store = WatchedExperiments(RUNNING)
    store.reachable = False
    definitions = cache(store)
    assert not definitions.prime(0.05)
    eventually(lambda: definitions.refresher.failures >= 2)
    assert definitions.assign_group("exp", "s") == "A"
    assert definitions.assign_group("exp", "s", "C") == "C"
    assert not definitions.assignment("exp", "s").exposed
    store.reachable = True
    eventually(lambda: definitions.assign_group("exp", "s") == "B")


def test_what_this_process_writes_it_knows_at_once(runtime):
    definition = {"experiment_id": "e", "prompt_a_version": "v1", "prompt_b_version": "v2"}
    definition["traffic_split"] = 1.0
    assert api.prime(10)
    api.create_experiment(definition)
    assert api.assign_group("e", "s") == "A"
    api.start_experiment("e")
    assert api.assign_group("e", "s") == "B"
    api.change_experiment("e", {"prompt_b_version": "v3"})
    assert api.get_prompt_version("e", "s") == "v3"
    assert api.get_assignment("e", "s").phase == 2
    api.stop_experiment("e", winner="B")
    assert (api.assign_group("e", "s"), api.get_prompt_version("e", "s")) == ("A", "v3")


def test_a_list_that_was_on_its_way_does_not_undo_what_was_learnt(cache):
    store = WatchedExperiments(RUNNING)
    definitions = cache(store, interval_s=60)
    store.open.clear()
    definitions.get("exp")
    eventually(lambda: store.asked_by)
    new = RUNNING.changed(experiment_id="new")
    for each, expected in ((RUNNING.changed(traffic_split=0.0), 1), (new, None)):
        version = store.put(each, expected=expected)
        definitions.learn(Versioned(each, version))
    store.open.set()
    assert definitions.prime(10)
    assert definitions.assign_group("exp", "s") == "A"
    assert definitions.assign_group("new", "s") == "B"


def test_threads_start_one_refresher_and_agree(cache):
    store = WatchedExperiments(RUNNING.changed(traffic_split=0.5))
    definitions = cache(store, interval_s=0.001)
    before = set(threading.enumerate())
    refreshers, answers, problems = set(), [], []
    ready = threading.Barrier(9)

    def ask():
        ready.wait(10)
        try:
            eventually(lambda: definitions.assign_group("exp", "s", "cold") != "cold")
            for number in range(300):
                arm = definitions.assign_group("exp", f"s{number}", "cold")
                answers.append((number, arm))
                refreshers.update(
                    thread
                    for thread in threading.enumerate()
                    if thread.name == "kenshin-definitions" and thread not in before
                )
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    with definitions.refresher._starting:  # so that all of them find no refresher, and wait here to start one
        for thread in threads:
            thread.start()
        ready.wait(10)
        time.sleep(0.2)
    for thread in threads:
        thread.join()
    assert not problems
    assert len(refreshers) == 1
    assert len(answers) == 8 * 300
    rule = RUNNING.changed(traffic_split=0.5)
    assert {arm == assign(rule, f"s{number}") for number, arm in answers} == {True}


def test_closing_stops_the_thread_and_keeps_what_is_known(cache):
    store = WatchedExperiments(RUNNING)
    definitions = cache(store)
    assert definitions.prime(10)
    thread = definitions.refresher._thread
    definitions.close()
    assert not thread.is_alive()
    asked = len(store.asked_by)
    time.sleep(0.1)
    assert definitions.assign_group("exp", "s") == "B"
    assert len(store.asked_by) == asked


def test_a_cache_that_nobody_holds_ends_its_thread():
    definitions = Definitions(lambda: WatchedExperiments(RUNNING), interval_s=0.01)
    assert definitions.prime(10)
    thread = definitions.refresher._thread
    del definitions
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_a_closed_runtime_starts_anew(open_runtime, tmp_path):
    runtime = open_runtime(tmp_path / "one")
    with use(runtime):
        assert api.prime(10)
        before = runtime.definitions
        runtime.close()
        assert runtime.definitions is not before
        assert api.prime(10)


FORK = """
import os, sys, threading, time
from kenshin.backends.local.experiments import SCHEMA, SqliteExperiments
from kenshin.backends.local.sqlite import Database
from kenshin.experiments.definitions import Definitions
from kenshin.experiments.experiment import Experiment
from pathlib import Path

store = SqliteExperiments(Database(Path(sys.argv[1]), SCHEMA))
running = Experiment("exp", "v1", "v2", 1.0, created_at=1_794_000_000.0)
store.put(running, expected=None)
definitions = Definitions(lambda: store, interval_s=0.02)
assert definitions.prime(10)
children = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        try:
            assert threading.active_count() == 1
            assert definitions.assign_group("exp", "s") == "B"  # what the parent knew
            assert threading.active_count() == 2
            end = time.monotonic() + 20
            while definitions.assign_group("exp", "s") != "A" and time.monotonic() < end:
                time.sleep(0.01)
            os._exit(0 if definitions.assign_group("exp", "s") == "A" else 3)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(4)
    children.append(pid)
time.sleep(0.3)
store.put(running.changed(traffic_split=0.0), expected=1)
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
print(codes)
raise SystemExit(max(codes))
"""


def test_forked_children_know_what_the_parent_knew_and_refresh_on_their_own(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FORK, str(tmp_path / "experiments.db")],
        env={**os.environ, "PYTHONPATH": str(PLUGINS)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip() == "[0, 0, 0, 0]"
