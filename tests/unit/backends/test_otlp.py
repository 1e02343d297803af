from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from collector import attributes, collecting

from kenshin.backends import Opening, open_port
from kenshin.clients import Boto3Clients
from kenshin.errors import SettingError
from kenshin.runtime import utc_now
from kenshin.signals.recorder import Recorder
from kenshin.signals.records import BedrockHealthMetrics, PromptTraced, SpanTimed
from kenshin.urls import PortURL

AT = datetime(2026, 11, 5, 18, 0, tzinfo=UTC)
TRACE = "0af7651916cd43dd8448eb211c80319c"
MODEL = "anthropic.claude-3-haiku-20240307-v1:0"


def call(**changes) -> BedrockHealthMetrics:
    values = {"at": AT, "model_id": MODEL, "intent": "greeting", "latency_ms": 800.0, "status": "success"}
    return BedrockHealthMetrics(**{**values, "input_tokens": 90, "output_tokens": 12, **changes})


def opened(url: str):
    return open_port(
        "signals", PortURL.parse(url), Opening(Path("/"), Boto3Clients(), utc_now, "MangaAssist")
    )


@pytest.fixture
def collector():
    with collecting() as collector:
        yield collector


@pytest.fixture
def sink(collector):
    sink = opened(f"{collector.url}?service=chat&timeout_s=1")
    yield sink
    sink.close()


def test_a_call_is_a_client_span_in_the_words_of_the_conventions(collector, sink):
    record = call(trace_id=TRACE, span_id="b7ad6b7169203331", cache_read_tokens=10, stop_reason="end_turn")
    assert sink.write([record]) == 0
    (span,) = collector.spans
    told = attributes(span.attributes)
    assert (span.name, span.trace_id.hex(), span.parent_span_id.hex()) == (
        f"chat {MODEL}",
        TRACE,
        "b7ad6b7169203331",
    )
    assert (told["gen_ai.provider.name"], told["gen_ai.request.model"]) == ("aws.bedrock", MODEL)
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (100, 12)
    assert told["gen_ai.response.finish_reasons"] == ["end_turn"]
    assert not any("messages" in name for name in told)
    assert (span.kind, span.end_time_unix_nano - span.start_time_unix_nano) == (3, 800_000_000)
    assert collector.resources[0]["service.name"] == "chat"


def test_a_trace_is_a_tree_of_spans_with_its_evaluations(collector, sink):
    spans = (
        SpanTimed("bedrock_invocation", 5.0, offset_ms=1.0, span_id="b7ad6b7169203331"),
        SpanTimed("retry", 2.0, False, "ValueError: x", 2.0, parent_id="b7ad6b7169203331"),
    )
    record = PromptTraced(AT, TRACE, "s", "greeting", "hello", "1", 10.0, spans, hallucination_score=0.4)
    assert sink.write([record]) == 0
    root, first, second = collector.spans
    assert first.parent_span_id == root.span_id
    assert second.parent_span_id == first.span_id
    assert (second.status.code, second.status.message) == (2, "ValueError: x")
    assert root.start_time_unix_nano <= first.start_time_unix_nano <= first.end_time_unix_nano
    (event,) = root.events
    assert event.name == "gen_ai.evaluation.result"
    assert attributes(event.attributes)["gen_ai.evaluation.score.value"] == 0.4


def test_metrics_of_catalogue_and_conventions_are_running_sums(collector, sink):
    for status in ("success", "error", "success"):
        sink.write([call(status=status)])
    assert sink.flush(5) == 0
    (point,) = collector.metrics["mangaassist/bedrockhealth/invocationcount"].sum.data_points
    assert point.as_int == 3
    assert attributes(point.attributes) == {"ModelId": MODEL, "Intent": "greeting"}
    durations = collector.metrics["gen_ai.client.operation.duration"].histogram.data_points
    assert sorted((each.count, attributes(each.attributes).get("error.type")) for each in durations) == [
        (1, "Unknown"),
        (2, None),
    ]
    tokens = collector.metrics["gen_ai.client.token.usage"].histogram.data_points
    assert {attributes(each.attributes)["gen_ai.token.type"]: each.sum for each in tokens} == {
        "input": 270.0,
        "output": 36.0,
    }
    (state,) = collector.metrics["mangaassist/bedrockhealth/circuitbreakerstate"].gauge.data_points
    assert state.as_int == 0


def test_a_collector_that_is_gone_costs_spans_alone_and_raises_nothing():
    sink = opened("otlp://127.0.0.1:9?timeout_s=0.2")
    recorder = Recorder([sink], exit_deadline_s=1.0)
    recorder.record(call())
    recorder.record(call())
    assert recorder.flush(10) == 2
    recorder.close()


def test_a_collector_that_refuses_costs_spans_and_the_next_export_holds_every_metric(collector, sink):
    collector.status = 400
    assert sink.write([call()]) == 1
    sink.flush(1)
    collector.status = 200
    assert sink.write([call()]) == 0
    sink.flush(5)
    (point,) = collector.metrics["mangaassist/bedrockhealth/invocationcount"].sum.data_points
    assert (point.as_int, len(collector.spans)) == (2, 1)


@pytest.mark.parametrize(
    "url", ["otlp:", "otlp://host:1?timeout_s=x", "otlp://host:1?timeout_s=-1", "otlp://h?q=1"]
)
def test_a_url_that_cannot_be_meant_is_refused(url):
    with pytest.raises(SettingError):
        opened(url)
