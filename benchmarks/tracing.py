"""What a traced request costs its caller: root, five spans, metrics and the log line, in microseconds, beside others.

Run it with ``python benchmarks/tracing.py [--runs 9] [--requests 2000]``, ``plugins`` on the path, in an environment
with ``benchmarks/peers/tracing.txt``. Each request has five steps in a row, each with one note. Ways take turns
in each run. On a machine with other work the calling thread's CPU time says more than the wall clock; "process CPU"
includes what threads of the library do afterwards. The peers send to nowhere: memory, or a UDP port nobody listens to.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

from kenshin.backends.local.emf import EmfFiles
from kenshin.signals.emf import EmfRenderer
from kenshin.signals.guard import DimensionGuard
from kenshin.signals.recorder import Recorder
from kenshin.tracing.pipeline import TracePipeline

BURST = 50
REST_S = 0.005
LIMIT_US = 60.0
STEPS = (
    "intent_classification",
    "prompt_assembly",
    "bedrock_invocation",
    "response_validation",
    "response_delivery",
)
OURS = "Kenshin: spans and record; metrics and log line in the background"
Figures = tuple[float, float, float]


def utc_now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


def measured(
    requests: int, call: Callable[[int], object], finish: Callable[[], object] = lambda: None
) -> Figures:
    """Microseconds a request: by the wall clock, CPU of the calling thread, CPU of the process with `finish`."""
    wall = cpu = 0
    process = time.process_time_ns()
    for start in range(0, requests, BURST):
        begun, begun_cpu = time.perf_counter_ns(), time.thread_time_ns()
        for number in range(start, start + BURST):
            call(number)
        cpu += time.thread_time_ns() - begun_cpu
        wall += time.perf_counter_ns() - begun
        time.sleep(REST_S)
    finish()
    return wall / requests / 1000, cpu / requests / 1000, (time.process_time_ns() - process) / requests / 1000


def block(pipeline: TracePipeline) -> Callable[[int], object]:
    """A request as a block."""

    def call(number: int) -> None:
        with pipeline.trace(str(number), "product_recommendation", "recommend_v2", "2.1.0") as trace:
            for step in STEPS:
                with pipeline.span(trace, step) as span:
                    span.metadata["token_count"] = number
            trace.schema_valid = True

    return call


def seed(pipeline: TracePipeline) -> Callable[[int], object]:
    """A request as the proof of concept writes it, which asks for the log line too."""

    def call(number: int) -> object:
        trace = pipeline.start_trace(str(number), "product_recommendation", "recommend_v2", "2.1.0")
        for step in STEPS:
            with pipeline.span(trace, step) as span:
                span.metadata["token_count"] = number
        trace.schema_valid = True
        return pipeline.finish_trace(trace)

    return call


def kenshin(requests: int) -> dict[str, Figures]:
    """To files in the background, and synchronously."""
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, request, synchronous) in enumerate(
            (
                (OURS, block, False),
                ("Kenshin: and the log line handed back", seed, False),
                ("Kenshin: and the EMF line written in the caller", block, True),
            )
        ):
            sink = EmfFiles(Path(folder) / str(number), EmfRenderer("MangaAssist", DimensionGuard()))
            recorder = Recorder([sink], synchronous=synchronous)
            pipeline = TracePipeline(recorder.record, utc_now, otel=False)
            figures[name] = measured(requests, request(pipeline), recorder.flush)
            if recorder.flush(30) or pipeline.stats().failures:
                raise SystemExit("records were lost")
            recorder.close()
    return figures


def live(requests: int) -> Figures:
    """Kenshin with live OpenTelemetry spans, to the SDK's exporter in memory."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter(), max_queue_size=100_000))
    pipeline = TracePipeline([].append, utc_now, tracer_provider=provider)
    try:
        return measured(requests, block(pipeline), provider.force_flush)
    finally:
        provider.shutdown()


def opentelemetry(requests: int) -> dict[str, Figures]:
    """OpenTelemetry's SDK: spans to an exporter in memory, without and with seven instruments and a log line."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    meter = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False).get_meter("bench")
    histograms = {step: meter.create_histogram(step) for step in STEPS}
    total, count = meter.create_histogram("total"), meter.create_counter("count")
    logger = logging.getLogger("bench")
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.StreamHandler(io.StringIO()))
    logger.propagate = False
    dimensions = {"Intent": "product_recommendation", "Template": "recommend_v2"}
    figures = {}
    for name, everything in (("spans alone", False), ("spans, 7 metrics, JSON log line", True)):
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter(), max_queue_size=100_000))
        tracer = provider.get_tracer("bench")

        def call(number: int, tracer: object = tracer, everything: bool = everything) -> None:
            with tracer.start_as_current_span("prompt_trace") as root:
                root.set_attributes({"gen_ai.conversation.id": str(number), **dimensions})
                lines = []
                for step in STEPS:
                    begun = time.perf_counter()
                    with tracer.start_as_current_span(step) as span:
                        span.set_attribute("token_count", number)
                    lines.append({"name": step, "duration_ms": (time.perf_counter() - begun) * 1000})
                if everything:
                    for line in lines:
                        histograms[line["name"]].record(line["duration_ms"], dimensions)
                    total.record(sum(line["duration_ms"] for line in lines), dimensions)
                    count.add(1, dimensions)
                    logger.info(json.dumps({"log_type": "prompt_trace", **dimensions, "spans": lines}))

        figures[f"OpenTelemetry SDK: {name}"] = measured(requests, call, provider.force_flush)
        provider.shutdown()
    return figures


def xray(requests: int) -> dict[str, Figures]:
    """AWS's X-Ray SDK: a segment with five subsegments; Powertools' tracer and metrics over it."""
    from aws_lambda_powertools import Tracer
    from aws_lambda_powertools.metrics import EphemeralMetrics
    from aws_xray_sdk import global_sdk_config
    from aws_xray_sdk.core import xray_recorder

    global_sdk_config.set_sdk_enabled(True)
    xray_recorder.configure(sampling=False, daemon_address="127.0.0.1:9", context_missing="IGNORE_ERROR")
    logging.getLogger("aws_xray_sdk").setLevel(logging.CRITICAL)
    powertools = Tracer(service="bench", auto_patch=False, disabled=False)

    def segment(number: int) -> None:
        with xray_recorder.in_segment("prompt_trace") as root:
            root.put_annotation("session_id", str(number))
            for step in STEPS:
                with xray_recorder.in_subsegment(step) as span:
                    span.put_metadata("token_count", number)

    def everything(number: int) -> None:
        with xray_recorder.in_segment("prompt_trace"):
            powertools.put_annotation(key="session_id", value=str(number))
            metrics = EphemeralMetrics(namespace="MangaAssist/PromptObservability", service="s")
            metrics.add_dimension(name="Intent", value="product_recommendation")
            metrics.add_dimension(name="Template", value="recommend_v2")
            for step in STEPS:
                begun = time.perf_counter()
                with powertools.provider.in_subsegment(step) as span:
                    span.put_metadata("token_count", number)
                duration = (time.perf_counter() - begun) * 1000
                metrics.add_metric(name=f"Span_{step}", unit="Milliseconds", value=duration)
            metrics.add_metric(name="TotalExecutionDuration", unit="Milliseconds", value=1.0)
            metrics.add_metric(name="TraceCount", unit="Count", value=1)
            metrics.flush_metrics()

    with redirect_stdout(io.StringIO()):
        return {
            "X-Ray SDK: segment, 5 subsegments": measured(requests, segment),
            "Powertools: tracer, 7 metrics flushed to memory": measured(requests, everything),
        }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--requests", type=int, default=2000)
    wanted = parser.parse_args()
    os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "MangaAssist")
    requests = max(wanted.requests // BURST * BURST, BURST)
    runs: list[dict[str, Figures]] = []
    for _ in range(wanted.runs):
        runs.append(
            {
                **kenshin(requests),
                "Kenshin: with live OpenTelemetry spans": live(requests),
                **opentelemetry(requests),
                **xray(requests),
            }
        )
    print(
        f"| µs a request, median of {wanted.runs} runs of {requests} | wall | caller's CPU | process CPU | × |"
    )
    print("|---|---|---|---|---|")
    medians = {
        name: [statistics.median(run[name][column] for run in runs) for column in range(3)]
        for name in runs[0]
    }
    for name, columns in medians.items():
        ratio = columns[1] / medians[OURS][1]
        print(f"| {name} | {columns[0]:.0f} | {columns[1]:.0f} | {columns[2]:.0f} | {ratio:.1f} |")
    ours = medians[OURS][1]
    print(f"{ours:.1f} µs of the caller's CPU, at most {LIMIT_US:.0f} wanted")
    sys.exit(ours > LIMIT_US)


if __name__ == "__main__":
    main()
