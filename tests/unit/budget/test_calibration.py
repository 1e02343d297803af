from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.budget.calibration import ALPHA, Calibration, Correction, input_tokens
from kenshin.budget.estimate import TokenEstimate
from kenshin.budget.script import script_of
from kenshin.errors import InvalidInput


def estimate_of(tokens: int, upper: int | None = None) -> TokenEstimate:
    return TokenEstimate(tokens, upper=upper or round(tokens * 1.1), family="claude-3", sampled=False)


def test_a_stale_family_heals_within_ten_calls() -> None:
    rng, calibration = random.Random(3), Calibration()
    for _ in range(10):
        actual = rng.randrange(500, 5_000)
        stale = estimate_of(round(actual / 1.37 * math.exp(rng.gauss(0, 0.02))))
        calibration.observe("m", "latin", stale, {"inputTokens": actual})
    corrected = calibration.correction("m", "latin").applied(estimate_of(round(3_000 / 1.37)))
    assert corrected == pytest.approx(3_000, rel=0.03)


def test_the_bound_holds_in_about_95_of_100_calls() -> None:
    rng, calibration, held = random.Random(11), Calibration(), []
    for call in range(3_000):
        actual = round(1_000 * math.exp(rng.gauss(0.1, 0.05)))
        estimate = estimate_of(1_000, 1_500)
        if call >= 20:
            held.append(actual <= calibration.correction("m", "other").applied(estimate).upper)
        calibration.observe("m", "other", estimate, {"inputTokens": actual})
    assert 0.93 <= sum(held) / len(held) <= 0.98


def test_later_calls_weigh_alpha() -> None:
    settled = Correction(calls=50, shift=0.2)
    assert settled.after(0.4).shift == pytest.approx(0.2 + ALPHA * 0.2)


@pytest.mark.parametrize("reported", [1, 10**11])
def test_one_odd_report_moves_a_settled_model_little(reported: int) -> None:
    rng, calibration = random.Random(5), Calibration()
    for _ in range(200):
        calibration.observe("m", "latin", 1_000, {"inputTokens": round(1_000 * math.exp(rng.gauss(0, 0.03)))})
    before = calibration.correction("m", "latin").numbers(1_000, 1_100)
    calibration.observe("m", "latin", 1_000, {"inputTokens": reported})
    after = calibration.correction("m", "latin").numbers(1_000, 1_100)
    assert after[0] == pytest.approx(before[0], rel=0.09)
    assert after[1] == pytest.approx(before[1], rel=0.35)


def test_a_settled_model_that_becomes_another_is_followed() -> None:
    calibration = Calibration({("m", "latin"): Correction(calls=5_000, variance=0.0004)})
    for _ in range(20):
        calibration.observe("m", "latin", 1_000, {"inputTokens": 2_000})
    assert calibration.correction("m", "latin").numbers(1_000, 1_100)[0] == pytest.approx(2_000, rel=0.1)


def test_models_and_scripts_are_corrected_apart() -> None:
    calibration = Calibration()
    calibration.observe("m", "latin", estimate_of(100), {"inputTokens": 150})
    assert calibration.correction("m", "japanese") == Correction()
    assert calibration.correction("n", "latin") == Correction()
    assert calibration.correction("m", "latin").shift == pytest.approx(math.log(1.5))


@pytest.mark.parametrize(
    ("usage", "total"),
    [
        (
            {"inputTokens": 10, "cacheReadInputTokens": 200, "cacheWriteInputTokens": 30, "outputTokens": 9},
            240,
        ),
        ({"input_tokens": 10, "cache_read_input_tokens": 200, "cache_creation_input_tokens": None}, 210),
    ],
)
def test_cached_tokens_count(usage: dict[str, Any], total: int) -> None:
    assert input_tokens(usage) == total


@pytest.mark.parametrize(
    "usage",
    [
        {"inputTokens": None},
        {"inputTokens": ""},
        {"inputTokens": 9.0},
        {"inputTokens": 9, "cacheReadInputTokens": "x"},
        *[
            {},
            {"inputTokens": -1},
            {"inputTokens": True},
            {"inputTokens": "9"},
            {"inputTokens": 10**400},
            None,
        ],
    ],
)
def test_usage_that_says_nothing_is_refused(usage: Any) -> None:
    with pytest.raises(InvalidInput):
        Calibration().observe("m", "latin", estimate_of(10), usage)


def test_an_overflow_is_a_miss_even_without_usage() -> None:
    calibration = Calibration()
    calibration.observe("m", "latin", estimate_of(10), {}, stop_reason="model_context_window_exceeded")
    assert calibration.correction("m", "latin") == Correction(overflows=1)


def test_an_uncalibrated_estimate_is_left_alone() -> None:
    estimate = estimate_of(100, 130)
    assert Correction().applied(estimate) is estimate


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(0, 10**9)), max_size=30), st.integers(0, 10**6))
def test_corrections_stay_finite_and_bounds_above(calls: list[tuple[int, int]], tokens: int) -> None:
    calibration = Calibration()
    for estimated, actual in calls:
        calibration.observe("m", "latin", estimate_of(estimated), {"inputTokens": actual})
    corrected = calibration.correction("m", "latin").applied(estimate_of(tokens))
    assert 0 <= corrected <= corrected.upper


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("plain", "latin"),
        ("données réelles", "latin"),
        ("日本語の文章です", "japanese"),
        ("Привет, мир", "other"),
    ],
)
def test_scripts_are_told_apart(text: str, script: str) -> None:
    assert script_of(text) == script
