"""What it costs to fit a prompt to its budget, beside checking it alone.

    python benchmarks/fitting.py

CPU time, medians; nothing of a prompt was seen before, so every text is estimated.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from kenshin.budget.check import check
from kenshin.budget.estimate import forget
from kenshin.budget.fitting.fit import fit
from kenshin.budget.models import Model

ROUNDS = 7
Prompt = dict[str, Any]


def words(count: int, draw: random.Random) -> str:
    """Words that no other text has in this order, in sentences."""
    return " ".join(
        f"{draw.choice('abcdefgh')}{draw.randrange(9_999)} said that it rained." for _ in range(count // 5)
    )


def conversation(messages: int, draw: random.Random) -> list[Prompt]:
    """Exchanges of four messages each, with a round of tool use."""
    turns: list[Prompt] = []
    for number in range(messages // 4):
        turns += [
            {"role": "user", "content": [{"text": words(30, draw)}]},
            {
                "role": "assistant",
                "content": [
                    {"toolUse": {"toolUseId": f"t{number}", "name": "find", "input": {"query": "rain"}}}
                ],
            },
            {
                "role": "user",
                "content": [
                    {"toolResult": {"toolUseId": f"t{number}", "content": [{"text": words(80, draw)}]}}
                ],
            },
            {"role": "assistant", "content": [{"text": words(30, draw)}]},
        ]
    return turns


def prompts(draw: random.Random) -> dict[str, Prompt]:
    """Prompts by what they are made of."""
    return {
        "20 messages, 10 passages": {
            "conversation_history": conversation(20, draw),
            "rag_context": [words(100, draw) for _ in range(10)],
        },
        "1,000 messages": {"conversation_history": conversation(1_000, draw)},
        "10,000 messages": {"conversation_history": conversation(10_000, draw)},
        "1,000 passages in a list": {"rag_context": [words(100, draw) for _ in range(1_000)]},
        "1,000 passages in a text": {"rag_context": "\n\n".join(words(100, draw) for _ in range(1_000))},
        "10,000,000 characters of passages": {"rag_context": (words(100, draw) + "\n\n") * 14_000},
        "10,000,000 characters of tiny passages": {"rag_context": "\n\n".join(map(str, range(1_250_000)))},
        "10,000,000 characters of code fences": {"rag_context": "```\na  b\n```\nc  d\n\n" * 555_000},
    }


def median_ms(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median CPU time in milliseconds, with the memory of estimates empty each time."""
    took = []
    for _ in range(rounds):
        forget()
        start = time.process_time()
        work()
        took.append(1_000 * (time.process_time() - start))
    return statistics.median(took)


def main() -> None:
    """Print the table."""
    print("| prompt | share of the limit | check ms | fit ms | what was done | changes |")
    print("|---|---|---|---|---|---|")
    for name, prompt in prompts(random.Random(5)).items():  # noqa: S311
        upper = check(Model("any", 10**9, "claude-3", practical_ratio=1.0), **prompt).upper_tokens
        for share in (0.5, 0.9, 3.0):
            model = Model("any", max(int(upper / share), 4_000), "claude-3", practical_ratio=1.0)
            found = fit(model, **prompt)
            checked = median_ms(lambda model=model, prompt=prompt: check(model, **prompt))
            fitted = median_ms(lambda model=model, prompt=prompt: fit(model, **prompt))
            print(
                f"| {name} | {share:.0%} | {checked:,.1f} | {fitted:,.1f} | {found.action} | {len(found.changes):,} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
