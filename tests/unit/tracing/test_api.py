from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import emf_lines
import pytest

import kenshin
from kenshin.current import use
from kenshin.runtime import Runtime
from kenshin.settings import Settings
from kenshin.signals.memory import MemorySink
from kenshin.signals.recorder import Recorder
from kenshin.tracing.pipeline import TracePipeline

AT = datetime(2026, 11, 5, 18, 0, tzinfo=UTC)


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    settings = Settings.from_env({"KENSHIN_HOME": str(tmp_path), "KENSHIN_SIGNALS": "memory:"})
    made = Runtime(settings, clock=lambda: AT)
    with use(made):
        yield made
    made.close()


def test_without_arguments_it_records_where_the_runtime_does(runtime):
    pipeline = kenshin.PromptObservabilityPipeline()
    trace = pipeline.start_trace(
        session_id="sess-1", intent="faq", template_name="faq_v1", template_version="1.0"
    )
    with pipeline.span(trace, "intent_classification") as s:
        s.metadata["confidence"] = 0.92
    trace.schema_valid = True
    line = pipeline.finish_trace(trace)
    runtime.recorder.flush()
    (sink,) = runtime.recorder.sinks
    (record,) = sink.records
    assert record.log_fields() == line
    assert record.at == AT


def test_a_recorder_and_a_clock_of_ones_own():
    sink = MemorySink()
    recorder = Recorder([sink], synchronous=True)
    pipeline = kenshin.PromptObservabilityPipeline(recorder=recorder, clock=lambda: AT)
    with pipeline.trace("s"):
        pass
    assert [record.at for record in sink.records] == [AT]
    recorder.close()


def test_the_line_in_a_file_is_what_cloudwatch_reads(tmp_path):
    settings = Settings.from_env({"KENSHIN_HOME": str(tmp_path), "KENSHIN_SIGNALS_MODE": "sync"})
    made = Runtime(settings, clock=lambda: AT)
    with use(made):
        pipeline = kenshin.PromptObservabilityPipeline()
        with (
            pipeline.trace("s", "商品", "faq_v1", "1.0") as trace,
            pipeline.span(trace, "bedrock_invocation") as span,
        ):
            span.metadata |= {"nan": float("nan"), "object": object(), "deep": {"a": [1, {2}]}}
            trace.schema_valid = False
    made.close()
    (file,) = (tmp_path / "signals").rglob("*.jsonl")
    line = emf_lines.parse(file.read_bytes())
    assert emf_lines.metrics(line) == {
        "TotalExecutionDuration",
        "Span_bedrock_invocation",
        "TraceCount",
        "SchemaViolation",
        "SchemaValidated",
    }
    assert emf_lines.sets_of(line, "Span_bedrock_invocation") == [[], ["Intent"], ["Intent", "Template"]]
    assert line["trace_id"] == trace.trace_id
    assert line["spans"][0]["metadata"]["nan"] == "nan"


def test_the_public_names():
    assert issubclass(kenshin.PromptObservabilityPipeline, TracePipeline)
    assert kenshin.Span("a").name == "a"
    assert kenshin.PromptTrace(session_id="s").session_id == "s"
    import kenshin.tracing as tracing

    for name in tracing.__all__:
        assert getattr(tracing, name).__module__.startswith("kenshin.tracing")
    assert set(tracing.__all__) <= set(dir(tracing))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = tracing.nonsense


def test_settings_that_cannot_be_read_do_not_break_the_request(monkeypatch):
    monkeypatch.setattr("kenshin.current._current", None)
    monkeypatch.setenv("KENSHIN_SIGNALS", "nowhere:")
    pipeline = kenshin.PromptObservabilityPipeline()
    with pipeline.trace("s") as trace, pipeline.span(trace, "a"):
        pass
    assert pipeline.stats().failures > 0
