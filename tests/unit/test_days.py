from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.days import day_of, days_between, end_of, parse_day, start_of
from kenshin.errors import InvalidInput

TOKYO = ZoneInfo("Asia/Tokyo")


def test_a_day_in_tokyo_begins_at_15_utc():
    assert day_of(datetime(2026, 11, 4, 14, 59, 59, tzinfo=UTC), TOKYO) == date(2026, 11, 4)
    assert day_of(datetime(2026, 11, 4, 15, 0, tzinfo=UTC), TOKYO) == date(2026, 11, 5)
    assert start_of(date(2026, 11, 5), TOKYO) == datetime(2026, 11, 4, 15, tzinfo=UTC)


def test_an_instant_without_zone_is_refused():
    with pytest.raises(InvalidInput, match="no time zone"):
        day_of(datetime(2026, 11, 4), TOKYO)


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "05.11.2026", ""])
def test_a_day_is_written_as_iso(text):
    with pytest.raises(InvalidInput, match="YYYY-MM-DD"):
        parse_day(text)


@given(
    st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1)),
    st.sampled_from(["Asia/Tokyo", "America/New_York", "Europe/Berlin", "UTC"]),
)
def test_every_instant_lies_inside_its_day(naive, zone):
    instant, where = naive.replace(tzinfo=UTC), ZoneInfo(zone)
    day = day_of(instant, where)
    assert start_of(day, where) <= instant < end_of(day, where)


def test_both_ends_are_included():
    days = list(days_between(date(2026, 2, 27), date(2026, 3, 2)))
    assert days == [date(2026, 2, 27) + timedelta(days=n) for n in range(4)]
    assert list(days_between(date(2026, 3, 2), date(2026, 3, 1))) == []
