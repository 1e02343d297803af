from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.budget.check import (
    MESSAGE_FRAME,
    MOST_RUNS,
    REQUEST_FRAME,
    RUN,
    BudgetPolicy,
    check,
    runs_of,
    together,
)
from kenshin.budget.content import read_content
from kenshin.budget.estimate import estimate_text
from kenshin.budget.images import MOST_TOKENS
from kenshin.budget.models import DEFAULT_MODEL, Model, Models
from kenshin.errors import InvalidInput, InvalidPolicy, KenshinError

MODEL = Models.load().find(DEFAULT_MODEL)
SENTENCE = "The order was shipped to Osaka on Monday. "
AT = datetime(2026, 11, 1, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">II", 300, 250)


def test_an_empty_prompt_is_the_reserve_and_its_frame() -> None:
    found = check(MODEL)
    assert found.sections == {
        "system_prompt": 0,
        "conversation_history": 0,
        "rag_context": 0,
        "user_message": REQUEST_FRAME["claude-3"],
        "output_reserve": 1_500,
    }
    assert (found.budget_limit, found.total_tokens, found.status) == (5_000, 1_507, "normal")
    assert (found.utilization_pct, found.recommendation) == (30.1, None)


def test_sections_are_what_their_texts_are() -> None:
    history = [{"role": "user", "content": SENTENCE}, {"role": "assistant", "content": [{"text": SENTENCE}]}]
    found = check(MODEL, system_prompt=SENTENCE, conversation_history=history, rag_context=SENTENCE * 9)
    one = estimate_text(SENTENCE, "claude-3")
    assert found.sections["system_prompt"] == one
    assert found.sections["conversation_history"] == pytest.approx(2 * (one + MESSAGE_FRAME), abs=1)
    assert (found.largest_section, found.largest_section_tokens) == (
        "rag_context",
        found.sections["rag_context"],
    )


def test_a_history_is_estimated_in_runs_that_begin_where_they_did_before() -> None:
    messages = [SENTENCE * (1 + at % 9) for at in range(200)]
    shorter, longer = runs_of(messages[:150]), runs_of(messages)
    assert longer[: len(shorter) - 1] == shorter[:-1]
    assert all(len(run) >= RUN for run in longer[:-1])
    assert "".join(longer).replace(" ", "") == "".join(messages).replace(" ", "")


@given(st.lists(st.integers(0, 9_000), max_size=400))
def test_a_history_has_few_runs_however_many_messages_it_has(lengths: list[int]) -> None:
    assert len(runs_of(["x" * length for length in lengths])) <= MOST_RUNS + 1


def test_many_messages_are_about_what_they_are_one_by_one() -> None:
    history = [{"role": "user", "content": SENTENCE.strip()}] * 1_000
    one = estimate_text(SENTENCE.strip(), "claude-3")
    found = check(MODEL, conversation_history=history)
    assert found.sections["conversation_history"] == pytest.approx(1_000 * (one + MESSAGE_FRAME), rel=0.07)


def test_the_upper_bound_decides() -> None:
    estimate = estimate_text(SENTENCE * 60, "claude-3")
    middle = (estimate + estimate.upper) // 2
    ratio = (middle + REQUEST_FRAME["claude-3"]) / 0.95 / MODEL.window
    found = check(
        MODEL, rag_context=SENTENCE * 60, policy=BudgetPolicy(output_reserve=0, practical_ratio=ratio)
    )
    assert found.utilization_pct < 95 < found.upper_pct
    assert found.status == "critical"


@pytest.mark.parametrize(("repeats", "status"), [(10, "normal"), (270, "warning"), (400, "critical")])
def test_statuses_have_the_words_of_the_proof_of_concept(repeats: int, status: str) -> None:
    found = check(MODEL, rag_context=SENTENCE * repeats)
    assert found.status == status
    if status == "warning":
        assert found.recommendation is not None
        assert found.recommendation.startswith(f"WARNING: {found.total_tokens / 5_000:.0%} of budget used")
        assert found.recommendation.endswith("Consider compressing 'rag_context' section.")
    if status == "critical":
        assert found.recommendation is not None
        assert (
            f"Largest section 'rag_context' ({found.largest_section_tokens} tokens)." in found.recommendation
        )
        assert found.recommendation.endswith("Compress conversation history or reduce RAG context.")


def test_margins_add_up_neither_fully_nor_as_if_independent() -> None:
    assert together([]) == 0
    assert together([40]) == 40
    assert 50 < together([30, 40]) < 70


def test_an_unknown_model_is_told() -> None:
    found = check(Models.load().find("acme.marvel-v1:0"))
    assert (found.budget_limit, found.known_model) == (5_000, False)
    assert found.as_record(AT).log_fields()["known_model"] is False


def test_the_log_line_has_the_keys_of_the_proof_of_concept() -> None:
    line = check(MODEL, rag_context=SENTENCE * 400).as_record(AT).log_fields()
    assert line["log_type"] == "budget_check"
    keys = {"status", "utilization_pct", "total_tokens", "budget_limit", "sections", "recommendation"}
    assert keys <= set(line)


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ([{"text": "a"}, {"cachePoint": {"type": "default"}}], ["a"]),
        ([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}], ["a"]),
        ([{"toolUse": {"toolUseId": "1", "name": "f", "input": {"x": 1}}}], ['{"name":"f","input":{"x":1}}']),
        ([{"type": "tool_use", "id": "1", "name": "f", "input": {}}], ['{"name":"f","input":{}}']),
        (
            [{"toolResult": {"toolUseId": "1", "content": [{"json": {"y": 2}}, {"text": "b"}]}}],
            ['{"y":2}', "b"],
        ),
        ([{"type": "tool_result", "tool_use_id": "1", "content": "b"}], ["b"]),
        ([{"reasoningContent": {"reasoningText": {"text": "c"}}}], ["c"]),
        ([{"type": "thinking", "thinking": "c", "signature": "s"}], ["c"]),
        ([{"reasoningContent": {"redactedContent": b"\x00secret"}}], ["AHNlY3JldA=="]),
        ([{"guardContent": {"text": {"text": "d"}}}], ["d"]),
        ([{"document": {"format": "md", "name": "n", "source": {"bytes": b"# e"}}}], ["# e"]),
        ([{"somethingNew": {"z": 3}}], ['{"somethingNew":{"z":3}}']),
        (None, []),
    ],
)
def test_blocks_of_both_apis_are_read(content: Any, texts: list[str]) -> None:
    assert read_content(content).texts == texts


def test_images_cost_by_their_size() -> None:
    assert read_content([{"image": {"format": "png", "source": {"bytes": PNG}}}]).image_tokens == 100
    assert (
        read_content([{"type": "image", "source": {"type": "base64", "data": "…"}}]).image_tokens
        == MOST_TOKENS
    )


def test_tools_cost_more_than_their_definitions() -> None:
    tool = {
        "toolSpec": {
            "name": "find",
            "description": "Find an order.",
            "inputSchema": {"json": {"type": "object"}},
        }
    }
    assert check(MODEL, tools=[tool]).sections["tools"] > 350


@pytest.mark.parametrize(
    "policy",
    [
        {"warning": 0},
        {"warning": 0.9, "critical": 0.8},
        {"critical": float("inf")},
        {"output_reserve": -1},
        {"output_reserve": True},
        {"practical_ratio": 0},
        {"practical_ratio": "all"},
        {"warning": "0.8"},
        {"critical": None},
        {"practical_ratio": 1.5},
    ],
)
def test_a_policy_that_means_nothing_is_refused(policy: dict[str, Any]) -> None:
    with pytest.raises(InvalidPolicy):
        BudgetPolicy(**policy)


def test_no_budget_is_a_policy_error() -> None:
    with pytest.raises(InvalidPolicy, match="not above 0"):
        check(Model("tiny", 10, "other"))


def test_content_nested_too_deep_and_binary_documents_are_refused() -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    with pytest.raises(InvalidInput, match="deep"):
        read_content(deep)
    with pytest.raises(InvalidInput, match="pdf"):
        read_content([{"document": {"format": "pdf", "source": {"bytes": b"%PDF"}}}])


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["text", "type", "content", "image", "toolUse", "toolResult", "json", "document", "x"]
            ),
            inner,
        )
    ),
    max_leaves=20,
)


@given(JUNK, JUNK)
def test_any_content_is_a_result_or_a_typed_error(content: Any, history: Any) -> None:
    try:
        found = check(MODEL, user_message=content, conversation_history=history)
    except KenshinError:
        return
    assert found.total_tokens <= found.upper_tokens
