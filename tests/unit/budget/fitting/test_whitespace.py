from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kenshin.budget.fitting.whitespace import MOST_GAPS, MOST_SPANS, squeeze

SPACED = st.text('ab1 \n\t\r`~#"\\<>/pre{}[],:', max_size=80)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\n\none  \n\n\n\ntwo\t\r\n  three\n\n", "one\n\ntwo\n  three"),
        ("wide   gaps  here", "wide gaps here"),
        ("```py\nx  =  1\n\n\n\ny\n```\n\n\n\nz  z", "```py\nx  =  1\n\n\n\ny\n```\n\nz z"),
        ("~~~\nnever   closed\n\n\n\n", "~~~\nnever   closed\n\n\n\n"),
        ("a  b <pre>c  d\n\n\n</pre> e  f", "a b <pre>c  d\n\n\n</pre> e f"),
        ('say "a  b"  and `c  d`  twice', 'say "a  b" and `c  d` twice'),
        ('an escaped \\"  quote', 'an escaped \\"  quote'),
        ("name   price\npear   1.20\nfig    0.90", "name   price\npear   1.20\nfig    0.90"),
        ("    indented  code", "    indented  code"),
        ("a\tb  c", "a\tb  c"),
        ('{ "a": [1,\n  2], "b": "x  \\" y" }', '{"a":[1,2],"b":"x  \\" y"}'),
        ("{ not json }  x", "{ not json } x"),
        (" \n ", " \n "),
        ("", ""),
    ],
)
def test_only_white_space_that_means_nothing_goes(text: str, left: str) -> None:
    assert squeeze(text) == left


def test_what_a_tool_printed_keeps_the_gaps_in_its_lines() -> None:
    assert squeeze("PID   CMD  \n\n\n1  init", prose=False) == "PID   CMD\n\n1  init"


@given(SPACED, st.booleans())
@settings(max_examples=200)
def test_nothing_but_white_space_goes_and_a_second_time_nothing(text: str, prose: bool) -> None:
    left = squeeze(text, prose=prose)
    assert "".join(left.split()) == "".join(text.split())
    assert len(left) <= len(text)
    assert squeeze(left, prose=prose) == left
    assert bool(left) == bool(text)


def test_of_very_many_parts_and_gaps_the_white_space_stays() -> None:
    fences = "```\n```\n" * (MOST_SPANS + 1)
    assert squeeze(f"a  b\n{fences}c  d") == f"a b\n{fences}c  d"
    gaps = "a  b " * (MOST_GAPS + 1)
    assert squeeze(f"{gaps}  \n\n\n\nc") == f"{gaps.rstrip()}\n\nc"
    assert squeeze("a" + " " * 100 * MOST_GAPS + "b") == "a b"


JSON = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), JSON), st.integers(0, 4))
@settings(max_examples=60)
def test_json_says_the_same_afterwards(value: object, indent: int) -> None:
    text = json.dumps(value, indent=indent)
    assert json.loads(squeeze(text)) == value
    assert squeeze(text) == json.dumps(value, separators=(",", ":"))
