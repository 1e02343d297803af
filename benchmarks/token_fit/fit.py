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
import unicodedata
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ctok
import numpy as np
from corpus import documents
from scipy.optimize import lsq_linear

from kenshin.budget import counts, estimate, tokenizers
from kenshin.budget.pieces import END, START, Lexicon

ROOT = Path(__file__).resolve().parents[2]
PACKAGED = ROOT / "plugins/kenshin/budget/tokenizers.json"
DATA = ROOT / "benchmarks/data"
VERSIONS = {"claude-3": "3.0", "claude-4.7": "4.7"}
FRAME = {version: ctok.token_count("a", version) - 1 for version in VERSIONS.values()}
"""Tokens of an otherwise empty message."""
RIDGE, ROBUST, STEPS, HIGHEST = 0.1, 0.03, 4, 4.0
PRIOR = dict.fromkeys(counts.NAMES, 1.0) | {
    "newline_pairs": -0.5, "tab_pairs": -0.8, "contractions": -1.0, "rare_characters": 2.2, "symbols": 1.2,
    "surrogates": 1.5, "wide": 1.2, "others": 1.2, "japanese_signs": 0.9, "hiragana": 0.7, "katakana": 0.8,
}  # fmt: skip
"""Tokens per count where texts say little: what the structure of the tokenizer suggests."""

EDGES = (0.05, 0.15, 0.3, 0.6)
SHORT = 0.25
LETTER = "A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff"
SIGNS = r"[!-/:-@\[-`{-~]+"
LONG = 5 * estimate.READ_WHOLE
"""Characters of the texts on which reading in blocks is judged."""

BESIDE = 10
"""Letters and marks of the longest part that is kept."""


def content(text: str, version: str) -> int:
    """Tokens of a text without the frame of a message."""
    return ctok.token_count(text, version) - FRAME[version]


def build_lexicon() -> dict[str, Any]:
    """The tokenizer's whole words and signs with their costs between other words, and the parts of other words."""
    families = {family: set(ctok.pieces(version)) for family, version in VERSIONS.items()}
    pieces = sorted(set().union(*families.values()))
    words = {bare(piece) for piece in pieces if re.fullmatch(f"⟨bow⟩[{LETTER}]+⟨eow⟩", piece)}
    words |= {word.capitalize() for word in words if word.islower() and len(word) > 1}
    words |= {bare(piece).upper() for piece in pieces if re.fullmatch(f"⟨caps⟩⟨bow⟩[{LETTER}]+⟨eow⟩", piece)}
    signs = {bare(piece) for piece in pieces if re.fullmatch(SIGNS, bare(piece))}
    data: dict[str, Any] = {}
    for part, members, around in (("words", words, "a {} a"), ("signs", signs, "a{}b")):
        costs = defaultdict(list)
        for piece in sorted(members):
            if not re.search("[^\0-\xff]", piece):
                each = tuple(content(around.format(piece), version) - 2 for version in VERSIONS.values())
                costs[each].append(piece)
        data[part] = [
            [dict(zip(VERSIONS, cost, strict=True)), " ".join(costs[cost])] for cost in sorted(costs)
        ]
    parts: dict[str, Any] = {"parts": defaultdict(list), "foreign_parts": defaultdict(list)}
    for piece in pieces:
        part = piece.replace("⟨bow⟩", START).replace("⟨eow⟩", END)
        letters, owners = part.strip(START + END), tuple(name for name in VERSIONS if piece in families[name])
        if len(part) > BESIDE or "⟨" in part:
            continue
        if re.fullmatch(f"[{LETTER}]*", letters):
            if not (part.startswith(START) and part.endswith(END)):
                parts["parts"][owners].append(part)
        elif re.search("[\u0100-\u1fff\ua000-\uabff]", letters) and all(map(is_letter, letters)):
            parts["foreign_parts"][owners].append(part)
    for name, grouped in parts.items():
        data[name] = [[list(owners), " ".join(grouped[owners])] for owners in sorted(grouped)]
    data["capitals"] = [family for family in VERSIONS if "⟨caps⟩" in families[family]]
    data["common"] = "".join(
        sorted({bare(piece) for piece in pieces if re.fullmatch("[\u3400-\u9fff\uac00-\ud7a3]", bare(piece))})
    )
    return data


def bare(piece: str) -> str:
    """A piece without marks."""
    return re.sub("⟨[a-z]+⟩", "", piece)


def is_letter(character: str) -> bool:
    """A letter, or a mark that belongs to one."""
    return unicodedata.category(character)[0] in "LM"


def fit_weights(found: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Weights that make relative errors small, robustly, drawn towards the prior and never absurd."""
    prior = np.array([PRIOR[name] for name in counts.NAMES])
    limits = np.where(prior < 0, -1.0, 0.0), np.full(len(prior), HIGHEST)
    scale, trust = 1 / np.maximum(actual, 30), np.ones(len(actual))
    for _ in range(STEPS):
        row = (scale * np.sqrt(trust))[:, None]
        left = np.vstack([found * row, np.eye(len(prior)) * RIDGE])
        right = np.concatenate([actual * row[:, 0], prior * RIDGE])
        weights: np.ndarray = lsq_linear(left, right, limits, method="bvls").x
        error = np.abs((found @ weights - actual) * scale)
        trust = np.minimum(1, ROBUST / np.maximum(error, 1e-4))
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


def tokens_of(found: np.ndarray, fitted: dict[str, Any]) -> np.ndarray:
    """Estimates of texts from their counts."""
    tokens: np.ndarray = np.maximum(found @ tokenizers.tokenizer_of(fitted).weights, 1)
    return tokens


def margins_of(residual: np.ndarray, share: np.ndarray, actual: np.ndarray) -> list[float]:
    """What 95 of 100 texts stay below, by the share of their tokens that had to be guessed.

    Args:
        residual: log(actual / estimate) of each text twice: its kind left out of the fit, and not.
        share: guessed tokens over all.
        actual: tokens.
    """
    excess, bins = residual - SHORT / np.sqrt(np.maximum(actual, 1)), np.digitize(share, EDGES)
    return [round(float(np.quantile(excess[bins == at], 0.95)), 4) for at in range(len(EDGES) + 1)]


def main() -> None:
    """Fit everything and write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("texts", type=Path, help="the folder into which the packages are installed")
    site = parser.parse_args().texts
    data = build_lexicon()
    texts = list(documents(site))
    kinds, held = np.array([text.kind for text in texts]), np.array([text.held_back for text in texts])
    actual = {
        family: np.array([content(text.text, version) for text in texts], float)
        for family, version in VERSIONS.items()
    }
    longs = [
        joined[start : start + LONG]
        for kind in dict.fromkeys(kinds)
        for joined in ["\n".join(text.text for text in texts if text.kind == kind and not text.held_back)]
        for start in range(0, min(len(joined) - LONG, 5 * LONG), LONG // 2)
    ]
    families, left_out = {}, defaultdict(dict)
    for family in VERSIONS:
        lexicon = Lexicon(data, family)
        found = np.zeros((len(texts), len(counts.NAMES)))
        for at, text in enumerate(texts):
            row = counts.counts(text.text, lexicon)
            found[at, : len(row)] = row
        fitted = as_fitted(fit_weights(found[~held], actual[family][~held]))
        residual, share = np.zeros(len(texts)), np.zeros(len(texts))
        for kind in dict.fromkeys(kinds):
            own = kinds == kind
            without = as_fitted(fit_weights(found[~own & ~held], actual[family][~own & ~held]))
            left_out[family][kind] = without
            tokens = tokens_of(found[own], without)
            residual[own] = np.log(actual[family][own] / tokens)
            share[own] = found[own] @ tokenizers.tokenizer_of(without).guessed / tokens
        margins = margins_of(
            np.concatenate([residual[~held], np.log(actual[family] / tokens_of(found, fitted))[~held]]),
            np.tile(share[~held], 2),
            np.tile(actual[family][~held], 2),
        )
        numbers = tokenizers.tokenizer_of(fitted)
        errors = []
        for text in longs:
            whole = sum(
                estimate.measure(text[start : start + estimate.READ_WHOLE], numbers, lexicon)[0]
                for start in range(0, LONG, estimate.READ_WHOLE)
            )
            errors.append(math.log(whole / estimate.measure(text, numbers, lexicon)[0]))
        blocks = math.sqrt(1 - estimate.READ_WHOLE / LONG)
        sampling = round(float(1.645 * np.sqrt(np.mean(np.square(errors))) / blocks), 4)
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
