"""A record in the words of OpenTelemetry's semantic conventions for generative AI: spans and measurements.

Conventions: "Semantic conventions for generative AI systems" and its page on AWS Bedrock, OpenTelemetry. A start time
is an end less a duration that was measured by a clock which never goes back, so no span ends before it starts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Literal
from uuid import uuid4

from kenshin.signals.calls import BedrockHealthMetrics
from kenshin.signals.plain import told
from kenshin.signals.record import Record
from kenshin.signals.traces import PromptTraced

Attribute = str | bool | int | float | tuple[str, ...]

_HEX_TRACE = re.compile(r"[0-9a-f]{32}", re.ASCII)
_HEX_SPAN = re.compile(r"[0-9a-f]{16}", re.ASCII)
_CONVENTIONS = {
    "model_id": "gen_ai.request.model",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
}
_OPERATIONS = {"count_tokens": "count_tokens", "invoke_model": "text_completion"}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a span, at its end."""

    name: str
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True)
class SpanDraft:
    """A span to be exported.

    Args:
        name: as shown.
        trace_id: 32 hex digits.
        span_id: 16 hex digits.
        parent_id: the span around it, if any.
        kind: ``client`` for a call of a service, ``internal`` for one's own work.
        start_ns: since 1970, in nanoseconds.
        end_ns: not before it.
        attributes: by name.
        error: what went wrong, in words; None if nothing did.
        events: what happened at its end.
    """

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    kind: Literal["client", "internal", "server"]
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Attribute]
    error: str | None = None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value of one of the conventions' own metrics, all histograms."""

    name: str
    unit: str
    value: float
    attributes: Mapping[str, Attribute]


def spans_of(record: Record) -> list[SpanDraft]:
    """The spans that a record tells of: a trace with its own, a model call as one; others none.

    A trace whose spans are OpenTelemetry's already has none: they would be exported twice.
    """
    if isinstance(record, PromptTraced):
        return [] if record.live else _trace_spans(record)
    if isinstance(record, BedrockHealthMetrics):
        return [_call_span(record)]
    return []


def measurements_of(record: Record) -> Iterator[Measurement]:
    """The conventions' metrics of a model call; other records have none."""
    if not isinstance(record, BedrockHealthMetrics):
        return
    common = _call_identity(record)
    errors: dict[str, Attribute] = {} if record.error_kind is None else {"error.type": record.error_kind}
    if record.sent_latency_ms is not None:
        seconds = record.sent_latency_ms / 1000
        yield Measurement("gen_ai.client.operation.duration", "s", seconds, {**common, **errors})
    if record.first_token_ms is not None:
        first = record.first_token_ms / 1000
        yield Measurement("gen_ai.client.operation.time_to_first_chunk", "s", first, common)
    for kind, tokens in (("input", _whole_input(record)), ("output", record.output_tokens)):
        if tokens:
            yield Measurement(
                "gen_ai.client.token.usage", "{token}", tokens, {**common, "gen_ai.token.type": kind}
            )


def trace_id_of(text: str) -> str:
    """A trace id as 32 hex digits: itself, a UUID without its hyphens, or a hash of any other text."""
    digits = text.replace("-", "").lower()
    if _HEX_TRACE.fullmatch(digits) and int(digits, 16):
        return digits
    return blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()


def _span_id_of(text: str) -> str:
    if _HEX_SPAN.fullmatch(text) and int(text, 16):
        return text
    return blake2b(text.encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


def root_id_of(record: PromptTraced) -> str:
    """The id of a trace's own span, 16 hex digits."""
    return _span_id_of(record.span_id or f"{trace_id_of(record.trace_id)}/root")


def trace_attributes(record: PromptTraced) -> dict[str, Attribute]:
    """What a trace's own span tells, its texts included."""
    return {
        "gen_ai.conversation.id": record.session_id,
        "gen_ai.prompt.name": record.template_name,
        "kenshin.prompt.version": record.template_version,
        "kenshin.intent": record.intent,
        "kenshin.schema_valid": record.schema_valid,
        **_content(record.content),
    }


def span_attributes(metadata: Mapping[str, object]) -> dict[str, Attribute]:
    """What an application noted of a span; what the conventions have a name for goes by that name too."""
    attributes: dict[str, Attribute] = {}
    for name, value in metadata.items():
        if value is None:
            continue
        attribute: Attribute = value if isinstance(value, str | bool | int | float) else told(value)
        attributes[name] = attribute
        if convention := _CONVENTIONS.get(name):
            attributes[convention] = attribute
    return attributes


def sendable(text: str) -> str:
    """The text with a question mark for each lone surrogate: it has no UTF-8, and would cost the whole export."""
    return text.encode("utf-8", "replace").decode()


def _trace_spans(record: PromptTraced) -> list[SpanDraft]:
    trace_id = trace_id_of(record.trace_id)
    root_id = root_id_of(record)
    end = _nanoseconds(record.at)
    start = end - _from_milliseconds(record.elapsed_ms)
    drafts = [
        SpanDraft(
            record.record_type,
            trace_id,
            root_id,
            None if record.parent_id is None else _span_id_of(record.parent_id),
            "server",
            start,
            end,
            trace_attributes(record),
            None if record.failure is None else sendable(record.failure),
            tuple(evaluations(record)),
        )
    ]
    for number, span in enumerate(record.spans):
        begun = start + _from_milliseconds(span.offset_ms)
        drafts.append(
            SpanDraft(
                sendable(span.name),
                trace_id,
                _span_id_of(span.span_id or f"{trace_id}/{number}"),
                root_id if span.parent_id is None else _span_id_of(span.parent_id),
                "internal",
                begun,
                begun + _from_milliseconds(span.duration_ms),
                span_attributes(span.metadata),
                None if span.success else sendable(span.error),
            )
        )
    return drafts


def evaluations(record: PromptTraced) -> Iterator[Event]:
    """What was found out about the answer, as the conventions' evaluation events."""
    found: list[tuple[str, float | None, str]] = []
    if record.schema_checked:
        found.append(("schema", None, "pass" if record.schema_valid else "fail"))
    if record.hallucination_score is not None or record.hallucination_risk:
        found.append(
            ("hallucination", record.hallucination_score, "risk" if record.hallucination_risk else "pass")
        )
    if record.confusion_score is not None or record.confusion_detected:
        found.append(
            ("confusion", record.confusion_score, "detected" if record.confusion_detected else "pass")
        )
    if record.quality_score is not None:
        found.append(("quality", record.quality_score, ""))
    for name, score, label in found:
        attributes: dict[str, Attribute] = {"gen_ai.evaluation.name": name}
        if score is not None:
            attributes["gen_ai.evaluation.score.value"] = score
        if label:
            attributes["gen_ai.evaluation.score.label"] = label
        yield Event("gen_ai.evaluation.result", attributes)


def _call_span(record: BedrockHealthMetrics) -> SpanDraft:
    end = _nanoseconds(record.at)
    optional: dict[str, Attribute | None] = {
        "gen_ai.response.id": record.request_id,
        "gen_ai.usage.cache_read.input_tokens": record.cache_read_tokens,
        "gen_ai.usage.cache_creation.input_tokens": record.cache_write_tokens,
        "gen_ai.response.finish_reasons": (record.stop_reason,) if record.stop_reason else None,
        "gen_ai.response.time_to_first_chunk": None
        if record.first_token_ms is None
        else record.first_token_ms / 1000,
        "error.type": record.error_kind or ("throttled" if record.throttles else None),
        "cloud.region": record.region,
        "aws.request_id": record.request_id,
        "kenshin.intent": record.intent,
        "kenshin.tier": record.tier,
        "kenshin.circuit_state": record.circuit_state,
        "kenshin.retry_count": record.retry_count,
        "kenshin.cancelled": record.cancelled or None,
        "kenshin.guardrail_intervened": record.guardrail_intervened or None,
        "kenshin.fallback_of": record.fallback_of,
    }
    identity = _call_identity(record)
    return SpanDraft(
        f"{identity['gen_ai.operation.name']} {record.model}",
        trace_id_of(record.trace_id) if record.trace_id else uuid4().hex,
        uuid4().hex[:16],
        _span_id_of(record.span_id) if record.span_id else None,
        "client",
        end - _from_milliseconds(record.latency_ms),
        end,
        {
            **identity,
            "gen_ai.usage.input_tokens": _whole_input(record),
            "gen_ai.usage.output_tokens": record.output_tokens,
            **{name: value for name, value in optional.items() if value is not None},
            **_content(record.content),
        },
        None if record.status == "success" else (record.error_code or record.status),
    )


def _call_identity(record: BedrockHealthMetrics) -> dict[str, Attribute]:
    return {
        "gen_ai.operation.name": _OPERATIONS.get(record.operation or "", "chat"),
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.request.model": record.model_id,
    }


def _whole_input(record: BedrockHealthMetrics) -> int:
    """The conventions count cached tokens as input; Bedrock's `inputTokens` leaves them out."""
    return record.input_tokens + (record.cache_read_tokens or 0) + (record.cache_write_tokens or 0)


def _content(content: Mapping[str, str] | None) -> dict[str, Attribute]:
    if not content:
        return {}
    names = {"prompt": ("gen_ai.input.messages", "user"), "response": ("gen_ai.output.messages", "assistant")}
    told: dict[str, Attribute] = {}
    for name, text in content.items():
        attribute, role = names.get(name, (f"kenshin.content.{name}", "user"))
        message = {"role": role, "parts": [{"type": "text", "content": text}]}
        told[attribute] = json.dumps([message], ensure_ascii=False)
    return told


def _nanoseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000_000) * 1000


def _from_milliseconds(duration: float) -> int:
    return max(int(duration * 1_000_000), 0)
