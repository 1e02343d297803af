"""What calibration is worth for whole prompts: before it, after ten calls, after many, and after a night's fit.

    python benchmarks/calibration.py

Prompts are of the held-back texts in ``benchmarks/data``, with their reference counts as reported usage; a service
learns from prompts of one half of the texts and is judged on prompts of the other half. A stale family is the older
one, taken for the newer.
"""

from __future__ import annotations

import gzip
import json
import random
import statistics
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kenshin.budget.calibration import Calibration
from kenshin.budget.check import MESSAGE_FRAME, REQUEST_FRAME, BudgetCheckResult, BudgetPolicy, check
from kenshin.budget.models import Model
from kenshin.budget.refit import composed, refit
from kenshin.signals.usage import UsageObserved

DATA = Path(__file__).parent / "data" / "token_counts.jsonl.gz"
SERVICES = {
    "English shop": ("english", "markup", "json"),
    "Japanese shop": ("japanese", "mixed", "json"),
    "developer tool": ("code", "logs", "json", "english"),
    "any kind": (),
}
"""Kinds of texts that a service's prompts are made of; none: all."""

FAMILIES = (("claude-3", "claude-3"), ("claude-4.7", "claude-4.7"), ("claude-3", "claude-4.7"))
"""The family that the registry says, and the one that counts."""

FEW, RECORDED, JUDGED = 10, 600, 400
POLICY = BudgetPolicy(output_reserve=0, practical_ratio=1.0)
AT = datetime(2026, 11, 14, tzinfo=UTC)
Prompt = list[dict[str, Any]]


def texts_of(kinds: tuple[str, ...]) -> list[dict[str, Any]]:
    """The held-back texts of some kinds."""
    with gzip.open(DATA, "rt", encoding="utf-8", errors="surrogatepass") as file:
        texts = [json.loads(line) for line in file]
    return [text for text in texts if not kinds or text["kind"] in kinds]


def prompts(texts: list[dict[str, Any]], count: int, rng: random.Random) -> Iterator[Prompt]:
    """Prompts of two to seven texts."""
    for _ in range(count):
        yield rng.sample(texts, rng.randrange(2, 8))


def checked(
    prompt: Prompt, said: str, counted: str, calibration: Calibration | None
) -> tuple[BudgetCheckResult, int]:
    """A prompt's check, and what the model would report."""
    system, *history, user = (text["text"] for text in prompt)
    result = check(
        Model("m", 200_000, said),  # type: ignore[arg-type]
        system_prompt=system,
        conversation_history=[{"role": "user", "content": text} for text in history],
        user_message=user,
        policy=POLICY,
        calibration=calibration,
    )
    frames = len(history) * MESSAGE_FRAME + REQUEST_FRAME[counted]
    return result, sum(text["counts"][counted] for text in prompt) + frames


def learn(calibration: Calibration, result: BudgetCheckResult, actual: int) -> None:
    """One call's usage."""
    measured = result.measured
    calibration.observe("m", measured.script, measured.tokens, {"inputTokens": actual})  # type: ignore[arg-type]


def fitted(learning: list[Prompt], said: str, counted: str) -> Calibration:
    """What a process starts from after a night."""
    records = []
    for number, prompt in enumerate(learning):
        result, actual = checked(prompt, said, counted, None)
        measured = result.measured
        sizes = (measured.tokens, measured.upper, measured.tokens, measured.upper, actual)
        records.append(UsageObserved(AT + timedelta(seconds=number), "m", measured.script, *sizes))
    return Calibration(composed({}, refit(records, {}).rows))


def row(label: str, found: list[tuple[BudgetCheckResult, int]]) -> str:
    """One line of the table."""
    errors = sorted(abs(result.total_tokens / actual - 1) for result, actual in found)
    held = statistics.mean(actual <= result.upper_tokens for result, actual in found)
    wide = statistics.median(result.upper_tokens / result.total_tokens - 1 for result, _ in found)
    p50, p95 = errors[len(errors) // 2], errors[int(0.95 * len(errors))]
    return f"| {label} | {p50:.3f} | {p95:.3f} | {held:.1%} | +{wide:.1%} |"


def service(name: str, said: str, counted: str) -> None:
    """The rows of one service."""
    rng, texts = random.Random(7), texts_of(SERVICES[name])  # noqa: S311
    rng.shuffle(texts)
    half = len(texts) // 2
    learning = list(prompts(texts[:half], RECORDED, rng))
    judging = list(prompts(texts[half:], JUDGED, rng))
    print(row(f"{name}, before", [checked(prompt, said, counted, None) for prompt in judging]))
    live = Calibration()
    for calls, prompt in enumerate(learning):
        if calls == FEW:
            print(row(f"{name}, after ten calls", [checked(each, said, counted, live) for each in judging]))
        learn(live, *checked(prompt, said, counted, None))
    found = []
    for prompt in judging:
        found.append(checked(prompt, said, counted, live))
        learn(live, *found[-1])
    print(row(f"{name}, live from then on", found))
    night = fitted(learning, said, counted)
    print(row(f"{name}, after a night's fit", [checked(each, said, counted, night) for each in judging]))


def main() -> None:
    """Print a table for each family."""
    for said, counted in FAMILIES:
        title = f"{counted} taken for {said}" if said != counted else said
        print(f"\n### {title}\n\n| prompts | p50 | p95 | bound holds | bound above |\n|---|---|---|---|---|")
        for name in SERVICES:
            service(name, said, counted)


if __name__ == "__main__":
    main()
