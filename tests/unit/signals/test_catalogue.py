from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import emf_lines
import pytest

from kenshin.signals.catalogue import CATALOGUE, DIMENSIONS, FAMILY, as_markdown
from kenshin.signals.emf import EmfRenderer
from kenshin.signals.guard import DimensionGuard
from kenshin.signals.points import points_of
from kenshin.signals.records import RECORD_TYPES

DOCS = Path(__file__).parents[3] / "docs"
SEED = {
    ("ContentHandling", "BudgetUtilization"): "Percent",
    ("BedrockHealth", "InvocationLatency"): "Milliseconds",
    ("BedrockHealth", "InvocationCount"): "Count",
    ("BedrockHealth", "InputTokens"): "Count",
    ("BedrockHealth", "OutputTokens"): "Count",
    ("BedrockHealth", "SuccessCount"): "Count",
    ("BedrockHealth", "ThrottleCount"): "Count",
    ("BedrockHealth", "ErrorCount"): "Count",
    ("BedrockHealth", "RetryCount"): "Count",
    ("BedrockHealth", "CircuitBreakerState"): "None",
    ("RetrievalHealth", "EmbeddingDriftMean"): "None",
    ("RetrievalHealth", "EmbeddingDriftP95"): "None",
    ("RetrievalHealth", "EmbeddingDriftMax"): "None",
    ("RetrievalHealth", "DriftedDocumentCount"): "Count",
    ("PromptObservability", "TotalExecutionDuration"): "Milliseconds",
    ("PromptObservability", "Span_<name>"): "Milliseconds",
    ("PromptObservability", "SchemaViolation"): "Count",
}


def names_of(kind: type) -> set[str]:
    properties = {name for name in dir(kind) if isinstance(getattr(kind, name), property)}
    return {field.name for field in fields(kind)} | properties


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_every_metric_and_dimension_comes_from_a_field_of_a_record(metric):
    names = names_of(RECORD_TYPES[metric.record_type])
    assert metric.field in names
    assert {DIMENSIONS[name] for each in metric.dimensions for name in each} <= names
    assert metric.meaning.endswith(".")
    assert metric.dimensions


def test_every_dimension_is_of_use():
    assert {name for metric in CATALOGUE for each in metric.dimensions for name in each} == set(DIMENSIONS)


def test_names_are_unique_within_a_namespace_and_within_a_line():
    for key in ("namespace", "record_type"):
        names = [(getattr(metric, key), metric.name) for metric in CATALOGUE]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", RECORD_TYPES.values(), ids=lambda kind: kind.__name__)
def test_no_field_of_a_line_is_taken_for_a_metric_or_a_dimension(kind):
    assert not {field.name for field in fields(kind)} & ({m.name for m in CATALOGUE} | set(DIMENSIONS))


def test_the_seeds_metrics_keep_names_units_and_namespaces():
    units = {(metric.namespace, metric.name): metric.unit for metric in CATALOGUE}
    assert {key: units.get(key) for key in SEED} == SEED


@pytest.mark.parametrize(
    ("namespace", "sets"),
    [
        ("ContentHandling", {(), ("ModelId",)}),
        ("RetrievalHealth", {(), ("Index",)}),
        ("PromptObservability", {(), ("Intent",), ("Intent", "Template")}),
    ],
)
def test_each_namespace_has_one_choice_of_dimensions_with_a_total(namespace, sets):
    assert {metric.dimensions for metric in CATALOGUE if metric.namespace == namespace} == {
        tuple(sorted(sets, key=len))
    }


def test_a_rate_has_the_same_dimensions_above_and_below():
    sets = {
        metric.name: set(metric.dimensions) for metric in CATALOGUE if metric.namespace == "BedrockHealth"
    }
    common = {(), ("ModelId",), ("ModelId", "Intent")}
    for name in ("SuccessCount", "ThrottleCount", "TimeoutCount", "RetryCount", "InvocationLatency"):
        assert sets[name] == common
    assert sets["ErrorCount"] == common | {("ModelId", "ErrorCode")}
    assert sets["InvocationCount"] == common | {("Tier",)}
    assert sets["CircuitBreakerState"] == {(), ("ModelId",)}


def published_by_emf(records) -> set[str]:
    renderer = EmfRenderer("MangaAssist", DimensionGuard())
    lines = [emf_lines.parse(line) for record in records for line in renderer.lines(record)]
    return {name for line in lines for name in emf_lines.metrics(line)}


def test_every_metric_is_emitted_by_a_record_and_no_other_is(every_record):
    carried = {metric.name for record in every_record for metric, _, _ in points_of(record, DimensionGuard())}
    assert carried == {metric.name for metric in CATALOGUE}
    families = tuple(m.name.partition(FAMILY)[0] for m in CATALOGUE if FAMILY in m.name)
    plain = {metric.name for metric in CATALOGUE if FAMILY not in metric.name}
    emitted = published_by_emf(every_record)
    assert {name for name in emitted if not name.startswith(families)} == plain


def test_the_metric_table_of_the_documentation_is_the_catalogues():
    assert (DOCS / "metrics.md").read_text() == as_markdown(), "run: make metrics"
