"""Records to an OpenTelemetry collector by OTLP over HTTP: spans as they come, metrics as running sums.

Spans and the metrics ``gen_ai.…`` follow the GenAI conventions (`kenshin.signals.genai`); every metric of the
catalogue goes as an instrument too, named ``<root>/<namespace>/<metric>`` in lower case. A failed export of metrics
loses nothing while the process lives: the next one holds it too.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from kenshin.backends import Opening
from kenshin.errors import SettingError
from kenshin.signals.catalogue import FAMILY, Metric
from kenshin.signals.genai import Measurement, SpanDraft, measurements_of, spans_of
from kenshin.signals.guard import DimensionGuard
from kenshin.signals.points import dimensions_of, points_of
from kenshin.signals.record import Record
from kenshin.urls import PortURL

_UNITS = {"Milliseconds": "ms", "Percent": "%", "Count": "1", "None": "1"}
_KINDS = {"client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL, "server": SpanKind.SERVER}
# The boundaries that the conventions ask for.
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
_SCOPE = "kenshin"
_Put = Callable[[float, Mapping[str, Any]], None]


class OtlpSink:
    """Exports to one collector.

    Args:
        endpoint: its base, e.g. ``http://collector:4318``.
        namespace: root of the catalogue's names, e.g. ``MangaAssist``.
        service: ``service.name`` of the resource.
        timeout_s: how long an export may take, retries included, in seconds.
        guard: caps the values of dimensions.
    """

    def __init__(
        self, endpoint: str, namespace: str, service: str, timeout_s: float, guard: DimensionGuard
    ) -> None:
        self._endpoint = endpoint
        self._namespace = namespace
        self._service = service
        self._timeout_s = timeout_s
        self._guard = guard
        self._begin()

    def write(self, records: Sequence[Record]) -> int:
        """Count the records' metrics and export their spans; answers how many records' spans were lost."""
        if self._pid != os.getpid():
            # Running sums of the parent are the parent's.
            self._begin()
        spans: list[ReadableSpan] = []
        carriers = 0
        folds = self._guard.reports(records[-1].at) if records else ()
        for record in (*records, *folds):
            self._measure(record)
            drafts = spans_of(record)
            carriers += bool(drafts)
            spans.extend(self._span(draft) for draft in drafts)
        if spans and self._spans.export(spans) is not SpanExportResult.SUCCESS:
            return carriers
        return 0

    def flush(self, deadline: float) -> int:
        """Export the metrics."""
        if self._pid == os.getpid():
            self._provider.force_flush(timeout_millis=deadline * 1000)
        return 0

    def close(self) -> None:
        """Let go of the connections."""
        if self._pid == os.getpid():
            self._spans.shutdown()  # type: ignore[no-untyped-call]
            self._metrics.shutdown()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._resource = Resource.create(
            {"service.name": self._service, "service.instance.id": str(uuid4()), "process.pid": self._pid}
        )
        self._spans = OTLPSpanExporter(endpoint=f"{self._endpoint}/v1/traces", timeout=self._timeout_s)
        self._metrics = OTLPMetricExporter(endpoint=f"{self._endpoint}/v1/metrics", timeout=self._timeout_s)
        # Without an interval the reader has no thread: the lane's own calls `flush`.
        reader = PeriodicExportingMetricReader(self._metrics, export_interval_millis=math.inf)
        self._provider = MeterProvider([reader], resource=self._resource, shutdown_on_exit=False)
        self._meter = self._provider.get_meter(_SCOPE)
        self._puts: dict[str, _Put] = {}

    def _measure(self, record: Record) -> None:
        dimensions = dimensions_of(record, self._guard)
        for metric, name, values in points_of(record, self._guard):
            attributes = {
                each: dimensions[each] for sets in metric.dimensions for each in sets if each in dimensions
            }
            if FAMILY in metric.name:
                family = metric.name.partition("_")[0]
                attributes[family] = name[len(family) + 1 :]
            put = self._put_of(metric)
            for value in values:
                put(value, attributes)
        for measured in measurements_of(record):
            put = self._puts.get(measured.name) or self._histogram(measured)
            put(measured.value, measured.attributes)

    def _histogram(self, measured: Measurement) -> _Put:
        boundaries = _SECONDS if measured.unit == "s" else _TOKENS
        histogram = self._meter.create_histogram(
            measured.name, measured.unit, explicit_bucket_boundaries_advisory=boundaries
        )
        self._puts[measured.name] = histogram.record
        return histogram.record

    def _put_of(self, metric: Metric) -> _Put:
        name = f"{self._namespace}/{metric.namespace}/{metric.name.partition('_' + FAMILY)[0]}".lower()
        put = self._puts.get(name)
        if put is None:
            about = (name, _UNITS[metric.unit], metric.meaning)
            if metric.kind == "count":
                put = self._meter.create_counter(*about).add
            elif metric.kind == "distribution":
                put = self._meter.create_histogram(*about).record
            else:
                put = self._meter.create_gauge(*about).set
            self._puts[name] = put
        return put

    def _span(self, draft: SpanDraft) -> ReadableSpan:
        return ReadableSpan(
            draft.name,
            context=_context(draft.trace_id, draft.span_id),
            parent=None if draft.parent_id is None else _context(draft.trace_id, draft.parent_id),
            resource=self._resource,
            attributes=draft.attributes,
            events=[Event(event.name, event.attributes, draft.end_ns) for event in draft.events],
            kind=_KINDS[draft.kind],
            status=Status(StatusCode.ERROR, draft.error) if draft.error is not None else Status(),
            start_time=draft.start_ns,
            end_time=draft.end_ns,
            instrumentation_scope=InstrumentationScope(_SCOPE),
        )


def _context(trace_id: str, span_id: str) -> SpanContext:
    return SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )


def open_otlp(url: PortURL, opening: Opening) -> OtlpSink:
    """The backend of ``otlp://host:4318[?service=kenshin&timeout_s=5]``; ``otlps:`` speaks TLS."""
    params = url.only("service", "timeout_s").params
    if not url.authority:
        raise SettingError(
            value=url.raw, reason="no collector is named", mend="Write e.g. otlp://localhost:4318."
        )
    try:
        timeout_s = float(params.get("timeout_s", "5"))
    except ValueError:
        timeout_s = math.nan
    if not 0 < timeout_s <= 60:
        raise SettingError(value=url.raw, reason="timeout_s is no duration", mend="Give seconds up to 60.")
    scheme = "https" if url.scheme == "otlps" else "http"
    guard = DimensionGuard(opening.dimension_cap)
    endpoint = f"{scheme}://{url.authority}{url.path.rstrip('/')}"
    return OtlpSink(endpoint, opening.namespace, params.get("service", "kenshin"), timeout_s, guard)
