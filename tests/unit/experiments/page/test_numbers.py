from __future__ import annotations

import pytest

from kenshin.experiments.page.numbers import (
    interval,
    percent,
    percent_interval,
    plain,
    signed,
    signed_percent,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0, "0"),
        (0.012345, "0.0123"),
        (1234.5, "1,234"),
        (-0.5, "−0.500"),
        (1e-20, "0.0000000000"),
    ],
)
def test_three_figures(value, text):
    assert plain(value) == text


def test_signs():
    assert (signed(0.5), signed(-0.5), signed(0), signed(None)) == ("+0.500", "−0.500", "0", "–")
    assert (percent(0.125), signed_percent(0.125), signed_percent(-0.125)) == (
        "12.5\u00a0%",
        "+12.5\u00a0%",
        "−12.5\u00a0%",
    )


def test_both_ends_of_an_interval_have_as_many_places():
    assert interval(0.000699, 0.0635) == "+0.0007 to +0.0635"
    assert interval(-12.5, 3.0) == "−12.5 to +3.0"
    assert interval(0.0, 0.0) == "+0 to +0"
    assert interval(None, 1.0) == "–"


def test_an_interval_may_be_open_on_one_side():
    assert percent_interval(None, 0.1) == "up to +10.0\u00a0%"
    assert percent_interval(-0.1, None) == "from −10.0\u00a0%"
    assert percent_interval(None, None) == "–"
