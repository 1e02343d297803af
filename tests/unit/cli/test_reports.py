from __future__ import annotations

import json
from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
from unit.experiments.judged import DAYS, level
from unit.experiments.page.report_body import report_body

from kenshin.experiments import api
from kenshin.experiments.analysis import analyse
from kenshin.experiments.assessment import assess
from kenshin.experiments.decision import decide
from kenshin.experiments.looks import history_of, record_night, signed
from kenshin.experiments.report import compose, publish_report, report_partition
from kenshin.experiments.sufficient import Cell, Statistics
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


@pytest.fixture
def judged(kenshin, runtime, tmp_path):
    """Takes a real look of an experiment on a night, and publishes its report."""
    definition = {
        "experiment_id": "exp",
        "prompt_a_version": "v1",
        "prompt_b_version": "v2",
        "description": "Is v2 better?",
        "policy": {"horizon_nights": 10, "guardrails": [{"metric": "cost", "margin_relative": 0.05}]},
    }
    shares = {"A": 0.5, "B": 0.25, "C": 0.25}
    arms = [
        {"name": name, "prompt_version": f"v{place}", "share": share}
        for place, (name, share) in enumerate(shares.items(), start=1)
    ]
    for each in (definition, {**definition, "experiment_id": "three", "arms": arms}):
        file = tmp_path / "definition.json"
        file.write_text(json.dumps(each))
        assert kenshin("experiments", "create", "--file", file, "--start").code == 0

    def judge(number, *, score=0.5, cost=1.0, missing=(), crossing=(), scored=400, name="exp"):
        experiment = runtime.experiments.get(name).value
        cells = {}
        for arm in experiment.all_arms():
            mean, price = (score, cost) if arm.name == "B" else (0.5, 1.0)
            for segment in ("*", "billing"):
                cells[Cell(arm.name, 0, segment, "quality_score")] = level(mean, scored)
            count = round(800 * arm.share)
            cells[Cell(arm.name, 0, "*", "cost")] = level(price, count)
            cells[Cell(arm.name, 0, "*", "observations")] = level(1.0, count, 0.0)
        days = DAYS[:number]
        collected = tuple(day for day in days if day not in missing)
        statistics = Statistics(
            cells=cells, days=collected, filled_days=collected, crossing=dict.fromkeys(crossing, ("A", "B"))
        )
        history = history_of(runtime.ledger, name)
        found = assess(experiment, statistics, {}, {}, history.looks(), days=days)
        decision = decide(experiment, found, history.looks())
        tonight = signed(
            [each.look for each in found.arms if each.look is not None],
            number=history.next_look,
            decision=decision,
            report_key=report_partition(name, days[-1]),
            code_version="1",
        )
        known = {"day": days[-1], "number": history.next_look, "after": history.last, "at": datetime.now(UTC)}
        record_night(runtime.ledger, name, tonight, decision, **known)
        report = compose(
            experiment,
            analyse(experiment, statistics),
            days=days,
            collected=collected,
            filled=collected,
            inputs={},
            assessment=found,
            decision=decision,
            looks=(*history.looks(), *tonight),
        )
        publish_report(runtime.lake, report)
        return report

    return judge


def told(kenshin, name="exp"):
    answer = kenshin("experiments", "report", name)
    assert answer.code == 0, answer.err
    return " ".join(answer.out.replace("│", " ").split())


def test_the_words_come_first_and_say_what_was_decided_and_why(kenshin, judged):
    judged(4, score=0.56)
    text = told(kenshin)
    assert text.index("Promote arm B (v2)") < text.index("Arms")
    assert "Is v2 better?" in text
    assert "crossed upwards" in text
    assert "on average too far from zero" in text
    assert "night 4 of 10, look 1, alpha spent" in text
    assert "arm B, cost: passes (+0.0%, margin 5.0% higher)" in text
    assert "valid for one look only" in text
    assert "all collected" in text
    assert text.index("Segments (exploratory, they decide nothing)") < text.index("billing")


def test_a_harmed_guardrail_is_named_with_its_size(kenshin, judged):
    judged(4, score=0.9, cost=1.1)
    text = told(kenshin)
    assert "roll back" in text
    assert "arm B, cost: harmed (+10.0%, margin 5.0% higher)" in text


def test_a_night_that_is_held_says_why(kenshin, judged):
    judged(4, score=0.9, missing=(DAYS[1],), crossing=[f"s{number}" for number in range(12)])
    text = told(kenshin)
    assert "hold" in text
    assert "2026-11-02 was not collected whole" in text
    assert "missing 2026-11-02" in text
    assert "1.52% of the sessions were seen in several arms" in text
    assert "12: s0, s1, s10, s11, s2, …" in text


def test_of_several_arms_each_is_told_what_it_has_spent(kenshin, judged):
    judged(10, score=0.9, name="three")
    assert "look 1, alpha spent 0.025 (B), 0.05 (C) of 0.05" in told(kenshin, "three")


def test_too_few_sessions_say_how_many_are_needed(kenshin, judged):
    judged(4, scored=20)
    text = told(kenshin)
    assert "An arm has 20 scored sessions; 30 are needed" in text
    assert "Welch" not in text


def test_the_newest_report_is_shown_and_an_older_one_on_demand(kenshin, judged):
    first, second = judged(3), judged(5, score=0.56)
    assert kenshin("experiments", "report", "exp", "--json").json == json.loads(json.dumps(second.as_dict()))
    older = kenshin("experiments", "report", "exp", "--day", "2026-11-03", "--json").json
    assert older == json.loads(json.dumps(first.as_dict()))
    refused = kenshin("experiments", "report", "exp", "--day", "2026-11-04")
    assert (refused.code, "no report of this day" in refused.err) == (2, True)
    assert kenshin("experiments", "report", "exp", "--day", "4 November").code == 2


def test_a_real_report_becomes_a_page(kenshin, judged, tmp_path):
    judged(3)
    report = judged(4, score=0.56)
    target = tmp_path / "report.html"
    assert kenshin("experiments", "report", "exp", "--html", target, "--json").json["verdict"] == "promote"
    assert report.decision.words in target.read_text(encoding="utf-8")


def test_looks_are_shown_from_the_ledger(kenshin, judged):
    empty = kenshin("experiments", "looks", "exp")
    assert (empty.code, "No look yet" in " ".join((empty.out + empty.err).split())) == (0, True)
    for number, score in ((1, 0.5), (3, 0.51), (4, 0.56)):
        judged(number, score=score)
    rows = kenshin("experiments", "looks", "exp", "--json").json
    assert [(row["look"], row["night"], row["decision"]) for row in rows] == [
        (1, 1, "hold"),
        (2, 3, "continue"),
        (3, 4, "promote"),
    ]
    assert rows[0]["boundary"] is None
    assert rows[0]["alpha_spent"] == 0 < rows[1]["alpha_spent"] < rows[2]["alpha_spent"] < 0.05
    shown = kenshin("experiments", "looks", "exp").out
    assert all(f"2026-11-0{night}" in shown for night in (1, 3, 4))
    assert kenshin("experiments", "looks", "nobody").code == 2
