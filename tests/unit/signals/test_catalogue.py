from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from kenshin.signals.catalogue import CATALOGUE, DIMENSIONS, as_markdown, metrics_of
from kenshin.signals.records import RECORD_TYPES

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_every_metric_and_dimension_comes_from_a_field_of_a_record(metric):
    names = {field.name for field in fields(RECORD_TYPES[metric.record_type])}
    assert metric.field in names
    assert {DIMENSIONS[name] for each in metric.dimensions for name in each} <= names
    assert metric.meaning.endswith(".")


def test_names_are_unique_within_a_namespace():
    names = [(metric.namespace, metric.name) for metric in CATALOGUE]
    assert len(set(names)) == len(names)


def test_the_seeds_drift_metrics_keep_names_units_and_namespace():
    units = {metric.name: (metric.namespace, metric.unit) for metric in CATALOGUE}
    for name, unit in {
        "EmbeddingDriftMean": "None",
        "EmbeddingDriftP95": "None",
        "EmbeddingDriftMax": "None",
        "DriftedDocumentCount": "Count",
    }.items():
        assert units[name] == ("RetrievalHealth", unit)


def test_cloudwatch_gets_a_total_wherever_an_alarm_looks():
    assert all(() in metric.dimensions for metric in CATALOGUE if metric.namespace == "RetrievalHealth")


def test_a_field_without_value_emits_no_metric(drift_record):
    emitted = {metric.name for metric, _ in metrics_of(drift_record(mean_drift=None))}
    assert "EmbeddingDriftMean" not in emitted
    assert "EmbeddingDriftP95" in emitted


def test_the_metric_table_of_the_documentation_is_the_catalogues():
    assert (DOCS / "metrics.md").read_text() == as_markdown(), "run: make metrics"
