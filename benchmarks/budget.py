"""What a budget check costs, in microseconds, beside the proof of concept's rule and other libraries.

    python -m venv var/peers && var/peers/bin/pip install -r benchmarks/peers/budget.txt
    PYTHONPATH=plugins var/peers/bin/python benchmarks/budget.py [--rounds 11]

A prompt is eleven held-back texts' worth of English or Japanese: instructions, eight messages, what retrieval found, a
question. Ways take turns in each round. "Cold" forgets before each call everything that was estimated or tiled before.
Imports are CPU time of fresh interpreters, in turns too.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tokens import seed_estimate, texts

import kenshin
from kenshin.budget import estimate

SIZES = (2_000, 500, 900, 400, 1_200, 600, 800, 500, 800, 12_000, 300)
"""Characters of each text: instructions, eight messages, passages, question."""

LONG = 50
"""How many times as long the long prompt is."""

MESSAGES, MESSAGE, CALLS = 1_000, 200, 10
MODEL = "anthropic.claude-3-5-sonnet-20241022-v2:0"
FIRST = "import kenshin; kenshin.check_budget('You help.', [{'role': 'user', 'content': 'Hi'}], 'Open at 9.', 'When?')"
IMPORTS = {
    "an empty interpreter": "pass",
    "Kenshin: import + first check": FIRST,
    "`import boto3`": "import boto3",
    "`import litellm`": "import litellm",
}
WHOLE_WINDOW = kenshin.BudgetPolicy(practical_ratio=1.0)
Way = Callable[[], object]


def prompt(kind: str, sizes: Sequence[int]) -> list[str]:
    """Texts of given lengths, cut from the held-back texts of a kind."""
    joined = "\n".join(text["text"] for text in texts() if text["kind"] == kind)
    joined *= sum(sizes) // len(joined) + 1
    starts = [sum(sizes[:at]) for at in range(len(sizes))]
    return [joined[start : start + size] for start, size in zip(starts, sizes, strict=True)]


def messages(contents: Sequence[str]) -> list[dict[str, str]]:
    """A history."""
    return [{"role": "assistant" if at % 2 else "user", "content": text} for at, text in enumerate(contents)]


def check(parts: Sequence[str]) -> kenshin.BudgetCheckResult:
    """Kenshin's check of a prompt that fits: one that does not is logged as well, which costs as much again."""
    return kenshin.check_budget(
        parts[0], messages(parts[1:-2]), parts[-2], parts[-1], MODEL, policy=WHOLE_WINDOW
    )


def seed_check(parts: Sequence[str]) -> tuple[int, str]:
    """The proof of concept's rule over the same sections: their sum, and the largest one."""
    sections = {
        "system_prompt": seed_estimate(parts[0]),
        "conversation_history": sum(seed_estimate(message["content"]) for message in messages(parts[1:-2])),
        "rag_context": seed_estimate(parts[-2]),
        "user_message": seed_estimate(parts[-1]),
    }
    return int(sum(sections.values())) + 1_500, max(sections, key=sections.__getitem__)


def microseconds(way: Way, before: Way, calls: int) -> list[float]:
    """The time of each of some calls in a row, so that the processor's caches are warm for every way alike."""
    taken = []
    for _ in range(calls):
        before()
        start = time.perf_counter_ns()
        way()
        taken.append((time.perf_counter_ns() - start) / 1_000)
    return taken


def peers(parts: Sequence[str]) -> dict[str, Way]:
    """What others offer for the same question."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    os.environ.setdefault(
        "TIKTOKEN_CACHE_DIR", str(Path(litellm.__file__).parent / "litellm_core_utils/tokenizers")
    )
    import tiktoken
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
    from langchain_core.messages.utils import count_tokens_approximately

    whole = [{"role": "system", "content": parts[0]}, *messages(parts[1:])]
    kinds: dict[str, Any] = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
    chat = [kinds[each["role"]](content=each["content"]) for each in whole]
    encoding = tiktoken.get_encoding("cl100k_base")
    return {
        "LangChain: count_tokens_approximately": lambda: count_tokens_approximately(chat),
        "LiteLLM: token_counter": lambda: litellm.token_counter(model=MODEL, messages=whole),
        "tiktoken: cl100k_base": lambda: sum(
            len(encoding.encode(part, disallowed_special=())) for part in parts
        ),
    }


def ways(kind: str) -> dict[str, tuple[Way, Way, int]]:
    """Each row's act, what comes before it, and how many calls a round has."""
    parts, long = prompt(kind, SIZES), prompt(kind, [size * LONG for size in SIZES])
    history = prompt(kind, [2_000, *[MESSAGE] * MESSAGES, 12_000, 300])
    found: dict[str, tuple[Way, Way, int]] = {}
    for label, of, calls in (
        ("Kenshin: check_budget", parts, CALLS),
        ("Kenshin: 1,000,000 characters in eleven texts", long, CALLS),
        ("Kenshin: a history of 1,000 messages", history, 3),
    ):
        way = lambda of=of: check(of)  # noqa: E731
        found[f"{label}, cold"] = way, estimate.forget, calls
        found[f"{label}, seen before"] = way, way, calls
    found["seed"] = lambda: seed_check(parts), nothing, CALLS
    found["seed, 1,000,000 characters in eleven texts"] = lambda: seed_check(long), nothing, 1
    found.update({label: (way, nothing, 3) for label, way in peers(parts).items()})
    return found


def nothing() -> None:
    """What comes before a way that remembers nothing."""


def imports(rounds: int) -> dict[str, float]:
    """Median CPU milliseconds of fresh interpreters."""
    taken: dict[str, list[float]] = {label: [] for label in IMPORTS}
    for _ in range(rounds):
        for label, code in IMPORTS.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, "-c", code], check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            taken[label].append(used * 1_000)
    return {label: statistics.median(each) for label, each in taken.items()}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    taken: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as home:
        os.environ["KENSHIN_HOME"] = home
        every = {kind: ways(kind) for kind in ("english", "japanese")}
        for _ in range(rounds):
            for kind, rows in every.items():
                for label, (way, before, calls) in rows.items():
                    taken.setdefault(label, {}).setdefault(kind, []).extend(microseconds(way, before, calls))
        started = imports(max(rounds, 11))
    medians = {
        label: {kind: statistics.median(each) for kind, each in kinds.items()}
        for label, kinds in taken.items()
    }
    cold = medians["Kenshin: check_budget, cold"]
    print(
        f"| {sum(SIZES):,} characters in eleven texts, median µs of {rounds} rounds | English | Japanese "
        "| × cold check |"
    )
    print("|---|---|---|---|")
    for label, each in medians.items():
        times = " / ".join(f"{each[kind] / cold[kind]:,.2f}" for kind in cold)
        print(f"| {label} | {each['english']:,.0f} | {each['japanese']:,.0f} | {times} |")
    print("\n| CPU ms of a fresh interpreter, median | all | above an empty one |\n|---|---|---|")
    empty = started["an empty interpreter"]
    for label, used in started.items():
        print(f"| {label} | {used:,.0f} | {used - empty:,.0f} |")


if __name__ == "__main__":
    main()
