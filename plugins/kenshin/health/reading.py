"""Reading a stream's events as they pass: the first token, the usage, how it ended; the events stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from kenshin.health.answer import (
    GUARDRAIL_ACTION,
    GUARDRAIL_STOP,
    Answer,
    acted,
    parsed,
    stop_in,
    tokens_in,
    tokens_in_body,
)

_METRICS = "amazon-bedrock-invocationMetrics"
_TELLING = (_METRICS.encode(), b"guardrailAction", b"top_reason", b"topReason", b"usage", b"ionReason")
_PREAMBLE = (b'"message_start"', b'"content_block_start"', b'"ping"', b'"messageStart"')


class Reading(Protocol):
    """What is known of an answer so far."""

    answer: Answer
    seen: int
    """How many events have passed."""

    ended: bool
    """Whether the model said that it is done."""

    says_its_end: bool
    """Whether a stream of this kind always says so, so that one which does not is broken."""

    text: list[str]
    """The parts of the answer's text, where somebody wants them."""

    def see(self, event: Mapping[str, Any]) -> bool:
        """Take note of an event; answers whether it brings the answer itself rather than its frame."""
        ...


class ConverseReading:
    """The events of ConverseStream.

    Args:
        answer: what is known at the beginning.
        wants_text: whether the parts of the text are kept.
    """

    says_its_end = True

    def __init__(self, answer: Answer, *, wants_text: bool) -> None:
        self.answer = answer
        self.seen = 0
        self.ended = False
        self.text: list[str] = []
        self._wants_text = wants_text

    def see(self, event: Mapping[str, Any]) -> bool:
        """Take note of an event; answers whether it brings the answer itself rather than its frame."""
        self.seen += 1
        if (block := event.get("contentBlockDelta")) is not None:
            if self._wants_text and isinstance(text := block["delta"].get("text"), str):
                self.text.append(text)
            return True
        if (stop := event.get("messageStop")) is not None:
            self.ended = True
            reason = stop.get("stopReason")
            guardrail = self.answer.guardrail or reason == GUARDRAIL_STOP
            self.answer = replace(self.answer, stop_reason=reason, guardrail=guardrail)
        elif (metadata := event.get("metadata")) is not None:
            new, out, read, written = tokens_in(metadata.get("usage"))
            self.answer = replace(
                self.answer,
                input_tokens=new,
                output_tokens=out,
                cache_read_tokens=read,
                cache_write_tokens=written,
                guardrail=self.answer.guardrail or acted(metadata.get("trace")),
            )
        return False


class InvokeReading:
    """The chunks of InvokeModelWithResponseStream: each family writes its own, Bedrock adds its metrics to the last.

    Args:
        answer: what is known at the beginning.
        wants_text: whether the chunks are kept.
    """

    says_its_end = False

    def __init__(self, answer: Answer, *, wants_text: bool) -> None:
        self.answer = answer
        self.seen = 0
        self.ended = False
        self.text: list[str] = []
        self._wants_text = wants_text
        self._metered = False

    def see(self, event: Mapping[str, Any]) -> bool:
        """Take note of a chunk; answers whether it brings the answer itself rather than its frame."""
        self.seen += 1
        raw = (event.get("chunk") or {}).get("bytes")
        if not raw:
            return False
        if any(mark in raw for mark in _TELLING):
            self._read(parsed(raw))
        if self._wants_text:
            self.text.append(raw.decode("utf-8", "replace"))
        return not any(mark in raw[:80] for mark in _PREAMBLE)

    def _read(self, body: Mapping[str, Any]) -> None:
        metrics = body.get(_METRICS)
        self.ended = self.ended or metrics is not None
        if isinstance(message := body.get("message"), Mapping):
            tokens = tokens_in(message.get("usage"))
        else:
            tokens = tokens_in(metrics) if metrics is not None else tokens_in_body(body)
        stop = stop_in(body)
        guardrail = stop == GUARDRAIL_STOP or body.get(GUARDRAIL_ACTION) == "INTERVENED"
        answer = self.answer
        if not self._metered:
            # Bedrock's own metrics have the last word; a family's running counts fill in until they come.
            new, out, read, written = tokens
            answer = replace(
                answer,
                input_tokens=answer.input_tokens if new is None else new,
                output_tokens=answer.output_tokens if out is None else out,
                cache_read_tokens=answer.cache_read_tokens if read is None else read,
                cache_write_tokens=answer.cache_write_tokens if written is None else written,
            )
        self._metered = self._metered or metrics is not None
        self.answer = replace(
            answer, stop_reason=stop or answer.stop_reason, guardrail=answer.guardrail or guardrail
        )
