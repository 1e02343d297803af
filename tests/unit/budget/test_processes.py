"""Budget checks of real processes: forked, frozen, a thousand tasks at once; no record lost, doubled or mixed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import emf_lines
import pytest

PREAMBLE = """
import asyncio, json, os, sys, threading, time
import kenshin
from kenshin.budget.check import BudgetPolicy
from kenshin.current import current
from kenshin.signals.context import TraceContext, prompt_measured, trace_in_force

def check(worker, number):
    # What belongs together: the trace, the model and the reserve all tell the worker and the number.
    trace_in_force.set(TraceContext(f"{worker:016x}{number:016x}"))
    policy = BudgetPolicy(output_reserve=number, practical_ratio=1.0)
    return kenshin.check_budget(user_message="x" * (number % 50), model_id=f"acme.w{worker}", policy=policy)
"""


def environment(home: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "KENSHIN_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path), **more}


def run(script: str, home: Path, **more: str) -> None:
    command = [sys.executable, "-c", PREAMBLE + script]
    subprocess.run(command, env=environment(home, **more), check=True, timeout=120, stderr=subprocess.DEVNULL)


def checks(home: Path) -> Counter[tuple[int, int]]:
    """Which checks are in the files, how often; a record whose parts belong to different checks fails."""
    found: Counter[tuple[int, int]] = Counter()
    for file in home.rglob("*.jsonl"):
        for text in file.read_bytes().splitlines():
            line = emf_lines.parse(text)
            if line["log_type"] == "budget_check":
                worker, number = int(line["trace_id"][:16], 16), int(line["trace_id"][16:], 16)
                assert line["model_id"] == f"acme.w{worker}"
                assert line["sections"]["output_reserve"] == number
                found[worker, number] += 1
    return found


def once(workers: range, numbers: int) -> Counter[tuple[int, int]]:
    return Counter((worker, number) for worker in workers for number in range(numbers))


PRE_FORK = """
for number in range(400):
    check(0, number)
    if number % 100 == 50:
        worker = number // 100 + 1
        if os.fork() == 0:
            def work(part):
                for number in range(part, 400, 4):
                    check(worker, number)
            threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            raise SystemExit
for _ in range(4):
    assert os.wait()[1] == 0
"""


@pytest.mark.parametrize("mode", ["background", "sync"])
def test_pre_forked_workers_of_threads_lose_double_and_mix_nothing(tmp_path: Path, mode: str) -> None:
    run(PRE_FORK, tmp_path, KENSHIN_SIGNALS_MODE=mode)
    assert checks(tmp_path) == once(range(5), 400)


TASKS = """
async def task(number):
    await asyncio.sleep(number % 7 / 1000)
    checked = check(0, number)
    await asyncio.sleep(number % 5 / 1000)
    measured = prompt_measured.get()
    assert measured == checked.measured
    usage = {"inputTokens": 2 * measured.tokens}
    kenshin.observe_usage("acme.w0", measured, usage)

async def main():
    await asyncio.gather(*(task(number) for number in range(1000)))

asyncio.run(main())
correction = current().token_calibration.correction("acme.w0", "latin")
assert correction.calls == 1000, correction
"""


def test_a_thousand_tasks_each_keep_their_own_trace_and_prompt(tmp_path: Path) -> None:
    run(TASKS, tmp_path)
    assert checks(tmp_path) == once(range(1), 1_000)
    lines = [
        json.loads(line) for file in tmp_path.rglob("*.jsonl") for line in file.read_bytes().splitlines()
    ]
    usage = Counter(line["trace_id"] for line in lines if line["log_type"] == "usage_observed")
    assert usage == Counter(f"{0:016x}{number:016x}" for number in range(1_000))


def wait_for(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("mode", ["background", "sync"])
def test_freeze_and_thaw_lose_and_double_nothing(tmp_path: Path, mode: str) -> None:
    script = """
for number in range(1000):
    check(0, number)
    if number % 10 == 0:
        time.sleep(0.005)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + script],
        env=environment(tmp_path, KENSHIN_SIGNALS_MODE=mode),
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: list(tmp_path.rglob("*.jsonl")))
        for _ in range(3):
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.1)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.1)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert checks(tmp_path) == once(range(1), 1_000)


LAMBDA = """
from kenshin.budget.api import lambda_handler
for line in sys.stdin:
    print(json.dumps(lambda_handler(json.loads(line), None)), flush=True)
"""


def test_a_lambda_frozen_and_killed_between_two_events_has_written_every_answer(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + LAMBDA],
        env=environment(tmp_path, AWS_LAMBDA_FUNCTION_NAME="f", KENSHIN_SIGNALS=f"emf://{tmp_path}/signals"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        for number in range(1, 21):
            process.stdin.write(json.dumps({"user_message": "hello", "max_tokens": number}) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["statusCode"] == 200
            process.send_signal(signal.SIGSTOP)
            written = [line for file in tmp_path.rglob("*.jsonl") for line in file.read_bytes().splitlines()]
            assert len(written) == number
            assert emf_lines.parse(written[-1])["sections"]["output_reserve"] == number
            process.send_signal(signal.SIGCONT)
    finally:
        process.kill()
        process.wait()
