from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.budget.counts import ASCII_COUNTS, NAMES, counts
from kenshin.budget.estimate import READ_WHOLE, TokenEstimate, estimate_text, sample
from kenshin.budget.tokenizers import FAMILIES, lexicon, tokenizer
from kenshin.errors import InvalidInput

DATA = Path(__file__).resolve().parents[3] / "benchmarks/data/token_counts.jsonl.gz"
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=300)


def texts() -> list[dict[str, Any]]:
    with gzip.open(DATA, "rt", encoding="utf-8", errors="surrogatepass") as file:
        return [json.loads(line) for line in file]


@pytest.mark.parametrize("family", ["claude-3", "claude-4.7"])
def test_estimates_are_near_the_reference_and_bounds_hold(family: Any) -> None:
    pairs = [(estimate_text(each["text"], family), each["counts"][family]) for each in texts()]
    errors = sorted(abs(estimate / actual - 1) for estimate, actual in pairs)
    assert errors[len(errors) // 2] <= 0.03
    assert errors[len(errors) * 95 // 100] <= 0.12
    assert sum(actual <= estimate.upper for estimate, actual in pairs) / len(pairs) >= 0.93


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("the", 1), ("the cat sat on the mat", 6), ("日本語", 3), ("function", 1), ("12 345", 3)],
)
def test_known_pieces_cost_what_the_reference_says(text: str, tokens: int) -> None:
    assert abs(estimate_text(text, "claude-3") - tokens) <= 1


@given(ANY_TEXT, st.sampled_from(FAMILIES))
def test_any_text_has_an_estimate_and_a_bound_above_it(text: str, family: Any) -> None:
    estimate = estimate_text(text, family)
    assert (estimate.tokens == 0) == (text == "")
    assert 0 <= estimate <= estimate.upper


@given(ANY_TEXT)
def test_an_ascii_text_is_counted_as_any_other(text: str) -> None:
    plain = text.encode("ascii", "ignore").decode()
    alone, beside = counts(plain, lexicon()), counts(plain + "。", lexicon())
    assert len(alone) == ASCII_COUNTS
    assert len(beside) == len(NAMES)
    assert alone[:9] == beside[:9]


@pytest.mark.parametrize("text", ["\ud800" * 50, "\x00" * 50, "a\ud83dあ\udc00", "😀" * 40])
def test_broken_text_is_counted(text: str) -> None:
    assert estimate_text(text, "claude-3") > 0


def test_nothing_has_no_tokens() -> None:
    assert estimate_text(None, "claude-3") == estimate_text("", "claude-3") == 0


@pytest.mark.parametrize("value", [b"bytes", 7, ["text"], {"text": "x"}])
def test_what_is_no_text_is_refused_by_name(value: Any) -> None:
    with pytest.raises(InvalidInput, match=type(value).__name__):
        estimate_text(value, "claude-3")


def test_a_long_text_is_read_in_blocks_and_its_bound_is_wider() -> None:
    line = "The order was shipped to Osaka on Monday and the customer was told. "
    short, long = estimate_text(line * 50, "claude-3"), estimate_text(line * 150_000, "claude-3")
    assert not short.sampled
    assert long.sampled
    assert long / 150_000 == pytest.approx(short / 50, rel=0.03)
    assert long.upper / long > short.upper / short


@given(st.integers(READ_WHOLE + 1, 200_000))
def test_blocks_never_leave_the_text(length: int) -> None:
    assert len(sample("x" * length)) == READ_WHOLE


def test_a_text_seen_before_is_remembered() -> None:
    text = "remembered once, answered again"
    assert estimate_text(text, "claude-3") is estimate_text(text, "claude-3")


def test_an_estimate_is_an_int_that_travels() -> None:
    estimate = TokenEstimate(120, upper=150, family="claude-3", sampled=True)
    again = pickle.loads(pickle.dumps(estimate))  # noqa: S301
    assert (again, again.upper, again.family, again.sampled) == (120, 150, "claude-3", True)
    assert sum([estimate, estimate]) == 240
    assert json.dumps(estimate) == "120"


def test_a_family_that_was_not_fitted_has_the_wider_margin() -> None:
    fitted, other = tokenizer("claude-4.7"), tokenizer("other")
    assert other.weights == fitted.weights
    assert all(wide > narrow for wide, narrow in zip(other.margins, fitted.margins, strict=True))
