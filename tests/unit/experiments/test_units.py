"""Units: digits enough, and the same ones from night to night."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from kenshin.experiments.units import DIGITS, FEWEST_ROWS, MOST_BITS, Extent, Measured, Unit, Units

figures = st.builds(
    Measured.named,
    st.sampled_from(["cost", "latency_ms", "turns"]),
    st.floats(0, 1e300),
    st.integers(1, 1000),
)
extents = st.builds(
    lambda rows, metrics, covariates: Extent.total([Extent(rows, tuple(metrics), tuple(covariates))]),
    st.integers(0, 10**9),
    st.lists(figures, max_size=3),
    st.lists(figures, max_size=3),
)


@given(largest=st.floats(1e-280, 1e300))
def test_a_value_is_a_64_bit_integer_with_more_digits_than_a_double(largest):
    (unit,) = Units.of(Extent(1, (Measured("m", "m", largest, 1),))).metrics
    assert 2.0 ** (DIGITS - 5) <= largest * 2.0**unit.bits < 2.0**DIGITS


def test_figures_too_small_for_a_unit_are_summed_all_the_same():
    (unit,) = Units.of(Extent(1, (Measured("m", "m", 5e-324, 1),))).metrics
    assert (unit.bits, 2.0**unit.bits * 2.0**-unit.bits) == (MOST_BITS, 1.0)


@given(some=extents, more=extents)
def test_units_of_all_days_hold_each_days(some, more):
    whole = Units.of(Extent.total([some, more]))
    for part in (some, more):
        assert whole.joined(Units.of(part)).text == whole.text
        assert whole.rows >= Units.of(part).rows >= FEWEST_ROWS


@given(extent=extents)
def test_there_and_back(extent):
    units = Units.of(extent)
    assert Units.from_text(units.text, units.rows) == units
    assert Extent.from_dict(json.loads(json.dumps(extent.as_dict()))) == extent


def test_a_night_like_the_others_changes_no_unit():
    def night(latency, rows):
        return Extent(
            rows, (Measured("quality_score", None, 1.0, rows), Measured("latency_ms", None, latency, rows))
        )

    first = Units.of(night(700.0, 1000))
    assert first == Units.of(Extent.total([night(700.0, 1000), night(4000.0, 900_000)]))
    assert first != Units.of(Extent.total([night(700.0, 1000), night(4100.0, 1000)]))
    assert first.rows != Units.of(night(700.0, 2_000_000)).rows


def test_a_covariate_goes_with_the_metric_of_its_key():
    covariates = (
        Measured("metrics.quality_score", "quality_score", 16.0, 1),
        Measured("idle", "idle", 1.0, 1),
    )
    metrics = (Measured("quality_score", None, 1.0, 1), Measured("cost", "cost", 1.0, 1))
    score, cost = Units.of(Extent(1, metrics, covariates)).metrics
    assert score == Unit("quality_score", None, 58, 54)
    assert cost == Unit("cost", "cost", 58, None)
