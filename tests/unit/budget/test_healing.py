"""A stale family heals within ten calls: real texts, counted by a newer tokenizer than the registry says."""

from __future__ import annotations

import gzip
import json
import random
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kenshin
from kenshin.budget.check import MESSAGE_FRAME, REQUEST_FRAME
from kenshin.current import use
from kenshin.runtime import Runtime
from kenshin.settings import Settings

TEXTS = Path(__file__).parents[3] / "benchmarks" / "data" / "token_counts.jsonl.gz"
ACTUAL, STALE = "claude-4.7", "stale"
CALLS = 10


def texts_of(*kinds: str) -> list[dict[str, Any]]:
    """The held-back texts of some kinds, in an order of their own."""
    with gzip.open(TEXTS, "rt", encoding="utf-8", errors="surrogatepass") as file:
        texts = [text for line in file if (text := json.loads(line))["kind"] in kinds]
    random.Random(5).shuffle(texts)
    return texts


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    own = tmp_path / "own.json"
    own.write_text('{"models": [{"name": "stale", "window": 200000, "family": "claude-3"}]}')
    home = str(tmp_path / "home")
    environment = {"KENSHIN_HOME": home, "KENSHIN_MODELS": str(own), "KENSHIN_SIGNALS": "memory:"}
    made = Runtime(Settings.from_env(environment))
    with use(made):
        yield made
    made.close()


@pytest.mark.parametrize(
    ("kind", "before", "after"), [("english", 0.2, 0.1), ("markup", 0.2, 0.08), ("logs", 0.15, 0.06)]
)
def test_estimates_of_texts_heal_within_ten_calls(kind: str, before: float, after: float) -> None:
    texts = texts_of(kind)

    def error() -> float:
        found = [(kenshin.estimate_tokens(text["text"], STALE), text["counts"][ACTUAL]) for text in texts]
        return statistics.median(abs(estimate / actual - 1) for estimate, actual in found[CALLS:])

    assert error() > before
    for text in texts[:CALLS]:
        estimate = kenshin.estimate_tokens(text["text"], STALE)
        kenshin.observe_usage(STALE, estimate, {"inputTokens": text["counts"][ACTUAL]})
    assert error() < after


def test_checks_of_prompts_heal_within_ten_calls() -> None:
    """Prompts of two English texts and one in markup; the margin of a check becomes true, too."""
    english, markup = texts_of("english"), texts_of("markup")
    prompts = [(english[place], english[-1 - place], markup[place]) for place in range(20)]

    def checked(prompt: tuple[dict[str, Any], ...]) -> tuple[Any, int]:
        first, second, third = (text["text"] for text in prompt)
        history = [{"role": "user", "content": second}]
        result = kenshin.check_budget(first, history, third, model_id=STALE)
        frames = MESSAGE_FRAME + REQUEST_FRAME[ACTUAL]
        return result, sum(text["counts"][ACTUAL] for text in prompt) + frames

    def errors() -> list[float]:
        found = [checked(prompt) for prompt in prompts[CALLS:]]
        return [abs((result.total_tokens - 1_500) / actual - 1) for result, actual in found]

    assert statistics.median(errors()) > 0.2
    for prompt in prompts[:CALLS]:
        result, actual = checked(prompt)
        kenshin.observe_usage(STALE, result, {"inputTokens": actual})
    assert statistics.median(errors()) < 0.08
    held = [actual <= result.upper_tokens - 1_500 for result, actual in map(checked, prompts[CALLS:])]
    assert sum(held) >= 8
