"""Counts across processes, tasks and kills, over the embedded store: exact, or within the bound that is documented."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from kenshin.current import use
from kenshin.experiments import api
from kenshin.runtime import Runtime
from kenshin.settings import Settings

FIELDS = {
    "experiment_id": "exp",
    "group": "A",
    "prompt_version": "v1",
    "quality_score": 0.5,
    "latency_ms": 9.0,
}

PRELUDE = f"""
import json, os, signal, sys, threading, time
from kenshin.current import current
from kenshin.experiments import flush_observations, observation_stats, record_observation
FIELDS = {FIELDS!r}

def record(name):
    record_observation(**FIELDS, session_id="s-" + name, observation_id=name)
"""


def started(home, script, **options):
    environment = {**os.environ, "KENSHIN_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    source = PRELUDE + textwrap.dedent(script)
    return subprocess.Popen([sys.executable, "-c", source], env=environment, text=True, **options)


def run(home, script):
    process = started(home, script, stdout=subprocess.PIPE)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return out


def stored(home):
    """How often each id is in the store."""
    with sqlite3.connect(home / "observations.db") as connection:
        found = connection.execute("SELECT observation_id, count(*) FROM observations GROUP BY 1").fetchall()
    connection.close()
    return dict(found)


def names(prefix, count):
    return {f"{prefix}-{number}": 1 for number in range(count)}


def test_the_end_of_the_process_flushes(tmp_path):
    run(tmp_path, "for number in range(500): record(f'a-{number}')")
    assert stored(tmp_path) == names("a", 500)
    assert not (tmp_path / "spill").exists()


def test_a_fork_with_a_full_queue_loses_and_doubles_nothing(tmp_path):
    """The parent has queued and spilled when it forks; the child records through the recorder it inherits too."""
    script = """
    recorder = current().observation_recorder
    for number in range(300): record(f'parent-{number}')
    recorder._spill_queue()
    for number in range(300, 400): record(f'parent-{number}')
    children = []
    for child in range(3):
        pid = os.fork()
        if pid == 0:
            assert recorder.stats().waiting == 0
            for number in range(100):
                recorder.observe(**FIELDS, session_id='s', observation_id=f'child{child}-{number}')
                record(f'new{child}-{number}')
            raise SystemExit
        children.append(pid)
    for pid in children:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    """
    run(tmp_path, script)
    expected = names("parent", 400)
    for child in range(3):
        expected |= names(f"child{child}", 100) | names(f"new{child}", 100)
    assert stored(tmp_path) == expected


def test_workers_of_multiprocessing_flush_at_their_end(tmp_path):
    script = """
    import multiprocessing

    def work(worker):
        for number in range(200): record(f'w{worker}-{number}')

    context = multiprocessing.get_context('fork')
    record('parent-0')
    workers = [context.Process(target=work, args=(worker,)) for worker in range(4)]
    for each in workers: each.start()
    for each in workers: each.join()
    """
    run(tmp_path, script)
    expected = names("parent", 1)
    for worker in range(4):
        expected |= names(f"w{worker}", 200)
    assert stored(tmp_path) == expected


def test_a_dead_parents_segments_are_adopted_while_its_children_live(tmp_path):
    """A child must not keep the parent's lock alive through a fork."""
    (tmp_path / "blocked").write_text("a file where the store's folder should be")
    script = """
    os.environ['KENSHIN_OBSERVATIONS'] = 'sqlite://' + os.environ['KENSHIN_HOME'] + '/blocked/observations.db'
    for number in range(100): record(f'parent-{number}')
    assert flush_observations() == 100
    pid = os.fork()
    if pid == 0:
        print(os.getpid(), flush=True)
        time.sleep(60)
        os._exit(0)
    time.sleep(60)
    """
    parent = started(tmp_path, script, stdout=subprocess.PIPE)
    child = int(parent.stdout.readline())
    try:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(10)
        os.kill(child, 0)
        heir = Runtime(Settings.from_env({"KENSHIN_HOME": str(tmp_path)}))
        assert heir.observation_recorder.flush(30) == 0
        assert heir.observation_recorder.stats().adopted == 100
        heir.close()
    finally:
        os.kill(child, signal.SIGKILL)
        parent.stdout.close()
    assert stored(tmp_path) == names("parent", 100)


APPLICATION = """
import os
from kenshin.experiments import assign_group, observation_stats, record_observation

assign_group("exp", "warm")

def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    group = assign_group("exp", name)
    if name == "stats":
        body = str(observation_stats().recorded)
    else:
        version = {"A": "v1", "B": "v2"}[group]
        record_observation(experiment_id="exp", session_id=name, group=group, prompt_version=version,
                           quality_score=0.5, observation_id=name)
        body = f"{os.getpid()} {group}"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body.encode()]
"""


@pytest.mark.parametrize("options", [["--preload"], []], ids=["preload", "no-preload"])
def test_four_workers_of_gunicorn_count_exactly(tmp_path, options):
    """Pre-forked, with threads; under --preload the application and its recorder exist before the fork."""
    home = tmp_path / "home"
    runtime = Runtime(Settings.from_env({"KENSHIN_HOME": str(home)}))
    with use(runtime):
        api.create_experiment(
            {"experiment_id": "exp", "prompt_a_version": "v1", "prompt_b_version": "v2"}, start=True
        )
    runtime.close()
    (tmp_path / "service.py").write_text(APPLICATION)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "KENSHIN_HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
    }
    command = [
        "-m",
        "gunicorn",
        "service:application",
        "--workers=4",
        "--threads=4",
        f"--bind=127.0.0.1:{port}",
    ]
    with (tmp_path / "gunicorn.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, *command, "--no-control-socket", *options],
            env=environment,
            stdout=log,
            stderr=log,
            cwd=tmp_path,
        )

    def request(name):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=30) as answer:
            return answer.read().decode().split()

    def wait_until_up():
        for _ in range(300):
            assert server.poll() is None, (tmp_path / "gunicorn.log").read_text()
            try:
                return request("stats")
            except OSError:
                time.sleep(0.1)
        raise AssertionError((tmp_path / "gunicorn.log").read_text())

    try:
        wait_until_up()
        with ThreadPoolExecutor(16) as clients:
            served = list(clients.map(request, [f"r-{number}" for number in range(1000)]))
        server.terminate()
        assert server.wait(15) == 0, (tmp_path / "gunicorn.log").read_text()
    finally:
        server.kill()
        server.wait()
    assert len({pid for pid, _ in served}) > 1
    assert stored(home) == names("r", 1000)
    with sqlite3.connect(home / "observations.db") as connection:
        arms = dict(connection.execute("SELECT arm, count(*) FROM observations GROUP BY 1").fetchall())
    connection.close()
    assert arms == Counter(group for _, group in served)
    assert set(arms) == {"A", "B"}
    assert not list((home / "spill").glob("*"))


def test_a_thousand_tasks_count_exactly(runtime):
    async def task(number):
        for step in range(10):
            api.record_observation(
                **FIELDS, session_id=f"s-{number}", observation_id=f"t-{number * 10 + step}"
            )
            await asyncio.sleep(0)

    async def all_tasks():
        await asyncio.gather(*(task(number) for number in range(1000)))

    asyncio.run(all_tasks())
    assert api.flush_observations(30) == 0
    stats = api.observation_stats()
    assert (stats.recorded, stats.stored, stats.duplicates, stats.dropped) == (10_000, 10_000, 0, 0)
    assert stored(runtime.settings.home) == names("t", 10_000)


KILLED = """
from kenshin.experiments.recording import ObservationRecorder

class Down:
    def write(self, batch): raise ConnectionError

class Hanging:
    def write(self, batch): time.sleep(60)

runtime = current()
store = {{'well': runtime.observations, 'down': Down(), 'hanging': Hanging()}}[{store!r}]
recorder = ObservationRecorder(store, runtime.settings.home / 'spill', runtime.clock, zone=runtime.settings.zone)
begun = time.monotonic()
number = 0
while True:
    recorder.observe(**FIELDS, session_id=f's-{{number}}', observation_id=f'k-{{number}}')
    number += 1
    os.write(1, b'.')
    time.sleep(max(0, begun + number / {rate} - time.monotonic()))
"""


@pytest.mark.parametrize(
    ("store", "bound_s", "batch"), [("well", 0.2, 0), ("down", 0.2, 0), ("hanging", 1.2, 500)]
)
def test_a_kill_costs_at_most_the_unflushed_tail(tmp_path, store, bound_s, batch, capsys):
    """The bounds of docs/observations.md, with a second for a machine that has other work."""
    rate = 500
    process = started(tmp_path, KILLED.format(store=store, rate=rate), stdout=subprocess.PIPE)
    process.stdout.read(1)
    time.sleep(2.5)
    os.kill(process.pid, signal.SIGKILL)
    out, _ = process.communicate(timeout=30)
    sent = 1 + len(out)
    assert sent > 2.5 * rate * 0.5
    # A living process adopts what the dead one left.
    heir = Runtime(Settings.from_env({"KENSHIN_HOME": str(tmp_path)}))
    assert heir.observation_recorder.flush(30) == 0
    stats = heir.observation_recorder.stats()
    heir.close()
    found = stored(tmp_path)
    lost = sent - len(found)
    with capsys.disabled():
        print(f"\nSIGKILL, store {store}: {sent} recorded, {lost} lost, {stats.adopted} adopted")
    assert set(found.values()) == {1}
    assert found.keys() <= names("k", sent + 1).keys()
    assert lost <= rate * (bound_s + 1) + batch
    if store != "well":
        assert 0 < stats.adopted == len(found)
    assert not list((tmp_path / "spill").glob("*"))


def test_a_fork_waits_for_background_work_but_not_for_ever(tmp_path):
    """A module that a thread is importing, or a lock of SQLite's, would stay locked in the child."""
    script = """
    import threading, time
    from kenshin import lifetime

    busy, done = threading.Event(), threading.Event()

    def work(seconds):
        with lifetime.working():
            busy.set()
            time.sleep(seconds)
            done.set()

    def forked_after(seconds):
        busy.clear(), done.clear()
        thread = threading.Thread(target=work, args=(seconds,))
        thread.start()
        busy.wait()
        began = time.monotonic()
        pid = os.fork()
        if pid == 0:
            with lifetime.working():
                os._exit(0 if done.is_set() else 1)
        waited = time.monotonic() - began
        was_done = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        thread.join()
        return was_done, waited

    lifetime.FORK_WAITS_S = 5.0
    was_done, waited = forked_after(0.3)
    assert was_done and waited < 5.0, waited
    lifetime.FORK_WAITS_S = 0.2
    was_done, waited = forked_after(2.0)
    assert not was_done and waited < 2.0, waited
    """
    run(tmp_path, script)
