"""Counts across processes, tasks and kills, over the embedded store: exact, or within the bound that is documented."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

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


PREFORK = """
import socketserver
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

# As under gunicorn --preload: the application and its recorder exist before the fork.
current().observation_recorder
record('master-0')

class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = False

class Quiet(WSGIRequestHandler):
    def log_message(self, *words): pass

def application(environ, start_response):
    record(environ['PATH_INFO'].strip('/'))
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [str(os.getpid()).encode()]

server = Server(('127.0.0.1', 0), Quiet)
server.socket.listen(256)
server.set_app(application)
print(server.server_port, flush=True)
workers = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        server.serve_forever(poll_interval=0.05)
        server.server_close()
        told = {'pid': os.getpid(), 'recorded': observation_stats().recorded}
        os.write(1, (json.dumps(told) + '\\n').encode())
        raise SystemExit
    workers.append(pid)
sys.stdin.read()
for pid in workers: os.kill(pid, signal.SIGTERM)
for pid in workers: assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


def test_four_pre_forked_workers_count_exactly(tmp_path):
    """A threaded WSGI server that forks as gunicorn --preload does: one listening socket, one application."""
    server = started(tmp_path, PREFORK, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        port = int(server.stdout.readline())

        def request(number):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/r-{number}", timeout=30) as answer:
                return int(answer.read())

        with ThreadPoolExecutor(8) as clients:
            served = list(clients.map(request, range(1000)))
        out, _ = server.communicate("", timeout=60)
    finally:
        server.kill()
    assert server.returncode == 0
    told = [json.loads(line) for line in out.splitlines()]
    assert {each["pid"]: each["recorded"] for each in told} == {
        pid: served.count(pid) for pid in (each["pid"] for each in told)
    }
    assert len(told) == 4
    assert stored(tmp_path) == names("r", 1000) | names("master", 1)


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
