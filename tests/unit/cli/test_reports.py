from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
from unit.experiments.page.report_body import report_body

from kenshin.experiments import api
from kenshin.ledger import LedgerEntry


@pytest.fixture
def reported(kenshin, runtime, monkeypatch):
    """An experiment with a report, and an answer in its ledger."""
    kenshin(
        "experiments", "create", "star-class-size", "--a", "regular-class", "--b", "small-class", "--start"
    )
    at = datetime(2026, 11, 11, 1, 2, tzinfo=UTC)
    runtime.ledger.append(
        LedgerEntry("experiment:star-class-size", "answer:1", "answer", at, "hana", {"chose": "Promote"})
    )
    body = report_body()
    report = SimpleNamespace(
        experiment_id="star-class-size",
        as_dict=lambda: body,
        day=date(2026, 11, 10),
        decision=SimpleNamespace(verdict="promote"),
    )
    monkeypatch.setattr(api, "latest_report", lambda experiment_id: report)
    monkeypatch.setattr(api, "report", lambda experiment_id, day: report)


def test_the_page_is_written_with_the_ledger(kenshin, reported, tmp_path):
    target = tmp_path / "report.html"
    answer = kenshin("experiments", "report", "star-class-size", "--html", target, "--json")
    assert answer.code == 0
    page = target.read_text(encoding="utf-8")
    assert answer.json == {
        "file": str(target),
        "day": "2026-11-10",
        "bytes": len(page.encode()),
        "verdict": "promote",
    }
    assert "2026-11-11 01:02 UTC" in page
    assert "chose Promote" in page


def test_a_file_that_cannot_be_written_is_refused(kenshin, reported, tmp_path):
    answer = kenshin("experiments", "report", "star-class-size", "--html", tmp_path / "none" / "r.html")
    assert answer.code == 2
    assert "cannot be written" in answer.err


def test_without_a_report_it_says_so(kenshin, tmp_path):
    kenshin("experiments", "create", "greeting", "--a", "v1", "--b", "v2")
    answer = kenshin("experiments", "report", "greeting", "--html", tmp_path / "r.html")
    assert answer.code == 2
    assert "there is no report yet" in answer.err
