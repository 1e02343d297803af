"""What an answer says of itself: tokens, why it ended, whether a guardrail intervened.

Converse says it in one form. InvokeModel says the tokens in headers and the rest in a body that each family of models
writes in its own way; these are read as far as they are known, and what is not found is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GUARDRAIL_STOP = "guardrail_intervened"
GUARDRAIL_ACTION = "amazon-bedrock-guardrailAction"
_HEADER = "x-amzn-bedrock-{}-token-count"
_HEADERS = tuple(
    _HEADER.format(name) for name in ("input", "output", "cache-read-input", "cache-write-input")
)
_ACTED = frozenset({"BLOCKED", "ANONYMIZED", "MASKED"})
_STOPS = ("stopReason", "stop_reason", "completionReason", "finish_reason")

Tokens = tuple[int | None, int | None, int | None, int | None]
"""New input, output, read from the cache, written to the cache; None where nothing is said."""

_NOTHING: Tokens = (None, None, None, None)
_USAGES = (
    ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"),
    ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
    ("prompt_tokens", "completion_tokens", "", ""),
    ("inputTokenCount", "outputTokenCount", "cacheReadInputTokenCount", "cacheWriteInputTokenCount"),
    ("prompt_token_count", "generation_token_count", "", ""),
    ("inputTextTokenCount", "outputTextTokenCount", "", ""),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a record says of an answer; what the service did not say is None.

    Args:
        input_tokens: of the prompt, without those of the cache.
        output_tokens: of the answer.
        cache_read_tokens: of the prompt, read from the cache.
        cache_write_tokens: of the prompt, written to the cache.
        stop_reason: why it ended.
        guardrail: whether a guardrail intervened.
        retries: tries beyond the first.
        request_id: the service's id.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    stop_reason: str | None = None
    guardrail: bool = False
    retries: int = 0
    request_id: str | None = None


def of_converse(response: Mapping[str, Any]) -> Answer:
    """An answer of Converse."""
    metadata = response.get("ResponseMetadata") or {}
    stop = response.get("stopReason")
    return Answer(
        *tokens_in(response.get("usage")),
        stop,
        stop == GUARDRAIL_STOP or acted(response.get("trace")),
        metadata.get("RetryAttempts") or 0,
        metadata.get("RequestId"),
    )


def of_metadata(response: Mapping[str, Any]) -> Answer:
    """The beginning of an answer whose rest comes as a stream, or does not matter."""
    metadata = response.get("ResponseMetadata") or {}
    return Answer(retries=metadata.get("RetryAttempts") or 0, request_id=metadata.get("RequestId"))


def of_invoke(response: Mapping[str, Any], raw: bytes) -> Answer:
    """An answer of InvokeModel: its headers, and its body as it was read."""
    metadata = response.get("ResponseMetadata") or {}
    body = parsed(raw)
    tokens = _in_headers(metadata.get("HTTPHeaders") or {})
    if tokens[0] is None and tokens[1] is None:
        tokens = tokens_in_body(body)
    stop = stop_in(body)
    return Answer(
        *tokens,
        stop,
        stop == GUARDRAIL_STOP or body.get(GUARDRAIL_ACTION) == "INTERVENED",
        metadata.get("RetryAttempts") or 0,
        metadata.get("RequestId"),
    )


def parsed(raw: bytes) -> dict[str, Any]:
    """A body as a JSON object; an empty one where it is none."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def tokens_in(usage: object) -> Tokens:
    """The tokens that a usage states, in the keys of any family."""
    if not isinstance(usage, dict):
        return _NOTHING
    for new, out, read, written in _USAGES:
        if new in usage or out in usage:
            get = usage.get
            return _count(get(new)), _count(get(out)), _count(get(read)), _count(get(written))
    return _NOTHING


def tokens_in_body(body: Mapping[str, Any]) -> Tokens:
    """The tokens that a body states: in its usage, or where Titan and Llama write them."""
    found = tokens_in(body.get("usage"))
    if found == _NOTHING:
        found = tokens_in(body)
    if found[1] is None and isinstance(results := body.get("results"), list):
        counts = [_count(each.get("tokenCount")) for each in results if isinstance(each, Mapping)]
        if known := [count for count in counts if count is not None]:
            found = (found[0], sum(known), found[2], found[3])
    return found


def stop_in(body: Mapping[str, Any]) -> str | None:
    """Why an answer ended, in the words of its family."""
    places: list[object] = [body, body.get("delta")]
    for name in ("results", "choices", "outputs"):
        if isinstance(several := body.get(name), list):
            places += several[:1]
    if isinstance(event := body.get("messageStop"), Mapping):
        places.append(event)
    for place in places:
        if isinstance(place, Mapping):
            for name in _STOPS:
                if isinstance(place.get(name), str):
                    return str(place[name])
    return None


def acted(trace: object, depth: int = 12) -> bool:
    """Whether a guardrail's trace names anything that it blocked or masked."""
    if not trace or not depth:
        return False
    if isinstance(trace, Mapping):
        if trace.get("action") in _ACTED:
            return True
        inner: Iterable[object] = trace.values()
    elif isinstance(trace, Sequence) and not isinstance(trace, str | bytes):
        inner = trace
    else:
        return False
    return any(acted(each, depth - 1) for each in inner)


def _in_headers(headers: Mapping[str, Any]) -> Tokens:
    found = [_count(headers.get(name)) for name in _HEADERS]
    return found[0], found[1], found[2], found[3]


def _count(value: object) -> int | None:
    if type(value) is int:
        return value if value >= 0 else None
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return None
