from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.signals.guard import LONGEST, NONE, OTHER, DimensionGuard, clean

AT = datetime(2026, 11, 5, tzinfo=UTC)


def test_values_within_the_cap_are_kept_and_later_ones_are_folded():
    guard = DimensionGuard(cap=2)
    assert [guard.value("Intent", each) for each in "abcab"] == ["a", "b", OTHER, "a", "b"]
    assert guard.value("ModelId", "c") == "c", "each dimension has a cap of its own"


def test_what_was_folded_is_said_once_with_its_count(caplog):
    guard = DimensionGuard(cap=1)
    with caplog.at_level(logging.WARNING):
        for value in ("a", "b", "c", "b"):
            guard.value("Intent", value)
    assert len(caplog.records) == 1
    assert "'b'" in caplog.text
    (record,) = guard.reports(AT)
    assert (record.dimension, record.folded, record.cap, record.example) == ("Intent", 3, 1, "b")
    assert guard.reports(AT) == []
    guard.value("Intent", "d")
    assert [each.folded for each in guard.reports(AT)] == [1]


@pytest.mark.parametrize("raw", ["", "   ", "\n\t"])
def test_a_blank_value_gets_a_name(raw):
    assert clean(raw).strip()
    assert clean("") == clean("  ") == NONE


def test_different_values_stay_different_in_ascii():
    assert clean("商品") == r"\u5546\u54c1"
    assert clean("商品") != clean("商店")


@given(st.lists(st.text() | st.integers() | st.text(alphabet="\ud800\x00é", max_size=300), max_size=60))
def test_whatever_comes_fits_cloudwatch_and_memory_is_bounded(values):
    guard = DimensionGuard(cap=5)
    published = {guard.value("Intent", value) for value in values}
    assert len(published - {OTHER}) <= 5
    for value in published:
        assert value.isascii()
        assert value.isprintable()
        assert value.strip()
        assert len(value) <= LONGEST


def test_a_value_of_many_megabytes_is_not_kept():
    guard = DimensionGuard()
    assert len(guard.value("Intent", "x" * 10_000_000)) == LONGEST
    assert guard.value("Intent", "x" * 5_000) == "x" * LONGEST
