"""Days: dates of one time zone (Asia/Tokyo unless configured), never instants."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from kenshin.errors import InvalidInput


def day_of(instant: datetime, zone: tzinfo) -> date:
    """The date in `zone` on which an aware instant falls."""
    if instant.tzinfo is None:
        raise InvalidInput(
            value=instant, reason="the instant has no time zone", mend="Give an offset, e.g. '+09:00'."
        )
    return instant.astimezone(zone).date()


def start_of(day: date, zone: tzinfo) -> datetime:
    """The first instant of a day, in UTC."""
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def end_of(day: date, zone: tzinfo) -> datetime:
    """The first instant after a day, in UTC."""
    return start_of(day + timedelta(days=1), zone)


def parse_day(text: str | date) -> date:
    """A day written as YYYY-MM-DD.

    Raises:
        InvalidInput: the text is no such date.
    """
    if isinstance(text, date) and not isinstance(text, datetime):
        return text
    try:
        return date.fromisoformat(str(text))
    except ValueError as error:
        raise InvalidInput(
            value=text, reason="not a day", mend="Write it as YYYY-MM-DD, e.g. 2026-11-05."
        ) from error


def days_between(first: date, last: date) -> Iterator[date]:
    """Every day from `first` to `last`, both included."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)
