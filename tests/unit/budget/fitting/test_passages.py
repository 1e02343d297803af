from __future__ import annotations

from typing import Any

import pytest

from kenshin.budget.fitting.passages import MOST, Context, ranked
from kenshin.budget.fitting.whitespace import MOST_SPANS

FENCE = "```\na\n\nb\n```"
MARK = {"cachePoint": {"type": "default"}}


def texts(given: Any) -> list[str]:
    return [passage.text for passage in Context.read(given).passages]


@pytest.mark.parametrize(
    ("given", "passages"),
    [
        ("one\n\ntwo\n \n\nthree\n", ["one", "two", "three\n"]),
        (f"one\n\n{FENCE}\n\ntwo", ["one", FENCE, "two"]),
        ("# Head\n\nbody\n\n## Next\n\n\nmore", ["# Head\n\nbody", "## Next\n\n\nmore"]),
        ('{"a":\n\n1}', ['{"a":\n\n1}']),
        ("\n\n", ["\n\n"]),
        (
            "\u3000\n\n\u3000\n\n# Head\n\n\u3000\n\nbody\n\nmore",
            ["\u3000\n\n\u3000\n\n# Head\n\n\u3000\n\nbody", "more"],
        ),
        ("大阪\r\n\r\n東京\r\n", ["大阪\r", "東京\r\n"]),
        ("", []),
        ({"text": "one\n\ntwo"}, ["one", "two"]),
        (["one\n\nstill one", {"text": "two"}], ["one\n\nstill one", "two"]),
        (None, []),
    ],
)
def test_passages_are_elements_of_a_list_or_what_blank_lines_part(given: Any, passages: list[str]) -> None:
    assert texts(given) == passages


def test_what_is_beyond_the_most_passages_is_the_rest() -> None:
    passages = Context.read("one\n\n" * (MOST + 5)).passages
    assert [passage.rest for passage in passages] == [False] * MOST + [True]
    assert passages[MOST].text == "one\n\n" * 5
    assert not any(passage.rest for passage in Context.read("one\n\n" * MOST).passages)
    fences = Context.read(f"one\n\n{FENCE}\n" + "```\n```\n" * MOST_SPANS + "\n\ntwo\n\nthree").passages
    assert [passage.rest for passage in fences] == [False, True]


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("one\n\n\ntwo\n\nthree", "one\n\n\nthree"),
        ({"type": "text", "text": "one\n\ntwo\n\nthree"}, {"type": "text", "text": "one\n\nthree"}),
        (("one", "two", "three"), ("one", "three")),
        ([{"text": "one"}, "two", ["three"]], [{"text": "one"}, ["three"]]),
    ],
)
def test_what_is_left_has_the_form_given(given: Any, left: Any) -> None:
    context = Context.read(given)
    assert context.built([context.passages[0], context.passages[2]]) == left
    assert context.built(context.passages) is given


def test_of_a_text_nothing_may_be_left() -> None:
    assert Context.read("one").built([]) == ""
    assert Context.read({"text": "one"}).built([]) == []


def test_scores_rank_where_all_passages_carry_one() -> None:
    scored = [{"text": "a", "score": 0.5}, {"text": "b", "score": 0.9}, {"text": "c", "score": 0.1}]
    assert ranked(dict(enumerate(Context.read(scored).passages))) == [2, 0, 1]
    for odd in (float("nan"), True, "0.2", None, 10**400):
        unscored = [*scored[:2], {"text": "c", "score": odd}]
        assert ranked(dict(enumerate(Context.read(unscored).passages))) == [2, 1, 0]


def test_a_mark_that_would_come_first_goes() -> None:
    context = Context.read(["one", MARK, "two"])
    assert context.built(context.passages[1:]) == ["two"]
    assert Context.read([MARK, "one", "two"]).built(Context.read([MARK, "one"]).passages) == [MARK, "one"]


def test_a_mark_alone_is_no_passage() -> None:
    assert [passage.fixed for passage in Context.read(["one", MARK, {"image": {}}]).passages] == [
        False,
        True,
        False,
    ]
