"""The points of a record: which metrics it carries, under which names and dimensions; what every sink publishes."""

from __future__ import annotations

from collections.abc import Iterator

from kenshin.signals.catalogue import CATALOGUE, DIMENSIONS, FAMILY, Metric
from kenshin.signals.guard import DimensionGuard
from kenshin.signals.record import Record

LARGEST = 2.0**360
"""CloudWatch refuses values beyond this."""

_BY_RECORD: dict[str, tuple[Metric, ...]] = {
    kind: tuple(metric for metric in CATALOGUE if metric.record_type == kind)
    for kind in sorted({metric.record_type for metric in CATALOGUE})
}

_DIMENSIONS_OF: dict[str, tuple[tuple[str, str], ...]] = {
    kind: tuple(
        (name, DIMENSIONS[name])
        for name in dict.fromkeys(name for metric in metrics for sets in metric.dimensions for name in sets)
    )
    for kind, metrics in _BY_RECORD.items()
}


def points_of(record: Record, guard: DimensionGuard) -> Iterator[tuple[Metric, str, list[float]]]:
    """The metrics that a record carries: the metric, its published name, and its values.

    A field that is None carries none; neither does a value that CloudWatch refuses: not finite, or beyond 2^360.

    Args:
        record: what happened.
        guard: caps the names of a family (see `FAMILY`).
    """
    for metric in _BY_RECORD.get(record.record_type, ()):
        value = getattr(record, metric.field)
        if value is None:
            continue
        if FAMILY in metric.name:
            named: dict[str, list[float]] = {}
            for member, values in value.items():
                name = metric.name.replace(FAMILY, guard.value(metric.name, member))
                named.setdefault(name, []).extend(each for each in values if -LARGEST <= each <= LARGEST)
            yield from ((metric, name, values) for name, values in named.items() if values)
        elif -LARGEST <= value <= LARGEST:
            yield metric, metric.name, [value]


def dimensions_of(record: Record, guard: DimensionGuard) -> dict[str, str]:
    """The guarded value of each dimension of a record's metrics; those without a value are missing."""
    return {
        name: guard.value(name, value)
        for name, field in _DIMENSIONS_OF.get(record.record_type, ())
        if (value := getattr(record, field)) is not None
    }
