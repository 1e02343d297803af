"""A record as CloudWatch embedded metric format: one JSON line per namespace, from which CloudWatch extracts metrics.

Format: "Specification: embedded metric format", Amazon CloudWatch user guide (100 metrics and 30 dimensions a line).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from kenshin.signals.catalogue import DimensionSets, Metric, dimension_values, metrics_of
from kenshin.signals.records import Record


def lines(record: Record, *, namespace: str) -> Iterator[str]:
    """The record's EMF lines, without line ends.

    The first line carries the record's own fields beside its metrics; a second one appears only where a record feeds
    two namespaces or two dimension sets. A metric whose value is not finite is left out: CloudWatch refuses it.

    Args:
        record: what happened.
        namespace: root of the namespaces, e.g. ``MangaAssist``.
    """
    groups: dict[tuple[str, DimensionSets], list[tuple[Metric, float]]] = {}
    for metric, value in metrics_of(record):
        if math.isfinite(value):
            groups.setdefault((metric.namespace, metric.dimensions), []).append((metric, value))
    body: dict[str, object] = dict(record.log_fields())
    if not groups:
        yield _render({"_aws": {"Timestamp": _milliseconds(record), "CloudWatchMetrics": []}, **body})
    for (space, dimensions), members in groups.items():
        directive = {
            "Namespace": f"{namespace}/{space}",
            "Dimensions": [list(names) for names in dimensions],
            "Metrics": [{"Name": metric.name, "Unit": metric.unit} for metric, _ in members],
        }
        yield _render(
            {
                "_aws": {"Timestamp": _milliseconds(record), "CloudWatchMetrics": [directive]},
                **dimension_values(record, dimensions),
                **{metric.name: value for metric, value in members},
                **body,
            }
        )
        body = {"log_type": record.record_type}


def _milliseconds(record: Record) -> int:
    return int(record.at.timestamp() * 1000)


def _render(line: dict[str, object]) -> str:
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False, default=str)
