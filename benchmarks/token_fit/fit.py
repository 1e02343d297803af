"""Fit the token estimates: texts of installed packages, counted by the reference tokenizer, to weights and margins.

    python3.12 -m venv fit && fit/bin/pip install ctok==1.3.0 numpy==2.4.6 scipy==1.17.1
    fit/bin/pip install --no-deps --target texts -r benchmarks/token_fit/requirements.txt
    PYTHONPATH=plugins fit/bin/python benchmarks/token_fit/fit.py texts

Writes ``plugins/kenshin/budget/tokenizers.json``, and for ``benchmarks/tokens.py`` the held-back texts with their
counts and, for every kind, the numbers fitted without that kind.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import re
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ctok
import numpy as np
from corpus import documents
from scipy.optimize import lsq_linear

from kenshin.budget import counts, estimate, tokenizers

ROOT = Path(__file__).resolve().parents[2]
PACKAGED = ROOT / "plugins/kenshin/budget/tokenizers.json"
DATA = ROOT / "benchmarks/data"
VERSIONS = {"claude-3": "3.0", "claude-4.7": "4.7"}
FRAME = {version: ctok.token_count("a", version) - 1 for version in VERSIONS.values()}
"""Tokens of an otherwise empty message."""
RIDGE, ROBUST, STEPS = 0.1, 0.03, 4
PRIOR = {
    "unknown_words": 0.5, "unknown_letters": 0.3, "known_signs3": 1, "known_signs4": 1, "unknown_signs": 0.5,
    "unknown_sign_characters": 0.5, "known3": 1, "known4": 1, "digits": 1, "spaces_beside_isolated": 1, "pair '\\n'": 1,
    "common_characters": 1, "rare_characters": 2.2, "words_of_scripts": 0.3, "katakana_runs": 0.3, "hiragana_runs": 0.3,
    "script L": 0.4, "script g": 0.45, "script c": 0.5, "script e": 0.7, "script r": 0.6, "script 1": 0.8,
    "script 2": 0.9,
    "script 3": 0.8, "script 4": 0.9, "script 5": 0.9, "script t": 0.7, "script G": 0.9, "script v": 0.5,
    "script s": 1.2,
    "script u": 1.5, "script ?": 1.2, "script w": 1.2, "script p": 1, "script H": 0.5, "script K": 0.6,
}  # fmt: skip
"""Tokens per count where texts say little: what the structure of the tokenizer suggests.

Other counts only correct these."""

EDGES = (0.05, 0.15, 0.3, 0.6)
SHORT = 0.25


def content(text: str, version: str) -> int:
    """Tokens of a text without the frame of a message."""
    return ctok.token_count(text, version) - FRAME[version]


def build_lexicon() -> dict[str, Any]:
    """Words and signs that the tokenizer has as whole pieces, with their costs between other words."""
    pieces = [piece.replace("⟨bow⟩", "").replace("⟨eow⟩", "") for piece in ctok.pieces("3.0")]
    whole = {
        piece[5:-5]
        for piece in ctok.pieces("3.0")
        if piece.startswith("⟨bow⟩")
        and piece.endswith("⟨eow⟩")
        and re.fullmatch(r"⟨bow⟩[A-Za-z]+⟨eow⟩", piece)
    }
    whole |= {word.capitalize() for word in whole if word.islower() and len(word) > 1}
    signs = {piece for piece in pieces if re.fullmatch(r"[!-/:-@\[-`{-~]+", piece)}
    data: dict[str, Any] = {}
    for part, members, around in (("words", whole, "a {} a"), ("signs", signs, "a{}b")):
        grouped = defaultdict(list)
        for piece in sorted(members):
            cost = tuple(content(around.format(piece), version) - 2 for version in VERSIONS.values())
            grouped[cost].append(piece)
        data[part] = [[*cost, " ".join(grouped[cost])] for cost in sorted(grouped)]
    data["common"] = "".join(
        sorted({piece for piece in pieces if re.fullmatch("[\u3400-\u9fff\uac00-\ud7a3]", piece)})
    )
    return data


def columns(family: str) -> list[int]:
    """The counts that concern a family."""
    other = "4" if family == "claude-3" else "3"
    return [
        at for at, name in enumerate(counts.NAMES) if not (name.startswith("known") and name.endswith(other))
    ]


def fit_weights(found: np.ndarray, actual: np.ndarray, family: str) -> np.ndarray:
    """Weights that make relative errors small, robustly, drawn towards the prior and never absurd."""
    used = columns(family)
    names = [counts.NAMES[at] for at in used]
    prior = np.array([PRIOR.get(name, 0.0) for name in names])
    low = np.array([0.0 if name in PRIOR else -0.6 for name in names])
    high = np.array([4.0 if name in PRIOR else 1.5 for name in names])
    scale, trust = 1 / np.maximum(actual, 30), np.ones(len(actual))
    for _ in range(STEPS):
        row = (scale * np.sqrt(trust))[:, None]
        left = np.vstack([found[:, used] * row, np.eye(len(used)) * RIDGE])
        solved = lsq_linear(
            left, np.concatenate([actual * row[:, 0], prior * RIDGE]), (low, high), method="bvls"
        ).x
        error = np.abs((found[:, used] @ solved - actual) * scale)
        trust = np.minimum(1, ROBUST / np.maximum(error, 1e-4))
    weights = np.zeros(len(counts.NAMES))
    weights[used] = solved
    return weights


def as_fitted(weights: np.ndarray) -> dict[str, Any]:
    """Weights in the form of the data file, with margins still to be found."""
    named = {
        name: round(float(weight), 4) for name, weight in zip(counts.NAMES, weights, strict=True) if weight
    }
    return {
        "weights": named,
        "edges": EDGES,
        "margins": [0.0] * (len(EDGES) + 1),
        "short": 0.0,
        "sampling": 0.0,
    }


def main() -> None:
    """Fit everything and write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("texts", type=Path, help="the folder into which the packages are installed")
    site = parser.parse_args().texts
    data = build_lexicon()
    lexicon = tokenizers.lexicon_of(data)
    texts = list(documents(site))
    found = np.zeros((len(texts), len(counts.NAMES)))
    for at, text in enumerate(texts):
        row = counts.counts(text.text, lexicon)
        found[at, : len(row)] = row
    kinds, held = np.array([text.kind for text in texts]), np.array([text.held_back for text in texts])
    actual = {
        family: np.array([content(text.text, version) for text in texts], float)
        for family, version in VERSIONS.items()
    }
    longs = [
        (kind, "\n".join(text.text for text in texts if text.kind == kind and not text.held_back)[:60_000])
        for kind in dict.fromkeys(kinds)
    ]
    families, left_out = {}, defaultdict(dict)
    for family in VERSIONS:
        fitted = as_fitted(fit_weights(found[~held], actual[family][~held], family))
        residual, share = np.zeros(len(texts)), np.zeros(len(texts))
        for kind in dict.fromkeys(kinds):
            own = kinds == kind
            without = as_fitted(fit_weights(found[~own & ~held], actual[family][~own & ~held], family))
            left_out[family][kind] = without
            numbers = tokenizers.tokenizer_of(without)
            tokens = np.maximum(found[own] @ numbers.weights, 1)
            residual[own] = np.log(actual[family][own] / tokens)
            share[own] = found[own] @ numbers.guessed / tokens
        size = np.maximum(actual[family], 1)
        bins = np.digitize(share, EDGES)
        excess = residual - SHORT / np.sqrt(size)
        margins = [
            round(float(np.quantile(excess[(bins == at) & ~held], 0.95)), 4) for at in range(len(EDGES) + 1)
        ]
        numbers = tokenizers.tokenizer_of(fitted)
        errors = []
        for _, text in longs:
            row = np.zeros(len(counts.NAMES))
            for start in range(0, len(text), 4_000):
                part = counts.counts(text[start : start + 4_000], lexicon)
                row[: len(part)] += part
            errors.append(
                math.log(float(row @ numbers.weights) / estimate.measure(text, numbers, lexicon)[0])
            )
        sampling = round(float(1.645 * np.sqrt(np.mean(np.square(errors)))), 4)
        for one in (fitted, *left_out[family].values()):
            one.update(margins=margins, short=SHORT, sampling=sampling)
        families[family] = fitted
    about = "Made by benchmarks/token_fit/fit.py. Pieces and costs: ctok 1.3.0, Copyright Sander Land, MIT licence."
    PACKAGED.write_text(
        json.dumps({"about": about, "families": families, **data}, ensure_ascii=False, indent=0) + "\n",
        encoding="utf-8",
    )
    DATA.mkdir(exist_ok=True)
    (DATA / "left_out.json").write_text(json.dumps(left_out, indent=0) + "\n", encoding="utf-8")
    with gzip.GzipFile(DATA / "token_counts.jsonl.gz", "wb", mtime=0) as file:
        for at, text in enumerate(texts):
            if text.held_back:
                line = {**asdict(text), "counts": {family: int(actual[family][at]) for family in VERSIONS}}
                del line["held_back"]
                file.write((json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass"))


if __name__ == "__main__":
    main()
