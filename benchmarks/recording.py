"""What recording an observation costs its caller, in microseconds a call; the median of several runs.

Run it with ``python benchmarks/recording.py [--runs 7] [--calls 5000]``, ``plugins`` on the path. The recorder, its
threads and the embedded store are the real ones. Calls come in bursts of 100; between two bursts the caller rests, as
between requests, and that is not measured. On a machine with other work the CPU time says more than the wall clock.
The proof of concept's way, a dataclass appended to a list, is beside it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from kenshin.current import use
from kenshin.experiments import record_observation
from kenshin.experiments.observation import observation
from kenshin.experiments.recording import ObservationRecorder
from kenshin.runtime import Runtime
from kenshin.settings import Settings

BURST = 100
REST_S = 0.005
LIMIT_US = 10.0


@dataclass
class _Plain:
    session_id: str
    experiment_id: str
    group: str
    prompt_version: str
    quality_score: float
    latency_ms: float
    timestamp: float = field(default_factory=time.time)


def measured(calls: int, call: Callable[[int], object]) -> tuple[float, float]:
    """Microseconds a call: by the wall clock, and of the calling thread's CPU time."""
    wall = cpu = 0
    for start in range(0, calls, BURST):
        begun, begun_cpu = time.perf_counter_ns(), time.thread_time_ns()
        for number in range(start, start + BURST):
            call(number)
        cpu += time.thread_time_ns() - begun_cpu
        wall += time.perf_counter_ns() - begun
        time.sleep(REST_S)
    return wall / calls / 1000, cpu / calls / 1000


def one_run(home: Path, calls: int) -> dict[str, tuple[float, float]]:
    """Every way once, on a home of its own."""
    runtime = Runtime(Settings.from_env({"KENSHIN_HOME": str(home)}))
    now = datetime.now(UTC)
    ready = [
        observation(
            experiment_id="exp",
            session_id=f"s-{number % 977}",
            arm="A",
            prompt_version="v1",
            observed_at=now,
            recorded_at=now,
            zone=ZoneInfo("Asia/Tokyo"),
            observation_id=str(number),
            quality_score=0.5,
            latency_ms=120.0,
        )
        for number in range(2 * calls)
    ]
    sessions = [f"s-{number % 977}" for number in range(calls)]
    plain: list[_Plain] = []
    with use(runtime):
        recorder: ObservationRecorder = runtime.observation_recorder
        figures = {
            "seed: dataclass, list.append": measured(
                calls, lambda n: plain.append(_Plain(sessions[n], "exp", "A", "v1", 0.5, 120.0))
            ),
            "recorder.record(observation)": measured(calls, lambda n: recorder.record(ready[n])),
            "record_observation(observation)": measured(
                calls, lambda n: record_observation(ready[calls + n])
            ),
            "record_observation(seed's fields)": measured(
                calls,
                lambda n: record_observation(
                    session_id=sessions[n],
                    experiment_id="exp",
                    group="A",
                    prompt_version="v1",
                    quality_score=0.5,
                    latency_ms=120.0,
                ),
            ),
        }
        left = recorder.flush(60)
        stats = recorder.stats()
        if left or stats.stored != 3 * calls:
            raise SystemExit(f"not all are stored: {stats}")
    runtime.close()
    return figures


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--calls", type=int, default=5000)
    wanted = parser.parse_args()
    runs = []
    for _ in range(wanted.runs):
        with tempfile.TemporaryDirectory() as home:
            runs.append(one_run(Path(home), wanted.calls // BURST * BURST))
    print(f"| µs a call, {wanted.runs} runs of {wanted.calls} calls | median | least | most | CPU, median |")
    print("|---|---|---|---|---|")
    for name in runs[0]:
        wall, cpu = ([run[name][which] for run in runs] for which in (0, 1))
        print(
            f"| {name} | {statistics.median(wall):.2f} | {min(wall):.2f} | {max(wall):.2f} "
            f"| {statistics.median(cpu):.2f} |"
        )
    print(f"\nThe aim is at most {LIMIT_US:.0f} µs in the caller.")


if __name__ == "__main__":
    main()
