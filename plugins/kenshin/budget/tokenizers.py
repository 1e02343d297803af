"""The fitted tokenizer families: what a piece of text costs, and how wrong the sum may be.

The numbers are in ``tokenizers.json``, written by ``benchmarks/token_fit/fit.py``; docs/tokens.md says how.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from kenshin.budget.counts import NAMES
from kenshin.budget.pieces import Lexicon

Family = Literal["claude-3", "claude-4.7", "other"]
FAMILIES: tuple[Family, ...] = get_args(Family)
"""``claude-3``: Claude 3 to 4.6. ``claude-4.7``: from 4.7 on. ``other``: no tokenizer of its own was fitted."""


GUESSED = frozenset(NAMES) - {
    "words", "signs", "digits", "single_spaces", "spaces", "newlines", "newline_pairs", "tabs", "tab_pairs",
    "contractions", "common_characters",
}  # fmt: skip
"""Counts of what is no piece as a whole."""


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """One family.

    Args:
        weights: tokens per count, in the order of `counts.NAMES`.
        guessed: the weights of `GUESSED` alone; their share tells how far a text is from what is known.
        edges: shares of guessed tokens at which the margin changes.
        margins: one-sided 95 % of log(actual / estimate) below each edge, and above the last.
        short: what a text's margin grows by, divided by the root of its tokens.
        sampling: the same 95 % of the error of reading sixteen blocks instead of a whole long text.
    """

    weights: tuple[float, ...]
    guessed: tuple[float, ...]
    edges: tuple[float, ...]
    margins: tuple[float, ...]
    short: float
    sampling: float


@cache
def _data() -> Mapping[str, Any]:
    loaded: dict[str, Any] = json.loads(
        Path(__file__).with_name("tokenizers.json").read_text(encoding="utf-8")
    )
    return loaded


@cache
def lexicon(family: Family) -> Lexicon:
    """The packaged pieces of a family; other models take the newest Claude's."""
    return Lexicon(_data(), "claude-4.7" if family == "other" else family)


def tokenizer_of(fitted: Mapping[str, Any], *, widen: float = 0.0) -> Tokenizer:
    """A family as a data file describes it."""
    weights = tuple(float(fitted["weights"].get(name, 0.0)) for name in NAMES)
    return Tokenizer(
        weights=weights,
        guessed=tuple(
            weight if name in GUESSED else 0.0 for name, weight in zip(NAMES, weights, strict=True)
        ),
        edges=tuple(fitted["edges"]),
        margins=tuple(margin + widen for margin in fitted["margins"]),
        short=fitted["short"],
        sampling=fitted["sampling"],
    )


@cache
def tokenizer(family: Family) -> Tokenizer:
    """The packaged numbers of a family.

    Of other models nothing was measured: they take the newest Claude's weights, which give most tokens, with a
    margin that is wider by the factor 1.35.
    """
    if family == "other":
        return tokenizer_of(_data()["families"]["claude-4.7"], widen=0.3)
    return tokenizer_of(_data()["families"][family])
