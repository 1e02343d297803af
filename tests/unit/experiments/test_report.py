from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from kenshin.days import days_between
from kenshin.errors import InvalidInput, NotFound
from kenshin.experiments.analysis import analyse
from kenshin.experiments.assessment import JUDGED, assess
from kenshin.experiments.decision import decide
from kenshin.experiments.looks import signed
from kenshin.experiments.report import ExperimentReport, compose, publish_report, read_report, report_days
from kenshin.experiments.sufficient import of_observations

DAYS = tuple(days_between(date(2026, 11, 1), date(2026, 11, 4)))


@pytest.fixture
def report(experiment, seen):
    made = [
        seen(f"{arm}{n}", f"{arm}-{n}", arm, quality_score=n / 100, latency_ms=100.0 + n)
        for arm in "AB"
        for n in range(40)
    ]
    statistics = of_observations(made)
    assessment = assess(experiment, statistics, {}, {}, (), days=DAYS)
    decision = decide(experiment, assessment, ())
    looks = [each.look for each in assessment.arms if each.look is not None]
    return compose(
        experiment.changed(randomised="by session", score_unit="0 bad, 1 good"),
        analyse(experiment, statistics),
        days=DAYS,
        collected=DAYS[:3],
        filled=DAYS[:1],
        inputs={"statistics/x": "etag"},
        assessment=assessment,
        decision=decision,
        looks=signed(looks, number=1, decision=decision, report_key="k", code_version="1"),
    )


def test_it_says_what_a_reader_needs(report):
    body = report.as_dict()
    assert (body["experiment_id"], body["day"]) == ("exp", "2026-11-04")
    assert (body["randomised"], body["unit"], body["left_out"]) == ("by session", "session", "nothing")
    assert body["score_unit"] == "0 bad, 1 good"
    assert body["days"] == {"first": "2026-11-01", "last": "2026-11-04", "count": 4}
    assert body["missing_days"] == ["2026-11-04"]
    assert body["empty_days"] == ["2026-11-02", "2026-11-03"]
    assert body["inputs"] == {"statistics/x": "etag"}
    assert body["report_key"] == "reports/experiment=exp/day=2026-11-04"
    assert body["decision"]["verdict"] == "hold"
    assert body["p_value_note"].startswith("valid for one look only")
    assert [look["outcome"] for look in body["looks"]] == ["held"]
    assert set(JUDGED) | {"policy", "recounted"} <= set(body)
    assert "promotion" not in body["policy"]
    assert {"ci_low", "ci_high", "crossing_sessions", "recommendation"} <= set(body)


def test_json_and_back(report):
    assert ExperimentReport.from_dict(json.loads(json.dumps(report.as_dict(), allow_nan=False))) == report


def test_something_else_is_refused():
    with pytest.raises(InvalidInput, match="experiment-report/2"):
        ExperimentReport.from_dict({"day": "2026-11-01"})


def test_arms_are_rows_for_people_and_frames(report):
    control, candidate = report.arm_rows()
    assert (control["arm"], control["sessions"], control["observations"], control["score_delta"]) == (
        "A",
        40,
        40,
        None,
    )
    assert candidate["latency_delta_ms"] == pytest.approx(0.0, abs=1e-9)
    frame = report.to_pandas()
    assert list(frame["arm"]) == ["A", "B"]
    assert frame.loc[1, "mean_score"] == candidate["mean_score"]


def test_publishing_reading_and_listing(report, runtime):
    publish_report(runtime.lake, report)
    assert read_report(runtime.lake, "exp", report.day) == report
    assert report_days(runtime.lake, "exp") == [report.day]
    assert report_days(runtime.lake, "ex") == []
    with pytest.raises(NotFound, match="no report of this day"):
        read_report(runtime.lake, "exp", report.day - timedelta(days=1))


def test_publishing_again_changes_no_byte(report, runtime):
    first = publish_report(runtime.lake, report)
    assert publish_report(runtime.lake, report) == first
