from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from kenshin.backends import Opening
from kenshin.backends.local.emf import EmfFiles, open_emf
from kenshin.clients import Boto3Clients
from kenshin.runtime import utc_now
from kenshin.signals import emf
from kenshin.urls import PortURL


def test_a_line_carries_metrics_dimensions_and_fields(drift_record):
    (line,) = map(json.loads, emf.lines(drift_record(), namespace="MangaAssist"))
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "MangaAssist/RetrievalHealth"
    assert directive["Dimensions"] == [[], ["Index"]]
    assert line["_aws"]["Timestamp"] == 1793901600000
    assert line["Index"] == "products"
    assert line["log_type"] == "drift_report"
    assert line["alert"] is True
    for metric in directive["Metrics"]:
        assert isinstance(line[metric["Name"]], int | float)
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}[
        "DriftedDocumentCount"
    ] == "Count"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_cloudwatch_refuses_is_left_out(drift_record, value):
    (line,) = map(json.loads, emf.lines(drift_record(p95_drift=value), namespace="M"))
    names = [metric["Name"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
    assert "EmbeddingDriftP95" not in names
    assert "EmbeddingDriftMean" in names


def test_files_are_divided_by_date_and_hour_of_the_record(tmp_path, drift_record):
    sink = EmfFiles(tmp_path, "MangaAssist")
    assert sink.write([drift_record(), drift_record()]) == 0
    (file,) = tmp_path.rglob("*.jsonl")
    assert file.parent.relative_to(tmp_path) == Path("date=2026-11-05/hour=18")
    assert len(file.read_text().splitlines()) == 2


def test_a_target_that_cannot_be_written_costs_records_and_raises_nothing(tmp_path, drift_record):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert EmfFiles(blocked, "MangaAssist").write([drift_record(), drift_record()]) == 2


def test_standard_output_is_a_sink(capsys, drift_record, tmp_path):
    opening = Opening(tmp_path, Boto3Clients(), utc_now, "MangaAssist")
    sink = open_emf(PortURL.parse("emf:stdout"), opening)
    assert sink.write([drift_record()]) == 0
    assert json.loads(capsys.readouterr().out)["EmbeddingDriftP95"] == 0.17
