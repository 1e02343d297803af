"""What token estimates are worth: their errors, bounds, calibration and cost.

    python benchmarks/tokens.py

Texts and reference counts are in ``benchmarks/data`` (made by ``token_fit/fit.py``); nothing else is needed. Each kind
is also estimated by numbers that were fitted without it.
"""

from __future__ import annotations

import gzip
import json
import math
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kenshin.budget.calibration import Calibration, script_of
from kenshin.budget.check import together
from kenshin.budget.estimate import TokenEstimate, estimate_text, measure
from kenshin.budget.tokenizers import Tokenizer, lexicon, tokenizer, tokenizer_of

DATA = Path(__file__).parent / "data"
ASKED = ("english", "japanese", "mixed", "markup", "json", "code", "logs")
"""Kinds of which the prompts of decisions are made."""

FITTED = ("claude-3", "claude-4.7")
Case = tuple[dict[str, Any], float, float, int]
"""A text, its estimate, its upper bound and its actual tokens."""


def texts() -> list[dict[str, Any]]:
    """The held-back texts, each with its kind and its reference counts."""
    with gzip.open(DATA / "token_counts.jsonl.gz", "rt", encoding="utf-8", errors="surrogatepass") as file:
        return [json.loads(line) for line in file]


def seed_estimate(text: str) -> float:
    """The proof of concept's rule, told in docs/from-the-poc.md: four characters a token, two in Japanese."""
    japanese = sum("\u3040" <= character <= "\u9fff" for character in text)
    return len(text) // (2 if japanese > 0.3 * len(text) else 4)


def bounded(text: dict[str, Any], numbers: Tokenizer, family: str) -> Case:
    """One text measured with given numbers."""
    tokens, margin = measure(text["text"], numbers, lexicon(family))
    return text, tokens, tokens * math.exp(margin), text["counts"][family]


def quantile(values: Iterable[float], share: float) -> float:
    """The sorted element at a share of the length."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def row(label: str, cases: list[Case], *, bound: bool = True) -> str:
    """One line of an accuracy table."""
    errors = [abs(tokens / actual - 1) for _, tokens, _, actual in cases]
    under = min(tokens / actual - 1 for _, tokens, _, actual in cases)
    covered = statistics.mean(actual <= upper for _, _, upper, actual in cases)
    told = f"{covered:.1%}" if bound else "–"
    return f"| {label} | {quantile(errors, 0.5):.3f} | {quantile(errors, 0.95):.3f} | {under:+.0%} | {told} |"


def accuracy(family: str, known: list[dict[str, Any]]) -> None:
    """Errors beside the simple rules, and kind by kind as if the kind had never been seen."""
    left_out = json.loads((DATA / "left_out.json").read_text(encoding="utf-8"))[family]
    without = {kind: tokenizer_of(fitted) for kind, fitted in left_out.items()}
    kept_out = [bounded(text, without[text["kind"]], family) for text in known]
    numbers = tokenizer(family)  # type: ignore[arg-type]
    print(
        f"\n### {family}: {len(known)} texts\n\n"
        "| estimate | p50 | p95 | worst under | bound holds |\n|---|---|---|---|---|"
    )
    for label, rule in (("seed", seed_estimate), ("characters / 4", lambda text: len(text) / 4)):
        cases = [(text, max(rule(text["text"]), 1.0), 0.0, text["counts"][family]) for text in known]
        print(row(label, cases, bound=False))
    print(row("Kenshin, texts of kinds that were fitted", [bounded(text, numbers, family) for text in known]))
    print(row("**Kenshin, each kind left out of the fit**", kept_out))
    for kind in without:
        print(row(f"{kind}, left out", [case for case in kept_out if case[0]["kind"] == kind]))


def calibrated(family: str, known: list[dict[str, Any]], numbers: Tokenizer, label: str) -> None:
    """One model's calls in a shuffled order: errors and bounds before and after its usage is observed."""
    order = random.Random(5).sample(known, len(known))  # noqa: S311
    calibration, before, after = Calibration(), [], []
    for text in order:
        case = bounded(text, numbers, family)
        estimate = TokenEstimate(round(case[1]), upper=math.ceil(case[2]), family=family, sampled=False)  # type: ignore[arg-type]
        script = script_of(text["text"])
        correction = calibration.correction(label, script)
        if correction.calls >= 10:
            corrected = correction.applied(estimate)
            before.append(case)
            after.append((text, float(corrected), float(corrected.upper), case[3]))
        calibration.observe(label, script, estimate, {"inputTokens": case[3]})
    print(row(f"{label}, before", before))
    print(row(f"{label}, after ten calls a script", after))


def healing(known: list[dict[str, Any]]) -> None:
    """A model of the newer family taken for one of the older: median error by number of calls seen."""
    prompts = [text for text in known if text["kind"] in ("english", "markup")]
    errors = defaultdict(list)
    for run in range(40):
        calibration = Calibration()
        for call, text in enumerate(random.Random(run).sample(prompts, 14)):  # noqa: S311
            estimate = estimate_text(text["text"], "claude-3")
            corrected = calibration.correction("stale", "latin").applied(estimate)
            actual = text["counts"]["claude-4.7"]
            errors[call].append(abs(corrected / actual - 1))
            calibration.observe("stale", "latin", estimate, {"inputTokens": actual})
    print("\n| calls seen | median error |\n|---|---|")
    for call in (0, 1, 2, 5, 10, 13):
        print(f"| {call} | {quantile(errors[call], 0.5):.3f} |")


def decisions(family: str, known: list[dict[str, Any]]) -> None:
    """Prompts of two to seven texts against a limit that they fill to between 60 and 120 percent."""
    rng = random.Random(2)  # noqa: S311
    pool = [text for text in known if text["kind"] in ASKED]
    missed, alarmed = [], []
    for _ in range(4_000):
        prompt = rng.sample(pool, rng.randrange(2, 8))
        actual = sum(text["counts"][family] for text in prompt)
        limit = actual / rng.uniform(0.6, 1.2)
        estimates = [estimate_text(text["text"], family) for text in prompt]  # type: ignore[arg-type]
        upper = sum(estimates) + together([each.upper - each.tokens for each in estimates])
        if actual > 0.95 * limit:
            missed.append(upper <= 0.95 * limit)
        elif actual < 0.85 * limit:
            alarmed.append(upper > 0.95 * limit)
    print(f"| {family} | {statistics.mean(missed):.1%} | {statistics.mean(alarmed):.1%} |")


def microseconds(act: Callable[[], object], repeats: int = 200) -> float:
    """Median time of a call."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter_ns()
        act()
        taken.append((time.perf_counter_ns() - start) / 1_000)
    return statistics.median(taken)


def speed(known: list[dict[str, Any]]) -> None:
    """Times at several lengths, English and Japanese."""
    numbers = tokenizer("claude-3")
    print("\n| characters | kind | seed µs | Kenshin cold µs | seen before µs |\n|---|---|---|---|---|")
    for kind in ("english", "japanese"):
        joined = "\n".join(text["text"] for text in known if text["kind"] == kind)
        for length in (400, 4_000, 20_000, 1_000_000):
            text = (joined * (length // len(joined) + 1))[:length]
            seed = microseconds(lambda text=text: seed_estimate(text), 3 if length > 50_000 else 50)
            cold = microseconds(lambda text=text: measure(text, numbers, lexicon("claude-3")))
            seen = microseconds(lambda text=text: estimate_text(text, "claude-3"))
            print(f"| {length:,} | {kind} | {seed:,.0f} | {cold:,.0f} | {seen:,.1f} |")


def main() -> None:
    """Print every table."""
    known = texts()
    for family in FITTED:
        accuracy(family, known)
    print("\n### Calibration\n\n| calls of | p50 | p95 | worst under | bound holds |\n|---|---|---|---|---|")
    for family in FITTED:
        calibrated(family, known, tokenizer(family), family)  # type: ignore[arg-type]
    calibrated("claude-4.7", known, tokenizer("claude-3"), "claude-4.7 taken for claude-3")
    healing(known)
    print("\n| family | truly over 95 %, not critical | truly below 85 %, critical |\n|---|---|---|")
    for family in FITTED:
        decisions(family, known)
    speed(known)


if __name__ == "__main__":
    main()
