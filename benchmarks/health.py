"""What watching a model call costs its caller, in microseconds a call, beside boto3's own cost and other breakers.

Run it with ``python benchmarks/health.py [--runs 9] [--calls 2000]``, ``plugins`` and ``tests`` on the path, in an
environment with boto3 and ``peers/health.txt``. The wrapper is measured around a client that answers at once, so that
nothing but its own work counts; boto3 is measured against the stand-in of Bedrock on this machine, in a process of its
own. Ways take turns in each run. Times are of the calling thread's CPU, with the wall clock beside them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kenshin.current import use
from kenshin.health import BedrockClientWrapper, BreakerPolicy, CircuitBreaker, QuotaPolicy, instrument
from kenshin.runtime import Runtime
from kenshin.settings import Settings

MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
HELLO = [{"role": "user", "content": [{"text": "hello there"}]}]
EVENTS: list[dict[str, Any]] = [
    {"messageStart": {"role": "assistant"}},
    *({"contentBlockDelta": {"delta": {"text": "word "}, "contentBlockIndex": 0}} for _ in range(96)),
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"messageStop": {"stopReason": "end_turn"}},
    {"metadata": {"usage": {"inputTokens": 900, "outputTokens": 120, "totalTokens": 1020}}},
]
BURST = 200
Figures = tuple[float, float]


class AtOnce:
    """A client that answers at once, with what boto3 would have parsed."""

    def converse(self, **arguments: Any) -> dict[str, Any]:
        """One answer."""
        return {
            "output": {"message": {"role": "assistant", "content": [{"text": "Good day."}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 900, "outputTokens": 120, "totalTokens": 1020},
            "ResponseMetadata": {"RequestId": "r", "HTTPStatusCode": 200, "RetryAttempts": 0},
        }

    def converse_stream(self, **arguments: Any) -> dict[str, Any]:
        """A hundred events."""
        return {"stream": iter(EVENTS), "ResponseMetadata": {"RequestId": "r", "RetryAttempts": 0}}


def measured(calls: int, call: Callable[[], object]) -> Figures:
    """Microseconds a call: CPU of this thread, and the wall clock."""
    wall = cpu = 0
    for _ in range(0, calls, BURST):
        begun, begun_cpu = time.perf_counter_ns(), time.thread_time_ns()
        for _ in range(BURST):
            call()
        cpu += time.thread_time_ns() - begun_cpu
        wall += time.perf_counter_ns() - begun
        time.sleep(0.005)
    return cpu / calls / 1000, wall / calls / 1000


def work() -> int:
    """What a breaker protects."""
    return 1


def breakers() -> dict[str, Callable[[], object]]:
    """One call through a closed breaker, in each library's fastest way."""
    import pybreaker
    from circuitbreaker import circuit
    from interlock import CircuitBreaker as Interlock
    from purgatory import SyncCircuitBreakerFactory

    def through(breaker: CircuitBreaker) -> Callable[[], object]:
        def call() -> None:
            permit = breaker.admit()
            work()
            permit.end("success", 0.1)

        return call

    third = pybreaker.CircuitBreaker()
    purgatory = SyncCircuitBreakerFactory()
    purgatory_held = purgatory.get_breaker("model")
    interlock = Interlock(name="model")
    decorated = circuit(name="model")(work)

    def held() -> None:
        with purgatory_held:
            work()

    def by_name() -> None:
        with purgatory.get_breaker("model"):
            work()

    return {
        "the call alone": work,
        "Kenshin, window of seconds": through(CircuitBreaker("model")),
        "Kenshin, window of calls": through(CircuitBreaker("model", BreakerPolicy(window="count"))),
        "pybreaker: call": lambda: third.call(work),
        "purgatory: with, one breaker kept": held,
        "purgatory: with, by name": by_name,
        "circuitbreaker: decorator": decorated,
        "interlock-cb: call_sync": lambda: interlock.call_sync(work),
    }


def wrappers() -> dict[str, Callable[[], object]]:
    """One call of a client that answers at once: bare, and watched."""
    client = AtOnce()
    wrapper = BedrockClientWrapper(client, intent="greeting")
    full = wrapper.with_options(deadline=30, fallbacks=["amazon.nova-lite-v1:0"])
    quotas = BedrockClientWrapper(client, intent="greeting", quotas={MODEL: QuotaPolicy(10**9, 10**9)})

    def streamed(asking: Any) -> Callable[[], object]:
        def call() -> None:
            for _ in asking.converse_stream(modelId=MODEL, messages=HELLO)["stream"]:
                pass

        return call

    return {
        "client that answers at once: converse": lambda: client.converse(modelId=MODEL, messages=HELLO),
        "wrapper: converse": lambda: wrapper.converse(modelId=MODEL, messages=HELLO),
        "wrapper: with deadline and fallbacks": lambda: full.converse(modelId=MODEL, messages=HELLO),
        "wrapper: with quotas": lambda: quotas.converse(modelId=MODEL, messages=HELLO),
        "client that answers at once: stream of 100 events": streamed(client),
        "wrapper: stream of 100 events": streamed(wrapper),
    }


@contextmanager
def stand_in() -> Iterator[str]:
    """The stand-in of Bedrock in a process of its own; answers its address."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "peers.bedrock", "--port", "0"],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)


def against(url: str) -> dict[str, Callable[[], object]]:
    """One call of boto3 to the stand-in: bare, wrapped, instrumented."""
    from peers.bedrock import client

    bare, wrapped, watched = client(url), BedrockClientWrapper(client(url), intent="greeting"), client(url)
    instrument(watched, intent="greeting")
    return {
        name: lambda asking=asking: asking.converse(modelId=MODEL, messages=HELLO)
        for name, asking in (
            ("boto3 to the stand-in: converse", bare),
            ("boto3 to the stand-in, wrapped", wrapped),
            ("boto3 to the stand-in, instrumented", watched),
        )
    }


def table(title: str, runs: int, calls: int, ways: dict[str, Callable[[], object]]) -> None:
    """Print the medians of so many runs in turns."""
    figures: dict[str, list[Figures]] = {name: [] for name in ways}
    for call in ways.values():
        measured(BURST, call)
    for _ in range(runs):
        for name, call in ways.items():
            figures[name].append(measured(calls, call))
    print(f"| {title}, µs a call, median of {runs} runs of {calls} calls | CPU | wall |\n|---|---|---|")
    for name, each in figures.items():
        cpu, wall = (statistics.median(run[place] for run in each) for place in (0, 1))
        print(f"| {name} | {cpu:.2f} | {wall:.2f} |")
    print()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--calls", type=int, default=2000)
    wanted = parser.parse_args()
    calls = max(wanted.calls // BURST * BURST, BURST)
    table("breakers, closed", wanted.runs, calls, breakers())
    with tempfile.TemporaryDirectory() as folder:
        environment = {"KENSHIN_HOME": folder, "KENSHIN_SIGNALS": f"emf://{Path(folder)}/signals"}
        with use(Runtime(Settings.from_env(environment))) as runtime:
            table("watching", wanted.runs, calls, wrappers())
            with stand_in() as url:
                table("with boto3", wanted.runs, BURST, against(url))
            if lost := runtime.recorder.flush(30):
                raise SystemExit(f"{lost} records were lost")
            runtime.close()


if __name__ == "__main__":
    main()
