from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.unfolding import Unfolding

TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\/\n\t{}:😀é保'), max_size=40)


@given(TEXTS, st.booleans(), st.integers(1, 9), st.sampled_from([None, 1]))
def test_however_it_is_cut_the_text_comes_out_whole(
    text: str, escaped: bool, size: int, indent: int | None
) -> None:
    said = json.dumps({"answer": text, "sources": ["a"]}, ensure_ascii=escaped, indent=indent)
    unfolding = Unfolding()
    pieces = [unfolding.feed(said[at : at + size]) for at in range(0, len(said), size)]
    assert "".join(pieces) == text


def test_it_comes_out_as_early_as_it_can() -> None:
    unfolding = Unfolding()
    fed = ['{"ans', 'wer": "He', "llo\\", 'n", "so', 'urces": []}']
    assert [unfolding.feed(piece) for piece in fed] == ["", "He", "llo", "\n", ""]


@pytest.mark.parametrize(
    "said", ["Here is the answer", '["answer"]', '{"other": "x", "answer": "y"}', '"answer"', ""]
)
def test_what_is_no_such_object_gives_nothing(said: str) -> None:
    unfolding = Unfolding()
    assert "".join(unfolding.feed(character) for character in said) == ""


@given(st.text(max_size=60))
def test_no_text_makes_it_fail(said: str) -> None:
    unfolding = Unfolding()
    for character in '{"answer": "' + said:
        unfolding.feed(character)
