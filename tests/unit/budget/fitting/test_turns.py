from __future__ import annotations

from typing import Any

from unit.budget.prompts import result_block, use_block

from kenshin.budget.fitting.messages import summary_pair
from kenshin.budget.fitting.turns import Conversation, read_turns


def user(content: Any = "hi") -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any = "yes") -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def asks(*tools: str) -> dict[str, Any]:
    return assistant([use_block("converse", tool, "x") for tool in tools])


def brings(*tools: str, **more: Any) -> dict[str, Any]:
    return user([result_block("messages", tool, "found") for tool in tools] + ([more] if more else []))


def talk(*messages: Any, user_message: Any = "next") -> Conversation:
    return read_turns(list(enumerate(messages)), user_message)


def test_an_exchange_goes_from_question_to_question() -> None:
    found = talk(user(), asks("a"), brings("a"), assistant(), user(), assistant())
    assert found.exchanges == ((0, 1, 2, 3), (4, 5))
    assert (found.rounds, found.results, found.cached, found.intact) == (((1, 2),), (2,), -1, frozenset())


def test_without_a_user_message_the_last_exchange_is_the_current_one() -> None:
    found = talk(user(), assistant(), user("?"), asks("a"), brings("a"), user_message="")
    assert found.exchanges == ((0, 1),)
    assert found.rounds == ()
    assert found.intact == {2, 4}


def test_a_user_message_that_brings_a_result_continues_the_last_exchange() -> None:
    found = talk(user(), assistant(), user(), asks("a"), user_message=brings("a")["content"])
    assert found.exchanges == ((0, 1),)
    assert found.intact == {2}


def test_a_late_result_keeps_its_exchange_together() -> None:
    assert talk(user(), asks("a"), user("wait"), assistant(), brings("a"), assistant()).exchanges == (
        (0, 1, 2, 3, 4, 5),
    )


def test_what_a_user_says_in_a_row_is_one_turn_and_stays_whole_while_it_is_open() -> None:
    found = talk(user(), user("more"), assistant(), user("see this"))
    assert (found.exchanges, found.intact) == (((0, 1, 2),), {3})
    found = talk(user(), assistant(), user("one"), user("two"), user_message="")
    assert (found.exchanges, found.intact) == (((0, 1),), {2, 3})
    found = talk(user("one"), user("two"), asks("a"), brings("a"), user("and hurry"), user_message="")
    assert (found.exchanges, found.intact) == ((), {0, 1, 3, 4})


def test_ids_used_again_hold_nothing_together() -> None:
    again = [user(), asks("a"), brings("a"), assistant()]
    assert len(talk(*again, *again, *again).exchanges) == 3


def test_a_round_goes_only_where_it_is_whole_and_alone() -> None:
    assert talk(user(), asks("a", "b"), brings("b", "a"), assistant()).rounds == ((1, 2),)
    assert talk(user(), asks("a", "b"), brings("a"), assistant()).rounds == ()
    assert talk(user(), asks("a"), brings("a", text="and hurry"), assistant()).rounds == ()
    assert talk(user(), asks("a"), brings("a")).rounds == ()


def test_a_summary_is_told_from_the_exchanges() -> None:
    first, second = summary_pair("They met.", user([{"type": "text", "text": "x"}]))
    assert first["content"][0].keys() == {"type", "text"}
    found = read_turns([(0, first), (0, second), (3, user()), (4, assistant())], "next")
    assert (found.summary, found.exchanges) == ((0,), ((3, 4),))


def test_the_last_mark_ends_the_cached_prefix() -> None:
    marked = assistant([{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}])
    inside = user([{"toolResult": {"toolUseId": "a", "content": [{"cachePoint": {"type": "default"}}]}}])
    assert talk(user(), marked, user(), assistant()).cached == 1
    assert talk(user(), asks("a"), inside, assistant()).cached == 2
    assert talk(user(), assistant([{"text": "x", "cache_control": None}])).cached == -1


def test_roles_that_nobody_knows_are_part_of_an_exchange() -> None:
    assert talk({"role": "tool", "content": "x"}, user(), {"content": "y"}, {"role": None}).exchanges == (
        (0,),
        (1, 2, 3),
    )
    assert talk(user_message="").exchanges == ()
