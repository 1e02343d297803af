from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from kenshin.budget.calibration import MOST, Correction
from kenshin.budget.refit import (
    FEWEST,
    FITTED_COVERAGE,
    JUDGING,
    Refitted,
    _identity,
    composed,
    fit,
    judged,
    refit,
)
from kenshin.signals.usage import UsageObserved

AT = datetime(2026, 11, 14, tzinfo=UTC)


def usage(count: int, *, shift: float, spread: float = 0.05, seed: int = 1, **changes: Any) -> Iterator[Any]:
    """Calls whose log(actual / estimate) has a mean and a spread; the fitted bound is ten percent."""
    rng = random.Random(seed)
    for number in range(count):
        estimated = rng.randrange(500, 4_000)
        actual = round(estimated * math.exp(rng.gauss(shift, spread)))
        values: dict[str, Any] = {
            "at": AT + timedelta(seconds=number),
            "model_id": "m",
            "script": "latin",
            "estimated_tokens": estimated,
            "estimated_upper": round(estimated * 1.1),
            "corrected_tokens": estimated,
            "corrected_upper": round(estimated * 1.1),
            "actual_tokens": actual,
        }
        yield UsageObserved(**{**values, **changes})


def test_a_stale_family_is_fitted_and_its_bound_holds() -> None:
    (row,) = refit(usage(2_000, shift=0.3), {}).rows
    assert row.outcome == "accepted"
    assert row.fitted is not None
    assert row.fitted.shift == pytest.approx(0.3, abs=0.01)
    assert row.judged_before is not None
    assert row.judged_fitted is not None
    assert row.judged_before.coverage < 0.05
    assert 0.93 <= row.judged_fitted.coverage <= 0.98
    assert row.judged_fitted.error < 0.05 < row.judged_before.error
    assert 0.25 < row.judged_on / row.calls < 0.35


def test_a_fit_that_is_worse_than_what_is_in_force_is_refused() -> None:
    """What is fitted is shifted, what judges is not: as if prompts had changed in kind."""
    records = list(usage(400, shift=0.0, spread=0.01))
    (plain,) = refit(records, {}).rows
    moved = [
        record if _judges(record) else replace(record, actual_tokens=2 * record.actual_tokens)
        for record in records
    ]
    (row,) = refit(moved, {("m", "latin"): plain.fitted}).rows  # type: ignore[dict-item]
    assert row.outcome == "refused"
    assert "the bound holds, and would grow from" in row.reason


def test_a_shift_that_is_worse_leaves_the_bound_to_be_fitted() -> None:
    """Nothing is shifted, and the fitted bound of ten percent is far too wide."""
    records = list(usage(400, shift=0.0, spread=0.01))
    (row,) = refit(records, {("m", "latin"): Correction(calls=900, shift=0.0, variance=0.05**2)}).rows
    assert row.outcome == "accepted"
    assert row.fitted is not None
    assert row.judged_before is not None
    assert row.judged_fitted is not None
    assert abs(row.fitted.shift) < 0.002
    assert row.judged_fitted.error <= row.judged_before.error
    assert row.judged_fitted.width < row.judged_before.width / 2
    assert row.judged_fitted.coverage >= 0.93


def _judges(record: UsageObserved) -> bool:
    return sha256(_identity(record)).digest()[8] < JUDGING


def test_a_bound_that_would_stop_holding_is_refused() -> None:
    wide = Correction(calls=900, shift=0.0, variance=0.05**2)
    records = list(usage(500, shift=0.0, spread=0.05))
    narrowed = [
        replace(record, actual_tokens=record.estimated_tokens) if not _judges(record) else record
        for record in records
    ]
    (row,) = refit(narrowed, {("m", "latin"): wide}).rows
    assert row.outcome == "refused"
    assert "bound would hold in" in row.reason


def test_few_calls_fit_nothing() -> None:
    (row,) = refit(usage(FEWEST - 1, shift=0.5), {}).rows
    assert (row.outcome, row.fitted) == ("too_few", None)
    assert "49 calls" in row.reason


def test_the_order_of_records_and_the_run_do_not_matter() -> None:
    records = list(usage(300, shift=0.2))
    shuffled = records[:]
    random.Random(4).shuffle(shuffled)
    assert refit(records, {}) == refit(shuffled, {})


def test_models_and_scripts_are_fitted_apart_and_one_can_be_asked_for() -> None:
    def records() -> Iterator[Any]:
        yield from usage(100, shift=0.5)
        yield from usage(100, shift=-0.5, script="japanese")
        yield from usage(100, shift=0.0, model_id="n")

    shifts = {(row.model, row.script): row.fitted.shift for row in refit(records(), {}).rows if row.fitted}
    assert shifts == {
        ("m", "japanese"): pytest.approx(-0.5, abs=0.03),
        ("m", "latin"): pytest.approx(0.5, abs=0.03),
        ("n", "latin"): pytest.approx(0.0, abs=0.03),
    }
    assert [row.model for row in refit(records(), {}, model="n").rows] == ["n"]


def test_what_cannot_be_read_is_counted_and_overflows_are_told() -> None:
    records = [None, *usage(60, shift=0.0), *usage(3, shift=0.0, actual_tokens=0, overflowed=True), None]
    made = refit([*records, *usage(2, shift=0.0, script="klingon")], {})
    assert (made.unreadable, made.calls, made.rows[0].overflows) == (4, 60, 3)


def test_models_without_end_are_bounded() -> None:
    made = refit((next(usage(1, shift=0.0, model_id=f"m{number}")) for number in range(MOST + 9)), {})
    assert (len(made.rows), made.left_out) == (MOST, 9)


def test_the_bound_is_a_quantile_of_what_the_shift_leaves() -> None:
    ratios = [number / 100 for number in range(-50, 51)]
    correction = fit(ratios)
    assert correction.shift == 0
    tokens, bound = correction.numbers(100_000, 100_000)
    held = sum(ratio <= math.log(bound / tokens) + 1e-4 for ratio in ratios)
    assert held == math.ceil(102 * FITTED_COVERAGE)
    assert fit([0.2]) == Correction(1, 0.2, 0.0)
    assert fit([0.1, 0.3], shift=0.0).shift == 0.0


def test_judging_goes_by_median_and_coverage() -> None:
    found = judged(Correction(), [(100, 110, 100), (100, 110, 111), (100, 110, 109)])
    assert found.coverage == pytest.approx(2 / 3, abs=1e-6)
    assert found.error == pytest.approx(math.log(1.09), abs=1e-6)


def test_a_refused_row_leaves_what_was_before_the_day() -> None:
    old, new, other = Correction(60, 0.1), Correction(70, 0.2), Correction(80, 0.3)
    rows = [
        Refitted("m", "latin", 90, 0, "accepted", "", before=old, fitted=new),
        Refitted("m", "other", 90, 0, "refused", "", before=Correction(), fitted=new),
    ]
    now = {("m", "latin"): old, ("m", "other"): new, ("n", "latin"): other}
    assert composed(now, rows) == {("m", "latin"): new, ("n", "latin"): other}
