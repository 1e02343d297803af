"""Every log of recorded usage does this."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kenshin.backends.local.emf import EmfFiles
from kenshin.backends.local.usage_log import EmfUsageLog
from kenshin.signals.emf import EmfRenderer
from kenshin.signals.guard import DimensionGuard
from kenshin.signals.records import DriftMeasured, UsageObserved

AT = datetime(2026, 11, 14, 15, 59, 59, 500_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class LateLog:
    """Keeps records in the order in which they came, each with what its store says of it besides."""

    def __init__(self) -> None:
        self._items: list[tuple[datetime, object]] = []

    def write(self, records) -> None:
        self._items += [(record.at, record) for record in reversed(records)]

    def read(self, since, until):
        for at, record in self._items:
            if since <= at < until and record.record_type == "usage_observed":
                yield record


@pytest.fixture(params=["emf", "double"])
def log(request, tmp_path):
    """The log, and how records get into it."""
    if request.param == "double":
        double = LateLog()
        return double, double.write
    sink = EmfFiles(tmp_path, EmfRenderer("MangaAssist", DimensionGuard()))
    return EmfUsageLog(tmp_path), sink.write


def usage(at=AT, **more) -> UsageObserved:
    values = {"model_id": "claude-3-5-sonnet", "script": "japanese", **more}
    return UsageObserved(at, **values, **dict.fromkeys(COUNTS, 900))


COUNTS = ("estimated_tokens", "estimated_upper", "corrected_tokens", "corrected_upper", "actual_tokens")


def test_what_was_recorded_comes_back_whole(log):
    reading, write = log
    records = [usage(), usage(AT + SECOND, overflowed=True, trace_id="0" * 32), usage(script="latin")]
    write(records)
    assert sorted(reading.read(AT, AT + 2 * SECOND), key=repr) == sorted(records, key=repr)


def test_a_span_has_its_first_instant_and_not_its_last(log):
    reading, write = log
    write([usage(AT), usage(AT + SECOND)])
    assert list(reading.read(AT, AT + SECOND)) == [usage(AT)]
    assert list(reading.read(AT + SECOND / 2, AT + 2 * SECOND)) == [usage(AT + SECOND)]


def test_records_of_other_kinds_are_none_of_its(log):
    reading, write = log
    write([DriftMeasured(AT, "i", "2026-11-14", "observed", 1, 0, 0, 0.0, False), usage()])
    assert list(reading.read(AT, AT + SECOND)) == [usage()]


def test_nothing_recorded_is_nothing_read(log):
    reading, _ = log
    assert list(reading.read(AT, AT + timedelta(days=7))) == []
