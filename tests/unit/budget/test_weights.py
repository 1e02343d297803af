from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.budget.calibration import LARGEST_SHIFT, MOST, Correction
from kenshin.budget.script import SCRIPTS
from kenshin.budget.weights import Weights
from kenshin.errors import InvalidInput

DAY = date(2026, 11, 14)
CORRECTIONS = st.dictionaries(
    st.tuples(st.text(max_size=9), st.sampled_from(SCRIPTS)),
    st.builds(
        Correction,
        st.integers(1, 10**6),
        st.floats(-LARGEST_SHIFT, LARGEST_SHIFT),
        st.floats(0, LARGEST_SHIFT**2),
    ),
    max_size=5,
)


@given(CORRECTIONS, CORRECTIONS, st.none() | st.dates())
def test_a_document_is_read_as_it_was_written(corrections: Any, replaced: Any, day: date | None) -> None:
    weights = Weights(day, corrections, replaced)
    assert Weights.from_document(json.loads(json.dumps(weights.as_document()))) == weights


def test_the_fullest_document_fits_its_home() -> None:
    full = {
        (f"{'m' * 100}{number}", "japanese"): Correction(10**6, -0.123456, 0.123456789)
        for number in range(MOST)
    }
    assert len(json.dumps(Weights(DAY, full, full).as_document())) < 350_000


def test_a_day_is_judged_against_what_was_before_its_first_fit() -> None:
    old, new = {("m", "latin"): Correction(60, 0.1)}, {("m", "latin"): Correction(70, 0.2)}
    weights = Weights(DAY, new, old)
    assert weights.before(DAY) == old
    assert weights.before(date(2026, 11, 15)) == new


ROW = {"model": "m", "script": "latin", "calls": 9, "shift": 0.1, "variance": 0.01}


@pytest.mark.parametrize(
    "change",
    [
        {"model": 7},
        {"script": "klingon"},
        {"calls": 0},
        {"calls": "9"},
        {"shift": float("nan")},
        {"shift": 99.0},
        {"variance": -1},
        {"variance": True},
    ],
)
def test_a_row_that_is_no_correction_is_refused(change: dict[str, Any]) -> None:
    body = {"through_day": "2026-11-14", "corrections": [{**ROW, **change}], "replaced": []}
    with pytest.raises(InvalidInput, match="token-calibration"):
        Weights.from_document(body)


@pytest.mark.parametrize(
    "body", [{}, {"corrections": 3}, {"corrections": [3], "replaced": []}, {"through_day": "x"}]
)
def test_another_document_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Weights.from_document(body)
