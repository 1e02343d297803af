"""Assignments a second, beside the proof of concept's way and GrowthBook's SDK, in one run.

    python benchmarks/assignment.py [--sessions 20000] [--rounds 9]

Every contestant assigns the same sessions, once per round; the rounds are interleaved, so that a noise of the machine
meets all of them, and the table shows medians. GrowthBook's SDK takes part where it is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kenshin.current import use
from kenshin.experiments import api
from kenshin.experiments.assignment import assign
from kenshin.experiments.experiment import Experiment
from kenshin.runtime import Runtime
from kenshin.settings import Settings

NAME = "greeting-tone"
PLAIN = {"experiment_id": NAME, "prompt_a_version": "v1", "prompt_b_version": "v2", "traffic_split": 0.5}
ARMS = [
    {"name": "A", "prompt_version": "v1", "share": 0.5},
    {"name": "B", "prompt_version": "v2", "share": 0.2},
    {"name": "C", "prompt_version": "v3", "share": 0.3},
]
TARGET = 1.5

Contestant = Callable[[Sequence[str]], None]


@dataclass
class PocExperiment:
    """As much of the proof of concept's experiment as its assignment reads."""

    experiment_id: str
    prompt_a_version: str = "v1"
    prompt_b_version: str = "v2"
    traffic_split: float = 0.5
    status: str = "running"


@dataclass
class PocTester:
    """The rule of the proof of concept, written down again: one dictionary, hexadecimal digits, a division."""

    experiments: dict[str, PocExperiment] = field(default_factory=dict)

    def assign_group(self, experiment_id: str, session_id: str) -> str:
        """The session's group."""
        experiment = self.experiments.get(experiment_id)
        if not experiment or experiment.status != "running":
            return "A"
        digits = hashlib.sha256(f"{experiment_id}:{session_id}".encode()).hexdigest()[:8]
        return "B" if int(digits, 16) / 0xFFFFFFFF < experiment.traffic_split else "A"

    def get_prompt_version(self, experiment_id: str, session_id: str) -> str:
        """The prompt version of the session's group."""
        group = self.assign_group(experiment_id, session_id)
        experiment = self.experiments[experiment_id]
        return experiment.prompt_b_version if group == "B" else experiment.prompt_a_version


def asking(assign_group: Callable[[str, str], object], name: str = NAME) -> Contestant:
    """One question for each session."""

    def run(sessions: Sequence[str]) -> None:
        for session_id in sessions:
            assign_group(name, session_id)

    return run


def growthbook() -> Contestant | None:
    """GrowthBook's SDK with the same experiment as an inline one; None where it is not installed."""
    try:
        from growthbook import Experiment as Inline
        from growthbook import GrowthBook
    except ImportError:
        return None
    inline = Inline(key=NAME, variations=["v1", "v2"], weights=[0.5, 0.5], hashVersion=2)
    client = GrowthBook(attributes={"id": ""}, features={})

    def run(sessions: Sequence[str]) -> None:
        for session_id in sessions:
            client.set_attributes({"id": session_id})
            client.run(inline)

    return run


def measure(
    contestants: dict[str, Contestant], sessions: Sequence[str], *, rounds: int
) -> dict[str, list[float]]:
    """Nanoseconds an assignment by contestant, one figure a round; a round before them is not counted."""
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, run in contestants.items():
            start = time.perf_counter_ns()
            run(sessions)
            if number:
                figures[name].append((time.perf_counter_ns() - start) / len(sessions))
    return figures


def main() -> None:
    """Measure, compare the answers, print the table."""
    parser = argparse.ArgumentParser(description="Assignments a second.")
    parser.add_argument("--sessions", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    sessions = [f"session-{number:08d}" for number in range(options.sessions)]
    poc = PocTester({NAME: PocExperiment(NAME)})
    with tempfile.TemporaryDirectory() as home:
        runtime = Runtime(Settings.from_env({"KENSHIN_HOME": home}))
        with use(runtime):
            api.create_experiment(PLAIN, start=True)
            api.create_experiment({**PLAIN, "experiment_id": "three", "arms": ARMS}, start=True)
            api.create_experiment({**PLAIN, "experiment_id": "held-out", "holdout": 0.05}, start=True)
            testers = {**PLAIN, "experiment_id": "testers", "overrides": {"vera": "B"}}
            api.create_experiment(testers, start=True)
            if not api.prime(10):
                raise SystemExit("the registry could not be read")
            tester = api.PromptABTester()
            definition = Experiment(NAME, "v1", "v2")
            if any(api.assign_group(NAME, each) != poc.assign_group(NAME, each) for each in sessions):
                raise SystemExit("the answers differ")
            contestants: dict[str, Contestant] = {
                "proof of concept": asking(poc.assign_group),
                "  its get_prompt_version": asking(poc.get_prompt_version),
                "kenshin.assign_group": asking(api.assign_group),
                "PromptABTester().assign_group": asking(tester.assign_group),
                "  of three arms": asking(api.assign_group, "three"),
                "  with a tester's override": asking(api.assign_group, "testers"),
                "  with a holdout": asking(api.assign_group, "held-out"),
                "kenshin.get_prompt_version": asking(api.get_prompt_version),
                "kenshin.get_assignment": asking(api.get_assignment),
                "assignment.assign (pure)": asking(lambda _, session_id: assign(definition, session_id)),
            }
            if (peer := growthbook()) is not None:
                contestants["GrowthBook SDK"] = peer
            figures = measure(contestants, sessions, rounds=options.rounds)
        runtime.close()
    baseline = figures["proof of concept"]
    print(
        f"Python {platform.python_version()}, {options.sessions} sessions, "
        f"medians of {options.rounds} interleaved rounds"
    )
    print(f"\n{'':32}{'ns each':>9}{'a second':>13}{'× the PoC':>11}")
    for name, found in figures.items():
        each = statistics.median(found)
        ratio = statistics.median(theirs / ours for theirs, ours in zip(baseline, found, strict=True))
        print(f"{name:32}{each:9.0f}{1e9 / each:13,.0f}{ratio:11.2f}")
    if "GrowthBook SDK" not in figures:
        print("\nGrowthBook's SDK is not installed here: pip install growthbook")
    print(f"\nTarget: kenshin.assign_group at least {TARGET} × the proof of concept's rate.")


if __name__ == "__main__":
    main()
