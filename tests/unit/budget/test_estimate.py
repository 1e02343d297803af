from __future__ import annotations

import gzip
import json
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.budget.counts import counts
from kenshin.budget.estimate import (
    BLOCK,
    LONG_REMEMBERED,
    READ_WHOLE,
    REMEMBERED,
    REMEMBERED_LENGTH,
    SHARED,
    TokenEstimate,
    _long_remembered,
    _remembered,
    estimate_text,
    forget,
    measure,
    sample,
    thinning,
)
from kenshin.budget.tokenizers import FAMILIES, lexicon, tokenizer, tokenizer_of
from kenshin.errors import InvalidInput

DATA = Path(__file__).resolve().parents[3] / "benchmarks/data/token_counts.jsonl.gz"
LEFT_OUT = DATA.with_name("left_out.json")
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=300)


def texts() -> list[dict[str, Any]]:
    with gzip.open(DATA, "rt", encoding="utf-8", errors="surrogatepass") as file:
        return [json.loads(line) for line in file]


@pytest.mark.parametrize("family", ["claude-3", "claude-4.7"])
def test_estimates_are_near_the_reference_and_bounds_hold(family: Any) -> None:
    pairs = [(estimate_text(each["text"], family), each["counts"][family]) for each in texts()]
    errors = sorted(abs(estimate / actual - 1) for estimate, actual in pairs)
    assert errors[len(errors) // 2] <= 0.02
    assert errors[len(errors) * 95 // 100] <= 0.09
    assert 0.93 <= sum(actual <= estimate.upper for estimate, actual in pairs) / len(pairs) <= 0.99


@pytest.mark.parametrize("family", ["claude-3", "claude-4.7"])
def test_kinds_that_were_left_out_of_the_fit_keep_the_aims(family: Any) -> None:
    without = {
        kind: tokenizer_of(fitted) for kind, fitted in json.loads(LEFT_OUT.read_text())[family].items()
    }
    errors, held = [], []
    for text in texts():
        tokens, margin = measure(text["text"], without[text["kind"]], lexicon(family))
        actual = text["counts"][family]
        errors.append(abs(tokens / actual - 1))
        held.append(actual <= math.ceil(tokens * math.exp(margin)))
    errors.sort()
    assert errors[len(errors) // 2] <= 0.03
    assert errors[len(errors) * 95 // 100] <= 0.12
    assert 0.93 <= sum(held) / len(held) <= 0.98


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


@pytest.mark.parametrize(
    "text",
    ["\ud800" * 50, "\x00" * 50, "a\ud83dあ\udc00", "😀" * 40],
    ids=["surrogates", "nuls", "halves", "emoji"],
)
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


@given(st.lists(st.integers(0, 3_000_000), max_size=32))
def test_the_texts_of_a_prompt_share_what_is_read(lengths: list[int]) -> None:
    thin = thinning(lengths)
    read = sum(min(length, READ_WHOLE, -(-length // (BLOCK * thin)) * BLOCK) for length in lengths)
    assert read <= SHARED
    assert thin == 1 or sum(min(length, READ_WHOLE) for length in lengths) > SHARED


def test_a_prompt_of_few_characters_is_read_whole() -> None:
    assert thinning([]) == thinning([0]) == thinning([READ_WHOLE, READ_WHOLE]) == 1


@given(st.text(max_size=200), st.integers(1, 30), st.sampled_from(FAMILIES))
def test_reading_less_of_a_text_widens_the_bound(text: str, thin: int, family: Any) -> None:
    long = (text + "filler ") * (6_000 // (len(text) + 7) + 1)
    less, usual = estimate_text(long, family, thin=thin), estimate_text(long, family)
    assert less.sampled
    assert 0 < less <= less.upper
    if thin > 4:
        assert less.upper / less > 0.97 * usual.upper / usual


@given(ANY_TEXT, ANY_TEXT, st.sampled_from(FAMILIES))
def test_texts_beside_each_other_are_about_their_sum(one: str, other: str, family: Any) -> None:
    apart = estimate_text(one, family) + estimate_text(other, family)
    assert estimate_text(f"{one}\n{other}", family) == pytest.approx(apart + 1, rel=0.5, abs=10)


@pytest.mark.parametrize(
    "unit", ["plain words and signs; ", "日本語の文章です。", "a\ud83d\x00é", "жёлтый ", "0f3a9Qz"]
)
def test_ten_megabytes_are_read_in_blocks(unit: str) -> None:
    text = unit * (10_000_000 // len(unit))
    estimate = estimate_text(text, "claude-4.7")
    assert estimate.sampled
    assert estimate / len(text) == pytest.approx(estimate_text(text[:4_000], "claude-4.7") / 4_000, rel=0.15)
    assert len(sample(text)) == READ_WHOLE


def test_a_text_seen_before_is_remembered_until_it_is_forgotten() -> None:
    text = "remembered once, answered again"
    first = estimate_text(text, "claude-3")
    assert estimate_text(text, "claude-3") is first
    forget()
    assert estimate_text(text, "claude-3") is not first


def test_what_is_remembered_of_long_texts_is_little() -> None:
    forget()
    for each in range(LONG_REMEMBERED + 50):
        estimate_text(f"{each} " + "word " * 2_000, "claude-3")
    assert _long_remembered.cache_info().currsize == LONG_REMEMBERED
    assert _remembered.cache_info().currsize == 0
    assert LONG_REMEMBERED * REMEMBERED_LENGTH + REMEMBERED * READ_WHOLE < 1 << 26


def test_a_long_word_is_not_read_again_from_each_of_its_letters() -> None:
    """A pattern that tried each letter of a word would need minutes for this one, not milliseconds."""
    assert counts("a" * 300_000 + " ā", lexicon("claude-3"))


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


@pytest.mark.parametrize("letters", ["a", "ha", "xqzvj", "é", "ж"])
def test_letters_without_end_are_no_single_word(letters: str) -> None:
    text = letters * (4_000 // len(letters))
    assert estimate_text(text, "claude-3") > len(text) / 16
