from __future__ import annotations

import pytest
from model_calls import CONVERSED, HELLO

from kenshin.health.texts import answer_text, prompt_text


def test_of_converse_the_texts_and_nothing_else():
    said = {
        "system": [{"text": "Be kind."}],
        "messages": [*HELLO, {"role": "user", "content": [{"image": {}}]}],
    }
    assert prompt_text(said) == "Be kind.\nhello there"
    assert answer_text(CONVERSED) == "Good day."
    assert prompt_text({"input": {"converse": said}}) == "Be kind.\nhello there"


@pytest.mark.parametrize(
    "body", [b'{"prompt": "x"}', '{"prompt": "x"}', bytearray(b'{"prompt": "x"}')], ids=type
)
def test_of_invoke_model_the_body(body):
    assert prompt_text({"body": body}) == '{"prompt": "x"}'


@pytest.mark.parametrize(
    "odd", [{}, {"messages": None}, {"messages": [None, {"content": "x"}]}, {"input": 1}]
)
def test_what_has_no_text_has_none(odd):
    assert prompt_text(odd) == ""
    assert answer_text({"output": odd}) == ""
