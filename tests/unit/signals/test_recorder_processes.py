"""Forks, ends, freezes: what real processes write into real files and pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import emf_lines
import pytest

PREAMBLE = """
import os, signal, sys, threading, time
from datetime import UTC, datetime
from kenshin.current import current
from kenshin.signals.records import DriftMeasured

def record(number, index="i"):
    current().recorder.record(
        DriftMeasured(datetime.now(UTC), index, "2026-01-01", "observed", 1, number, 0, 0.0, False)
    )
"""


def environment(home: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "KENSHIN_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path), **more}


def run(script: str, home: Path, **more: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + script],
        env=environment(home, **more),
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    return done.stdout


def in_files(home: Path) -> list[dict]:
    return [
        emf_lines.parse(line) for file in home.rglob("*.jsonl") for line in file.read_bytes().splitlines()
    ]


def of_workers(lines: list[dict]) -> Counter[tuple[str, int]]:
    return Counter((line["index"], line["drifted_count"]) for line in lines)


def test_the_end_of_the_process_and_a_fork_lose_and_double_nothing(tmp_path):
    script = """
record(1)
if os.fork() == 0:
    record(2)
    raise SystemExit
os.wait()
"""
    run(script, tmp_path)
    assert of_workers(in_files(tmp_path)) == {("i", 1): 1, ("i", 2): 1}


PRE_FORK = """
recorder = current().recorder
for number in range(2000):
    record(number, "parent")
    if number % 400 == 399 and number < 1700:
        if os.fork() == 0:
            # One half by the recorder of before the fork, which a wrapper may still hold.
            name = f"child{number // 400}"
            stale = lambda number: recorder.record(
                DriftMeasured(datetime.now(UTC), name, "2026-01-01", "observed", 1, number, 0, 0.0, False)
            )
            def work(part):
                for number in range(part, 1000, 4):
                    stale(number) if number % 2 else record(number, name)
            threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            raise SystemExit
for _ in range(4):
    assert os.wait()[1] == 0
"""


@pytest.mark.parametrize("signals", ["files", "emf:stdout"])
def test_four_pre_forked_workers_lose_double_and_mix_nothing(tmp_path, signals):
    if signals == "files":
        run(PRE_FORK, tmp_path)
        lines = in_files(tmp_path)
        assert len({file.name for file in tmp_path.rglob("*.jsonl")}) >= 5
    else:
        output = run(PRE_FORK, tmp_path, KENSHIN_SIGNALS=signals)
        lines = [emf_lines.parse(line) for line in output.splitlines()]
    expected = {("parent", number): 1 for number in range(2000)}
    expected |= {(f"child{child}", number): 1 for child in range(4) for number in range(1000)}
    assert of_workers(lines) == expected


def test_workers_of_multiprocessing_write_before_they_end(tmp_path):
    script = """
import multiprocessing

def work(number):
    record(number, "worker")

context = multiprocessing.get_context("fork")
workers = [context.Process(target=work, args=(number,)) for number in range(4)]
[worker.start() for worker in workers]
[worker.join() for worker in workers]
"""
    run(script, tmp_path)
    assert of_workers(in_files(tmp_path)) == {("worker", number): 1 for number in range(4)}


def test_a_kill_costs_nothing_in_the_synchronous_mode(tmp_path):
    script = """
for number in range(50):
    record(number)
os.kill(os.getpid(), signal.SIGKILL)
"""
    with pytest.raises(subprocess.CalledProcessError):
        run(script, tmp_path, AWS_LAMBDA_FUNCTION_NAME="f", KENSHIN_SIGNALS=f"emf://{tmp_path}/signals")
    assert of_workers(in_files(tmp_path)) == {("i", number): 1 for number in range(50)}


def test_a_kill_after_a_flush_costs_nothing(tmp_path):
    script = """
for number in range(50):
    record(number)
assert current().recorder.flush() == 0
os.kill(os.getpid(), signal.SIGKILL)
"""
    with pytest.raises(subprocess.CalledProcessError):
        run(script, tmp_path)
    assert of_workers(in_files(tmp_path)) == {("i", number): 1 for number in range(50)}


def wait_for(condition) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("mode", ["background", "sync"])
def test_freeze_and_thaw_lose_and_double_nothing(tmp_path, mode):
    script = """
for number in range(1500):
    record(number)
    if number % 10 == 0:
        time.sleep(0.005)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + script], env=environment(tmp_path, KENSHIN_SIGNALS_MODE=mode)
    )
    try:
        wait_for(lambda: list(tmp_path.rglob("*.jsonl")))
        for _ in range(4):
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.1)
            before = sum(file.stat().st_size for file in tmp_path.rglob("*.jsonl"))
            time.sleep(0.05)
            assert sum(file.stat().st_size for file in tmp_path.rglob("*.jsonl")) == before
            process.send_signal(signal.SIGCONT)
            time.sleep(0.1)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert of_workers(in_files(tmp_path)) == {("i", number): 1 for number in range(1500)}
