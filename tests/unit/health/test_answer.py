from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_calls import CONVERSED

from kenshin.health.answer import (
    Answer,
    acted,
    of_converse,
    of_invoke,
    of_metadata,
    tokens_in,
    tokens_in_body,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["usage", "results", "trace", "delta", "messageStop", "stop_reason", "inputTokens", "action"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def invoked(body, headers=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    metadata = {"RequestId": "r", "RetryAttempts": 1, "HTTPHeaders": headers or {}}
    return of_invoke({"ResponseMetadata": metadata}, raw)


def tokens(answer):
    return (
        answer.input_tokens,
        answer.output_tokens,
        answer.cache_read_tokens,
        answer.cache_write_tokens,
    )


def test_converse_says_all_of_it():
    usage = {"inputTokens": 5, "outputTokens": 2, "cacheReadInputTokens": 100, "cacheWriteInputTokens": 7}
    answer = of_converse({**CONVERSED, "usage": usage})
    assert tokens(answer) == (5, 2, 100, 7)
    assert (answer.stop_reason, answer.guardrail) == ("end_turn", False)
    assert (answer.request_id, answer.retries) == ("req-1", 0)


def test_without_a_cache_nothing_is_said_of_one():
    assert tokens(of_converse(CONVERSED)) == (11, 4, None, None)


def test_a_guardrail_is_seen_by_the_stop_reason_and_by_its_trace():
    assert of_converse({**CONVERSED, "stopReason": "guardrail_intervened"}).guardrail
    policy = {"piiEntities": [{"type": "EMAIL", "action": "ANONYMIZED"}]}
    trace = {"guardrail": {"outputAssessments": {"g": [{"sensitiveInformationPolicy": policy}]}}}
    assert of_converse({**CONVERSED, "trace": trace}).guardrail
    policy["piiEntities"][0]["action"] = "NONE"
    assert not of_converse({**CONVERSED, "trace": trace}).guardrail


def test_a_trace_without_end_ends():
    trace: dict = {}
    trace["again"] = trace
    assert not acted(trace)


@pytest.mark.parametrize(
    ("family", "body", "found", "stop"),
    [
        (
            "anthropic",
            {
                "usage": {
                    "input_tokens": 9,
                    "output_tokens": 3,
                    "cache_read_input_tokens": 50,
                    "cache_creation_input_tokens": 6,
                },
                "stop_reason": "end_turn",
            },
            (9, 3, 50, 6),
            "end_turn",
        ),
        (
            "nova",
            {"usage": {"inputTokens": 9, "outputTokens": 3}, "stopReason": "max_tokens"},
            (9, 3, None, None),
            "max_tokens",
        ),
        (
            "titan text",
            {
                "inputTextTokenCount": 9,
                "results": [{"tokenCount": 3, "outputText": "x", "completionReason": "FINISH"}],
            },
            (9, 3, None, None),
            "FINISH",
        ),
        ("titan embeddings", {"embedding": [0.1], "inputTextTokenCount": 9}, (9, None, None, None), None),
        (
            "llama",
            {
                "generation": "x",
                "prompt_token_count": 9,
                "generation_token_count": 3,
                "stop_reason": "stop",
            },
            (9, 3, None, None),
            "stop",
        ),
        (
            "chat completions",
            {
                "usage": {"prompt_tokens": 9, "completion_tokens": 3},
                "choices": [{"finish_reason": "stop"}],
            },
            (9, 3, None, None),
            "stop",
        ),
        ("cohere", {"generations": [{"text": "x"}]}, (None, None, None, None), None),
    ],
)
def test_each_family_says_it_in_its_body(family, body, found, stop):
    answer = invoked(body)
    assert (tokens(answer), answer.stop_reason) == (found, stop)
    assert (answer.request_id, answer.retries) == ("r", 1)


def test_headers_have_the_first_word_on_tokens():
    headers = {
        "x-amzn-bedrock-input-token-count": "12",
        "x-amzn-bedrock-output-token-count": "5",
        "x-amzn-bedrock-cache-read-input-token-count": "100",
        "x-amzn-bedrock-cache-write-input-token-count": "8",
    }
    body = {"usage": {"input_tokens": 9, "output_tokens": 3}, "stop_reason": "end_turn"}
    assert tokens(invoked(body, headers)) == (12, 5, 100, 8)
    assert tokens(invoked(b"no json", headers)) == (12, 5, 100, 8)


def test_a_guardrail_intervenes_in_a_body_of_any_family():
    assert invoked({"amazon-bedrock-guardrailAction": "INTERVENED"}).guardrail
    assert not invoked({"amazon-bedrock-guardrailAction": "NONE"}).guardrail


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"[1]", b'"text"', b"{", b"[" * 100_000])
def test_a_body_that_is_no_object_says_nothing(raw):
    assert invoked(raw) == Answer(retries=1, request_id="r")


@pytest.mark.parametrize("value", [True, -1, 1.5, "many", None, []])
def test_only_counts_are_counts(value):
    assert tokens_in({"inputTokens": value, "outputTokens": 3}) == (None, 3, None, None)


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4), json_values)
def test_whatever_is_in_it_an_answer_comes_out(body, other):
    assert isinstance(invoked(body), Answer)
    assert isinstance(invoked({"usage": other, "results": other, "trace": other}), Answer)
    assert isinstance(tokens_in_body({"results": other}), tuple)
    of_metadata({})
