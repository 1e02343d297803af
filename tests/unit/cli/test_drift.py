from __future__ import annotations

import json
from datetime import timedelta
from typing import ClassVar

import pytest

from kenshin.cli.airflow_api import Backfill, Run
from kenshin.cli.drift import DAG_ID
from kenshin.days import day_of
from kenshin.drift.index import StoredDocument, sample_key


@pytest.fixture
def today(runtime):
    return day_of(runtime.clock(), runtime.settings.zone)


@pytest.fixture
def measured(runtime, kenshin):
    texts = [f"Shelf {number} holds boxes of tea." for number in range(12)]
    vectors = [answer.vector for answer in runtime.embedder.embed(texts, kind="passage", deadline=60)]
    vectors[3] = [0.0] * 384
    vectors[5] = [-element for element in vectors[5]]
    runtime.index().add(
        [
            StoredDocument(doc_id=f"d{number}", text=text, vector=vector, sample_key=sample_key(f"d{number}"))
            for number, (text, vector) in enumerate(zip(texts, vectors, strict=True))
        ]
    )
    answer = kenshin("drift", "check", "--json")
    assert answer.code == 0, answer.err
    return answer.json


def test_a_check_up_finds_what_is_wrong(measured):
    assert measured["sample_size"] == 11
    assert measured["drifted_ids"] == ["d5"]
    assert measured["repair_ids"] == ["d3"]
    assert measured["max_drift"] == 2.0
    assert measured["alert"] is True


def test_the_report_is_read_back_as_words_and_as_json(kenshin, measured, today):
    assert kenshin("drift", "show", "--json").json == measured
    shown = kenshin("drift", "show", today)
    assert "ALERT: 1 of 11 documents" in " ".join(shown.out.split())


def test_history_has_one_row_a_day(kenshin, measured, today):
    (row,) = kenshin("drift", "history", "--json").json
    assert (row["day"], row["drifted_count"], row["mode"]) == (today.isoformat(), 1, "observed")
    assert today.isoformat() in kenshin("drift", "history").out
    yesterday = today - timedelta(days=1)
    assert kenshin("drift", "history", "--from", today, "--to", yesterday).code == 2
    assert "No drift was measured" in kenshin("drift", "history", "--to", yesterday).out


def test_the_worst_documents_come_first(kenshin, measured):
    rows = kenshin("drift", "worst", "--limit", "2", "--json").json
    assert [row["doc_id"] for row in rows] == ["d3", "d5"]


def test_an_empty_home_says_how_documents_come_in(kenshin):
    assert "kenshin demo load" in kenshin("drift", "check").err


def test_a_day_without_report_says_what_to_do(kenshin):
    answer = kenshin("drift", "show", "2026-01-01")
    assert answer.code == 2
    assert "mend:" in answer.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "2026-11-08", "--to", "2026-11-05"], "the last day comes first"),
        (["--from", "2026-11-05", "--to", "2999-01-01"], "lies in the future"),
        (["--from", "yesterday", "--to", "2026-11-05"], "not a day"),
        (
            ["--from", "2026-01-01", "--to", "2026-01-02", "--reprocess", "maybe"],
            "Use none, failed or completed",
        ),
    ],
)
def test_a_backfill_of_impossible_days_is_refused(kenshin, words, said):
    answer = kenshin("drift", "backfill", *words)
    assert answer.code == 2
    assert said in " ".join(answer.err.split())


def test_a_backfill_without_airflow_says_how_to_start_it(kenshin):
    answer = kenshin("drift", "backfill", "--from", "2026-01-01", "--to", "2026-01-02")
    assert answer.code == 2
    assert "make up" in answer.err


class Recorded:
    """Answers as Airflow would, and remembers what was asked."""

    states: tuple[str, ...] = ("success", "success")
    asked: ClassVar[dict] = {}

    def __init__(self, *arguments):
        pass

    def create_backfill(self, dag_id, first, last, zone, **rest):
        Recorded.asked = {"dag_id": dag_id, "first": first, "last": last, "zone": zone.key, **rest}
        from kenshin.cli.airflow_api import whole_days

        begin, end = whole_days(first, last, zone)
        return Backfill(7, dag_id, begin, end, False, created=(begin, end))

    def backfill_runs(self, made):
        return [Run(f"run{number}", state, None, "backfill") for number, state in enumerate(self.states)]


@pytest.mark.parametrize(("states", "code"), [(("success", "success"), 0), (("success", "failed"), 1)])
def test_a_backfill_asks_for_whole_days_and_follows_them(kenshin, monkeypatch, states, code):
    monkeypatch.setattr("kenshin.cli.drift.AirflowApi", Recorded)
    monkeypatch.setattr(Recorded, "states", states)
    answer = kenshin(
        "drift", "backfill", "--from", "2026-01-01", "--to", "2026-01-02", "--threshold", "0.2", "--json"
    )
    assert answer.code == code
    assert json.loads(answer.out)["runs"] == {state: states.count(state) for state in states}
    assert Recorded.asked["dag_id"] == DAG_ID
    assert (str(Recorded.asked["first"]), str(Recorded.asked["last"])) == ("2026-01-01", "2026-01-02")
    assert (Recorded.asked["zone"], Recorded.asked["conf"]) == ("Asia/Tokyo", {"threshold": 0.2})
