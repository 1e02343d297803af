from __future__ import annotations

from typing import Any

import pytest

from kenshin.budget.fitting.messages import CLEARED, summary_pair, with_cleared_results, with_texts


@pytest.mark.parametrize(
    ("block", "cleared"),
    [
        (
            {
                "toolResult": {
                    "toolUseId": "1",
                    "content": [{"json": {"a": 1}}, {"text": "b"}],
                    "status": "error",
                }
            },
            {"toolResult": {"toolUseId": "1", "content": [{"text": CLEARED}], "status": "error"}},
        ),
        (
            {
                "type": "tool_result",
                "tool_use_id": "1",
                "content": "b",
                "cache_control": {"type": "ephemeral"},
            },
            {
                "type": "tool_result",
                "tool_use_id": "1",
                "content": CLEARED,
                "cache_control": {"type": "ephemeral"},
            },
        ),
        (
            {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "image", "source": {}}]},
            {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": CLEARED}]},
        ),
    ],
)
def test_a_cleared_result_keeps_all_but_its_content(block: Any, cleared: Any) -> None:
    message = {"role": "user", "content": [block, {"text": "and now?"}], "name": "x"}
    assert with_cleared_results(message) == {
        "role": "user",
        "content": [cleared, {"text": "and now?"}],
        "name": "x",
    }


@pytest.mark.parametrize(
    "content", ["text", [{"text": "a"}], [{"toolResult": {"toolUseId": "1"}}], None, 3, {}]
)
def test_a_message_without_results_stays_itself(content: Any) -> None:
    message = {"role": "user", "content": content}
    assert with_cleared_results(message) is message


def test_texts_change_and_reasoning_tool_inputs_and_documents_do_not() -> None:
    kept = [
        {"reasoningContent": {"reasoningText": {"text": "a", "signature": "s"}}},
        {"type": "thinking", "thinking": "a", "signature": "s"},
        {"toolUse": {"toolUseId": "1", "name": "f", "input": {"text": "a"}}},
        {"document": {"format": "txt", "source": {"text": "a"}}},
        {"guardContent": {"text": {"text": "a"}}},
    ]
    message = {"role": "assistant", "content": [*kept, {"text": "a"}, [{"type": "text", "text": "b"}]]}
    changed = with_texts(message, lambda text, tool: text.upper())
    assert changed["content"] == [*kept, {"text": "A"}, [{"type": "text", "text": "B"}]]
    result = {"role": "user", "content": ({"toolResult": {"toolUseId": "1", "content": [{"text": "a"}]}},)}
    assert with_texts(result, lambda text, tool: f"{text}{tool}")["content"] == (
        {"toolResult": {"toolUseId": "1", "content": [{"text": "aTrue"}]}},
    )
    assert with_texts(message, lambda text, tool: text) is message


def test_a_summary_takes_the_form_of_the_turns_that_it_stands_for() -> None:
    assert isinstance(summary_pair("s", {"content": "x"})[0]["content"], str)
    assert summary_pair("s", {"content": [{"text": "x"}]})[1]["content"] == [{"text": "[Noted.]"}]
