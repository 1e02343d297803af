"""A record as CloudWatch embedded metric format: one JSON line, from which CloudWatch extracts the metrics.

Format: "Specification: embedded metric format", Amazon CloudWatch user guide: at most 100 metrics a directive, 100
values a metric, 30 dimensions a set, 1 MB a line.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence

from kenshin.signals.catalogue import Metric
from kenshin.signals.guard import DimensionGuard
from kenshin.signals.plain import plain
from kenshin.signals.points import dimensions_of, points_of
from kenshin.signals.record import Record

logger = logging.getLogger(__name__)

METRICS_A_DIRECTIVE = 100
VALUES_A_METRIC = 100
LONGEST_LINE = 1_000_000
_SHORT = 1000
_PATTERNS_KEPT = 500


class EmfRenderer:
    """Renders records for one sink.

    What a line says about its metrics hardly differs between records of a type; it is rendered once and kept.

    Args:
        namespace: root of the namespaces, e.g. ``MangaAssist``.
        guard: caps the values of dimensions.
    """

    def __init__(self, namespace: str, guard: DimensionGuard) -> None:
        self._namespace = namespace
        self._guard = guard
        self._directives: dict[tuple[object, ...], str] = {}

    def batch(self, records: Sequence[Record]) -> list[bytes | None]:
        """For each record its line or lines, ended, as UTF-8; None for one that cannot be rendered.

        What the guard folded on the way is told by lines after the last record's own.
        """
        rendered: list[bytes | None] = []
        for record in records:
            try:
                rendered.append(b"".join(self.lines(record)))
            except Exception:
                logger.exception("A record cannot be rendered: %s", type(record).__name__)
                rendered.append(None)
        if records and rendered[-1] is not None:
            folds = self._guard.reports(records[-1].at)
            rendered[-1] += b"".join(line for fold in folds for line in self.lines(fold))
        return rendered

    def lines(self, record: Record) -> Iterator[bytes]:
        """The record's line; more only where a metric has over 100 values, which take further lines.

        Args:
            record: what happened.
        """
        dimensions = dimensions_of(record, self._guard)
        points = [(metric, name, values) for metric, name, values in points_of(record, self._guard)]
        line = self._line(record, points, dimensions, record.log_fields())
        if len(line) > LONGEST_LINE:
            line = self._line(record, points, dimensions, _shortened(record.log_fields()))
        yield line
        while points := [
            (metric, name, values[VALUES_A_METRIC:])
            for metric, name, values in points
            if len(values) > VALUES_A_METRIC
        ]:
            yield self._line(record, points, dimensions, {"log_type": record.record_type})

    def _line(
        self,
        record: Record,
        points: Sequence[tuple[Metric, str, list[float]]],
        dimensions: Mapping[str, str],
        fields: Mapping[str, object],
    ) -> bytes:
        key = (record.record_type, *(name for _, name, _ in points), None, *dimensions)
        directives = self._directives.get(key)
        if directives is None:
            if len(self._directives) >= _PATTERNS_KEPT:
                self._directives.clear()
            directives = self._directives[key] = _compact(self._metadata(points, dimensions))
        members: dict[str, object] = dict(dimensions)
        for _, name, values in points:
            members[name] = values[0] if len(values) == 1 else values[:VALUES_A_METRIC]
        members.update(fields)
        stamp = int(record.at.timestamp() * 1000)
        text = f'{{"_aws":{{"Timestamp":{stamp},"CloudWatchMetrics":{directives}}},{_object(members)[1:]}\n'
        # A lone surrogate has no UTF-8; its backslash escape is JSON's own.
        return text.encode("utf-8", "backslashreplace")

    def _metadata(
        self, points: Sequence[tuple[Metric, str, list[float]]], dimensions: Mapping[str, str]
    ) -> list[object]:
        groups: dict[tuple[str, tuple[tuple[str, ...], ...]], list[object]] = {}
        for metric, name, _ in points:
            sets = tuple(names for names in metric.dimensions if all(each in dimensions for each in names))
            if sets:
                groups.setdefault((metric.namespace, sets), []).append({"Name": name, "Unit": metric.unit})
        return [
            {
                "Namespace": f"{self._namespace}/{space}",
                "Dimensions": sets,
                "Metrics": metrics[start : start + METRICS_A_DIRECTIVE],
            }
            for (space, sets), metrics in groups.items()
            for start in range(0, len(metrics), METRICS_A_DIRECTIVE)
        ]


def _text(value: object) -> str:
    return str(value)


_compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_text).encode


def _object(members: Mapping[str, object]) -> str:
    try:
        return _compact(members)
    except (ValueError, TypeError, RecursionError):
        return _compact(plain(members))


def _shortened(fields: Mapping[str, object]) -> dict[str, object]:
    """What fits any line: the fields that are short, and the names of those that are not."""
    short = {
        name: value
        for name, value in fields.items()
        if isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _SHORT)
    }
    return {**short, "left_out": sorted(set(fields) - set(short))}
