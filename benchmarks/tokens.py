"""What token estimates are worth: their errors, bounds, calibration and decisions.

    python benchmarks/tokens.py [--o200k]

Texts and reference counts are in ``benchmarks/data`` (made by ``token_fit/fit.py``); nothing else is needed. Each kind
is also estimated by numbers that were fitted without it. ``--o200k`` adds OpenAI's tokenizer and needs what
``peers/budget.txt`` names. What estimates cost: ``budget.py``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import random
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from kenshin.budget.calibration import Calibration
from kenshin.budget.check import runs_of, together
from kenshin.budget.estimate import TokenEstimate, estimate_text, measure, thinning
from kenshin.budget.script import script_of
from kenshin.budget.tokenizers import Tokenizer, lexicon, tokenizer, tokenizer_of

DATA = Path(__file__).parent / "data"
ASKED = ("english", "japanese", "mixed", "markup", "json", "code", "logs")
"""Kinds of which the prompts of decisions are made."""

FITTED = ("claude-3", "claude-4.7")
CALLS, RUNS, PROMPTS = 10, 40, 2_000
CALLS_SEEN = (0, 1, 2, 5, 10, 13)
STALE = {
    "one English text": (("english",), 1),
    "eight English texts": (("english",), 8),
    "eight Japanese": (("japanese",), 8),
    "eight of code": (("code",), 8),
    "eight English and markup": (("english", "markup"), 8),
    "eight of seven kinds": (ASKED, 8),
}
"""What the prompts of a service consist of whose model is taken for another."""

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


def o200k_estimate() -> Callable[[str], float]:
    """OpenAI's tokens × 1.15: a rule of thumb that people use. LiteLLM brings the vocabulary."""
    import litellm

    vocabulary = Path(litellm.__file__).parent / "litellm_core_utils/tokenizers"
    os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(vocabulary))
    import tiktoken

    encoding = tiktoken.get_encoding("o200k_base")
    return lambda text: 1.15 * len(encoding.encode(clean(text), disallowed_special=()))


def clean(text: str) -> str:
    """A text without lone surrogates."""
    return text.encode("utf-8", "replace").decode("utf-8")


def bounded(text: dict[str, Any], numbers: Tokenizer, family: str, taken_for: str | None = None) -> Case:
    """One text measured with given numbers; `taken_for` names the family whose pieces are used."""
    tokens, margin = measure(text["text"], numbers, lexicon(taken_for or family))  # type: ignore[arg-type]
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


def accuracy(family: str, known: list[dict[str, Any]], rules: Mapping[str, Callable[[str], float]]) -> None:
    """Errors beside the simple rules, and kind by kind as if the kind had never been seen."""
    left_out = json.loads((DATA / "left_out.json").read_text(encoding="utf-8"))[family]
    without = {kind: tokenizer_of(fitted) for kind, fitted in left_out.items()}
    kept_out = [bounded(text, without[text["kind"]], family) for text in known]
    numbers = tokenizer(family)  # type: ignore[arg-type]
    print(
        f"\n### {family}: {len(known)} texts\n\n"
        "| estimate | p50 | p95 | worst under | bound holds |\n|---|---|---|---|---|"
    )
    for label, rule in rules.items():
        cases = [(text, max(rule(text["text"]), 1.0), 0.0, text["counts"][family]) for text in known]
        print(row(label, cases, bound=False))
    print(row("Kenshin, texts of kinds that were fitted", [bounded(text, numbers, family) for text in known]))
    print(row("**Kenshin, each kind left out of the fit**", kept_out))
    for kind in without:
        print(row(f"{kind}, left out", [case for case in kept_out if case[0]["kind"] == kind]))


def calibrated(family: str, known: list[dict[str, Any]], taken_for: str | None = None) -> None:
    """One model's calls in a shuffled order: errors and bounds before and after its usage is observed."""
    label = family if taken_for is None else f"{family} taken for {taken_for}"
    numbers = tokenizer(taken_for or family)  # type: ignore[arg-type]
    calibration, before, after = Calibration(), [], []
    for text in random.Random(5).sample(known, len(known)):  # noqa: S311
        case = bounded(text, numbers, family, taken_for)
        estimate = TokenEstimate(round(case[1]), upper=math.ceil(case[2]), family=family, sampled=False)  # type: ignore[arg-type]
        script = script_of(text["text"])
        correction = calibration.correction(label, script)
        if correction.calls >= CALLS:
            corrected = correction.applied(estimate)
            before.append(case)
            after.append((text, float(corrected), float(corrected.upper), case[3]))
        calibration.observe(label, script, estimate, {"inputTokens": case[3]})
    print(row(f"{label}, before", before))
    print(row(f"{label}, after ten calls a script", after))


def left_out_calibrated(family: str, known: list[dict[str, Any]]) -> None:
    """The same for a service whose prompts are all of one kind, and of a kind that was left out of the fit."""
    left_out = json.loads((DATA / "left_out.json").read_text(encoding="utf-8"))[family]
    before, after = [], []
    for run in range(RUNS):
        for kind, fitted in left_out.items():
            numbers, calibration = tokenizer_of(fitted), Calibration()
            prompts = [text for text in known if text["kind"] == kind]
            for call, text in enumerate(random.Random(run).sample(prompts, len(prompts))):  # noqa: S311
                case = bounded(text, numbers, family)
                estimate = TokenEstimate(
                    round(case[1]), upper=math.ceil(case[2]), family=family, sampled=False
                )  # type: ignore[arg-type]
                corrected = calibration.correction(kind, "other").applied(estimate)
                if call >= CALLS:
                    before.append(case)
                    after.append((text, float(corrected), float(corrected.upper), case[3]))
                calibration.observe(kind, "other", estimate, {"inputTokens": case[3]})
    print(row(f"{family}, one left-out kind a service, before", before))
    print(row(f"{family}, one left-out kind a service, after ten calls", after))


def healing(known: list[dict[str, Any]]) -> None:
    """A model of the newer family taken for one of the older: median error of a prompt by number of calls seen."""
    errors: dict[tuple[str, int], list[float]] = defaultdict(list)
    for label, (kinds, size) in STALE.items():
        pool = [text for text in known if text["kind"] in kinds]
        for run in range(RUNS):
            rng, calibration = random.Random(run), Calibration()  # noqa: S311
            for call in range(max(CALLS_SEEN) + 1):
                prompt = rng.sample(pool, size)
                tokens = sum(estimate_text(text["text"], "claude-3") for text in prompt)
                estimate = TokenEstimate(tokens, upper=tokens, family="claude-3", sampled=False)
                corrected = calibration.correction("stale", "latin").applied(estimate)
                actual = sum(text["counts"]["claude-4.7"] for text in prompt)
                errors[label, call].append(abs(corrected / actual - 1))
                calibration.observe("stale", "latin", estimate, {"inputTokens": actual})
    print("\n| calls seen | " + " | ".join(STALE) + " |\n" + "|---" * (len(STALE) + 1) + "|")
    for call in CALLS_SEEN:
        print(
            f"| {call} | " + " | ".join(f"{quantile(errors[label, call], 0.5):.3f}" for label in STALE) + " |"
        )


def decisions(family: str, known: list[dict[str, Any]]) -> None:
    """Prompts against a limit that they fill to between 60 and 120 percent.

    A short prompt is two to seven texts. A long one is instructions, two to eight messages, four to ten passages in one
    text and a question, read as `check_budget` reads them.
    """
    pool = [text for text in known if text["kind"] in ASKED]
    for size in ("short", "long"):
        rng = random.Random(2)  # noqa: S311
        missed, alarmed = defaultdict(list), defaultdict(list)
        for _ in range(PROMPTS):
            messages, passages = rng.randrange(2, 9), rng.randrange(4, 11)
            prompt = rng.sample(pool, rng.randrange(2, 8) if size == "short" else 2 + messages + passages)
            actual = sum(text["counts"][family] for text in prompt)
            texts = [text["text"] for text in prompt]
            if size == "long":
                history, found = texts[2 : 2 + messages], texts[2 + messages :]
                texts = [*texts[:2], *runs_of(history), "\n\n".join(found)]
                actual += passages - 1
            limit = actual / rng.uniform(0.6, 1.2)
            thin = thinning([len(text) for text in texts])
            estimates = [estimate_text(text, family, thin=thin) for text in texts]  # type: ignore[arg-type]
            said = {
                "Kenshin": sum(estimates) + together([each.upper - each.tokens for each in estimates]),
                "Kenshin, if it decided on the estimate": sum(estimates),
                "seed": sum(seed_estimate(text) for text in texts),
            }
            for label, tokens in said.items():
                if actual > 0.95 * limit:
                    missed[label].append(tokens <= 0.95 * limit)
                elif actual < 0.85 * limit:
                    alarmed[label].append(tokens > 0.95 * limit)
        for label in missed:
            shares = statistics.mean(missed[label]), statistics.mean(alarmed[label])
            print(f"| {family}, {size} | {label} | {shares[0]:.1%} | {shares[1]:.1%} |")


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--o200k", action="store_true")
    rules: dict[str, Callable[[str], float]] = {
        "seed": seed_estimate,
        "characters / 4": lambda text: len(text) / 4,
    }
    if parser.parse_args().o200k:
        rules["o200k × 1.15"] = o200k_estimate()
    known = texts()
    for family in FITTED:
        accuracy(family, known, rules)
    print("\n### Calibration\n\n| calls of | p50 | p95 | worst under | bound holds |\n|---|---|---|---|---|")
    for family in FITTED:
        calibrated(family, known)
        left_out_calibrated(family, known)
    calibrated("claude-4.7", known, taken_for="claude-3")
    healing(known)
    print(
        "\n| prompts | rule | truly over 95 %, not critical | truly below 85 %, critical |\n|---|---|---|---|"
    )
    for family in FITTED:
        decisions(family, known)


if __name__ == "__main__":
    main()
