"""What leaves the house: a record while it is news, log lines always."""

from __future__ import annotations

import json
import logging
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from contract.drift_doubles import FakeEmbedder

from kenshin.drift.announcement import emit
from kenshin.errors import NotFound
from kenshin.signals.memory import MemorySink
from kenshin.signals.recorder import Recorder

ZONE = ZoneInfo("Asia/Tokyo")
DAY = date(2026, 11, 5)
NOW = datetime(2026, 11, 5, 3, tzinfo=ZONE).astimezone(UTC)


@pytest.fixture
def sink():
    return MemorySink()


@pytest.fixture
def tell(sink):
    def send(house, *, now=NOW, **rest):
        recorder = Recorder([sink])
        answer = emit(house.lake, recorder, index_name=house.name, day=DAY, now=now, zone=ZONE, **rest)
        recorder.close()
        return answer

    return send


@pytest.fixture
def drifted(make_house, make_document):
    wrong = FakeEmbedder(model="another")
    house = make_house(50, bad=[make_document(n, vector=wrong.vector(f"text {n}")) for n in range(5)])
    house.run()
    return house


def test_an_observed_day_is_recorded_with_the_reports_figures(drifted, tell, sink):
    answer = tell(drifted)
    assert (answer["drifted"], answer["news"]) == (True, True)
    [record] = sink.records
    assert record.at == NOW
    for name in (
        "sample_size",
        "mean_drift",
        "p95_drift",
        "max_drift",
        "drifted_count",
        "alert",
        "report_key",
        "day",
    ):
        assert getattr(record, name) == answer[name]
    json.dumps(answer)


def test_a_sound_day_is_recorded_and_asks_for_nothing(make_house, tell):
    house = make_house(50)
    house.run()
    assert (tell(house)["news"], tell(house)["drifted"]) == (True, False)


def test_a_backfill_records_nothing_and_is_no_news(drifted, tell, sink):
    answer = tell(drifted, backfill=True)
    assert (answer["news"], sink.records) == (False, [])


def test_a_reconstructed_day_records_nothing(make_house, tell, sink):
    house = make_house(20)
    house.run(mode="reconstructed")
    answer = tell(house)
    assert (answer["news"], sink.records) == (False, [])


def test_a_rerun_of_yesterday_bears_yesterdays_time_and_one_of_long_ago_is_not_recorded(drifted, tell, sink):
    assert tell(drifted, now=NOW + timedelta(days=1))["news"]
    assert sink.records[0].at == datetime(2026, 11, 5, 23, 59, 59, 999999, tzinfo=ZONE)
    assert not tell(drifted, now=NOW + timedelta(days=2))["news"]
    assert len(sink.records) == 1


def test_the_log_has_the_seeds_lines(drifted, tell, caplog):
    with caplog.at_level(logging.INFO, logger="kenshin.drift"):
        answer = tell(drifted)
    lines = [json.loads(each.message) for each in caplog.records if each.message.startswith("{")]
    assert [line["log_type"] for line in lines] == ["drift_report"]
    assert lines[0]["p95_drift"] == answer["p95_drift"]
    warnings = [each.message for each in caplog.records if each.levelno == logging.WARNING]
    assert warnings == [f"DRIFT ALERT: p95_drift={answer['p95_drift']:.4f} > threshold=0.15"]


def test_invalid_documents_and_empty_samples_are_said_in_words(make_house, make_document, tell, caplog):
    house = make_house(10, bad=[make_document(1, vector=None)])
    house.run()
    tell(house)
    assert "DRIFT ALERT: invalid_share=10.00% > 1%" in caplog.messages
    empty = make_house(0)
    empty.run()
    assert not tell(empty)["drifted"]
    assert "No documents to check: products on 2026-11-05" in caplog.messages


def test_there_is_nothing_to_tell_of_a_day_that_was_not_measured(make_house, tell):
    with pytest.raises(NotFound):
        tell(make_house(3))
