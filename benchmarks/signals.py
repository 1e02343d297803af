"""What a record costs its caller on the way to a queued EMF line, in microseconds a call, beside other libraries.

Run it with ``python benchmarks/signals.py [--runs 5] [--calls 3000]``, ``plugins`` on the path, in an environment with
the dependency group ``bench``. One model call with its nine metrics is recorded; the peers emit the same metrics in
their own way, to nowhere or to a server on this machine. Ways take turns in each run. On a machine with other work the
calling thread's CPU time says more than the wall clock; "process CPU" includes what threads of the library do.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from kenshin.backends.local.emf import EmfFiles
from kenshin.signals.emf import EmfRenderer
from kenshin.signals.guard import DimensionGuard
from kenshin.signals.recorder import Recorder
from kenshin.signals.records import BedrockHealthMetrics

BURST = 100
REST_S = 0.005
LIMIT_US = 15.0
MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
METRICS = {
    "InvocationLatency": ("Milliseconds", 812.5),
    "InvocationCount": ("Count", 1),
    "InputTokens": ("Count", 900),
    "OutputTokens": ("Count", 120),
    "SuccessCount": ("Count", 1),
    "CircuitBreakerState": ("None", 0),
    "CacheReadTokens": ("Count", 0),
    "CacheWriteTokens": ("Count", 0),
    "FirstTokenLatency": ("Milliseconds", 210.0),
}
Figures = tuple[float, float, float]


def record(number: int) -> BedrockHealthMetrics:
    """The record of one model call."""
    return BedrockHealthMetrics(
        at=datetime.now(UTC),
        model_id=MODEL,
        intent="product_recommendation",
        latency_ms=812.5,
        status="success",
        input_tokens=900,
        output_tokens=120,
        first_token_ms=210.0,
        cache_read_tokens=0,
        cache_write_tokens=0,
        request_id=str(number),
    )


def measured(
    calls: int, call: Callable[[int], object], finish: Callable[[], object] = lambda: None
) -> Figures:
    """Microseconds a call: by the wall clock, CPU time of the calling thread, CPU time of the process with `finish`."""
    wall = cpu = 0
    process = time.process_time_ns()
    for start in range(0, calls, BURST):
        begun, begun_cpu = time.perf_counter_ns(), time.thread_time_ns()
        for number in range(start, start + BURST):
            call(number)
        cpu += time.thread_time_ns() - begun_cpu
        wall += time.perf_counter_ns() - begun
        time.sleep(REST_S)
    finish()
    return wall / calls / 1000, cpu / calls / 1000, (time.process_time_ns() - process) / calls / 1000


def kenshin(calls: int) -> dict[str, Figures]:
    """Queued, to a file and synchronously; and rendering alone."""
    with tempfile.TemporaryDirectory() as folder:
        figures = {}
        for name, synchronous in (
            ("Kenshin: record to queue, files", False),
            ("Kenshin: synchronous, files", True),
        ):
            sink = EmfFiles(Path(folder) / str(synchronous), EmfRenderer("MangaAssist", DimensionGuard()))
            recorder = Recorder([sink], synchronous=synchronous)
            figures[name] = measured(
                calls, lambda number, to=recorder: to.record(record(number)), recorder.flush
            )
            if recorder.flush(30):
                raise SystemExit("records were lost")
            recorder.close()
        renderer = EmfRenderer("MangaAssist", DimensionGuard())
        queue: list[bytes] = []
        figures["Kenshin: record and render the line in the caller"] = measured(
            calls, lambda number: queue.extend(renderer.lines(record(number)))
        )
        return figures


def powertools(calls: int) -> Figures:
    """AWS Lambda Powertools: add the metrics, flush to standard output."""
    from aws_lambda_powertools.metrics import EphemeralMetrics

    def call(number: int) -> None:
        metrics = EphemeralMetrics(namespace="MangaAssist/BedrockHealth", service="s")
        metrics.add_dimension(name="ModelId", value=MODEL)
        metrics.add_dimension(name="Intent", value="product_recommendation")
        metrics.add_metadata(key="request_id", value=str(number))
        for name, (unit, value) in METRICS.items():
            metrics.add_metric(name=name, unit="NoUnit" if unit == "None" else unit, value=value)
        metrics.flush_metrics()

    with redirect_stdout(io.StringIO()):
        return measured(calls, call)


def embedded(calls: int) -> Figures:
    """aws-embedded-metrics: fill a context, serialise it."""
    from aws_embedded_metrics.logger.metrics_context import MetricsContext
    from aws_embedded_metrics.serializers.log_serializer import LogSerializer

    serializer = LogSerializer()

    def call(number: int) -> None:
        context = MetricsContext().empty()
        context.namespace = "MangaAssist/BedrockHealth"
        context.put_dimensions({"ModelId": MODEL, "Intent": "product_recommendation"})
        context.set_property("request_id", str(number))
        for name, (unit, value) in METRICS.items():
            context.put_metric(name, value, unit)
        serializer.serialize(context)

    return measured(calls, call)


def put_metric_data(calls: int) -> Figures:
    """boto3's put_metric_data to a server on this machine that only says yes: the proof of concept's way."""
    import boto3

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client: Any = boto3.client(
        "cloudwatch",
        region_name="ap-northeast-1",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
        aws_access_key_id="none",
        aws_secret_access_key="none",  # noqa: S106
    )
    dimensions = [{"Name": "ModelId", "Value": MODEL}, {"Name": "Intent", "Value": "product_recommendation"}]
    data = [
        {"MetricName": name, "Unit": unit, "Value": value, "Dimensions": dimensions}
        for name, (unit, value) in METRICS.items()
    ]
    try:
        return measured(
            calls, lambda _: client.put_metric_data(Namespace="MangaAssist/BedrockHealth", MetricData=data)
        )
    finally:
        server.shutdown()
        server.server_close()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--calls", type=int, default=3000)
    wanted = parser.parse_args()
    os.environ.setdefault("POWERTOOLS_TRACE_DISABLED", "true")
    calls = max(wanted.calls // BURST * BURST, BURST)
    runs: list[dict[str, Figures]] = []
    for _ in range(wanted.runs):
        figures = kenshin(calls)
        figures["aws-embedded-metrics: fill and serialise"] = embedded(calls)
        figures["Powertools: add and flush to memory"] = powertools(calls)
        figures["boto3: put_metric_data to a local server"] = put_metric_data(BURST)
        runs.append(figures)
    print(f"| µs a call, median of {wanted.runs} runs of {calls} calls | wall | caller's CPU | process CPU |")
    print("|---|---|---|---|")
    for name in runs[0]:
        columns = [statistics.median(run[name][column] for run in runs) for column in range(3)]
        print(f"| {name} | {columns[0]:.1f} | {columns[1]:.1f} | {columns[2]:.1f} |")
    queued = statistics.median(run["Kenshin: record to queue, files"][1] for run in runs)
    print(f"record to queue: {queued:.1f} µs of the caller's CPU, at most {LIMIT_US:.0f} wanted")
    sys.exit(queued > LIMIT_US)


if __name__ == "__main__":
    main()
