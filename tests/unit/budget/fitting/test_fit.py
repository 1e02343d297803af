from __future__ import annotations

import json
import pickle
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from unit.budget.prompts import model_for, result_block, use_block

from kenshin.budget.check import BudgetPolicy, check
from kenshin.budget.fitting.fit import fit
from kenshin.budget.fitting.messages import CLEARED, SUMMARY
from kenshin.budget.fitting.passages import MOST
from kenshin.budget.fitting.policy import Cut, FitPolicy
from kenshin.budget.models import DEFAULT_MODEL, Models
from kenshin.errors import ContextBudgetExceeded, InvalidInput, InvalidPolicy

AT = datetime(2026, 11, 1, tzinfo=UTC)
BARE = BudgetPolicy(output_reserve=0)
MARK = {"cachePoint": {"type": "default"}}


def story(number: int, sentences: int = 12) -> str:
    """Text that is unlike that of another number."""
    return " ".join(
        f"In town {number} the {number + at}th train carries parcel {number * 37 + at}."
        for at in range(sentences)
    )


def exchange(number: int, *, tool: bool = False) -> list[dict[str, Any]]:
    round_ = [
        {"role": "assistant", "content": [use_block("converse", f"t{number}", "x")]},
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": f"t{number}", "content": [{"text": story(number)}]}}],
        },
    ]
    return [
        {"role": "user", "content": [{"text": story(number, 2)}]},
        *(round_ if tool else []),
        {"role": "assistant", "content": [{"text": story(100 + number, 2)}]},
    ]


def history(exchanges: int, *, tool: bool = False) -> list[dict[str, Any]]:
    return [message for number in range(exchanges) for message in exchange(number, tool=tool)]


def fitted(share: float, *, how: FitPolicy | None = None, summariser: Any = None, **prompt: Any) -> Any:
    prompt = {"system_prompt": "Be kind.", "user_message": "Where is my order?"} | prompt
    model = model_for(prompt, share)
    return fit(model, policy=BARE, fit_policy=how, summariser=summariser, **prompt)


def what(found: Any) -> list[str]:
    return [change.what for change in found.changes]


def test_a_normal_prompt_comes_back_as_it_is() -> None:
    turns = history(3)
    found = fitted(0.79, conversation_history=turns, rag_context=story(1))
    assert (found.action, found.saved_tokens, found.reached, found.changes) == ("none", 0, True, ())
    assert found.conversation_history is turns
    assert found.after is found.before


@pytest.mark.parametrize(
    ("step", "prompt"),
    [
        ("white_space", {"rag_context": json.dumps([story(1), [[1]] * 60], indent=8)}),
        ("repeated_passages", {"rag_context": [story(1), story(2), story(1), story(3)]}),
        ("low_ranked_passages", {"rag_context": [story(at) for at in range(9)]}),
        ("tool_results", {"conversation_history": history(6, tool=True)}),
    ],
)
def test_a_warning_is_compressed_by_the_first_step_that_suffices(step: str, prompt: dict[str, Any]) -> None:
    found = fitted(0.9, **prompt)
    assert (found.before.status, found.after.status, found.action) == ("warning", "normal", "compressed")
    assert set(what(found)) == {step}
    assert found.reached
    assert found.after.upper_pct <= 80


def test_of_a_series_no_volume_goes_for_being_like_another() -> None:
    volumes = [
        f"{story(1)} This is the {part} volume of the series. {story(1, 6)}" for part in ("first", "second")
    ]
    how = FitPolicy(steps=("repeated_passages",))
    assert fitted(0.9, how=how, rag_context=volumes).action == "none"
    assert (
        fitted(0.9, how=FitPolicy(steps=how.steps, near=0.9), rag_context=volumes).rag_context == volumes[:1]
    )
    assert fitted(0.9, how=how, rag_context=[*volumes, volumes[0]]).rag_context == volumes


def test_an_unanswered_turn_of_the_history_stays_with_the_user_message() -> None:
    turns = [*history(6), {"role": "user", "content": story(77)}]
    cuts = (Cut("conversation_history", 0),)
    assert (
        fitted(2.5, how=FitPolicy(cuts=cuts), conversation_history=turns).conversation_history == turns[-1:]
    )


def test_passages_beyond_the_most_go_first_and_at_once() -> None:
    many = [f"rule {number}" for number in range(MOST + 500)]
    for context in (many, "\n\n".join(many)):
        found = fitted(0.9, rag_context=context)
        beyond, *others = found.changes
        assert (beyond.index, beyond.what) == (MOST, "low_ranked_passages")
        assert [change.index for change in others] == list(range(MOST - 1, MOST - 1 - len(others), -1))
        assert found.reached


def test_no_more_goes_than_has_to() -> None:
    found = fitted(0.85, rag_context=[story(at) for at in range(20)])
    assert 0 < len(found.changes) < 4
    assert found.rag_context == [story(at) for at in range(20 - len(found.changes))]
    assert [change.index for change in found.changes] == [19, 18, 17][: len(found.changes)]


def test_what_went_and_why_is_told() -> None:
    scored = [{"text": story(at), "score": round(0.1 * at, 1)} for at in range(9)]
    change = fitted(0.82, rag_context=scored).changes[0]
    assert (change.section, change.index, change.count, change.stage) == ("rag_context", 0, 1, "compress")
    assert change.reason == "ranks 9 of 9 by its score of 0"
    assert change.tokens_before > 100 > change.tokens_after == 0
    [change, *_] = fitted(0.9, rag_context=[story(1), story(2), story(1)]).changes
    assert (change.index, change.reason) == (2, "says what passage 0 says")


def test_old_tool_results_leave_a_marker_with_their_id() -> None:
    turns = history(6, tool=True)
    found = fitted(0.9, conversation_history=turns)
    cleared = found.changes[0].index
    result = found.conversation_history[cleared]["content"][0]["toolResult"]
    assert result == {"toolUseId": f"t{cleared // 4}", "content": [{"text": CLEARED}]}
    assert found.conversation_history[-10:] == turns[-10:]
    assert turns == history(6, tool=True)


def test_old_turns_go_to_the_summariser() -> None:
    heard: list[Any] = []

    def summariser(messages: Any) -> str:
        heard.append(messages)
        return " Parcels were discussed. "

    turns = history(9)
    found = fitted(0.9, conversation_history=turns, summariser=summariser)
    assert what(found) == ["old_turns"]
    assert heard == [turns[:10]]
    assert found.conversation_history[2:] == turns[10:]
    assert found.conversation_history[0]["content"] == [{"text": f"{SUMMARY}\nParcels were discussed."}]
    more = [*found.conversation_history, *history(9)[10:]]
    again = fitted(0.9, conversation_history=more, summariser=summariser)
    assert heard[1][:2] == found.conversation_history[:2]
    assert sum(SUMMARY in str(turn) for turn in again.conversation_history) == 1


def broken(messages: Any) -> str:
    raise TimeoutError("a secret")


@pytest.mark.parametrize(
    ("summariser", "note"),
    [
        (broken, "failed (TimeoutError)"),
        (lambda messages: " ", "an empty text"),
        (lambda messages: None, "NoneType, not a text"),
        (lambda messages: story(7, 900), "no shorter"),
    ],
)
def test_a_summariser_that_has_no_good_answer_is_passed_over(summariser: Any, note: str) -> None:
    found = fitted(0.9, conversation_history=history(9), summariser=summariser)
    assert (found.action, found.after.status, found.reached) == ("none", "warning", False)
    assert note in found.notes[0]
    assert "secret" not in found.notes[0]
    trimmed = fitted(1.5, conversation_history=history(9), summariser=summariser)
    assert (trimmed.action, trimmed.after.status) == ("trimmed", "normal")
    assert note in trimmed.notes[0]


def test_a_critical_prompt_is_trimmed_by_the_priorities() -> None:
    prompt = {"conversation_history": history(12), "rag_context": [story(at) for at in range(200, 206)]}
    first = fitted(1.6, **prompt)
    assert (first.before.status, first.after.status, first.action) == ("critical", "normal", "trimmed")
    assert first.conversation_history == history(12)[-len(first.conversation_history) :]
    assert len(first.conversation_history) >= 8
    assert len(first.rag_context) == 3
    cuts = (Cut("rag_context", 0), Cut("conversation_history", 1))
    other = fitted(1.6, how=FitPolicy(cuts=cuts), **prompt)
    assert len(other.rag_context) < 3
    assert len(other.conversation_history) > len(first.conversation_history)


def test_rounds_of_a_long_loop_go_without_its_question() -> None:
    loop: list[dict[str, Any]] = [{"role": "user", "content": "Find all parcels."}]
    for number in range(9):
        loop += [
            {"role": "assistant", "content": [use_block("messages", f"t{number}", story(number))]},
            {"role": "user", "content": [result_block("messages", f"t{number}", story(number))]},
        ]
    found = fitted(3.0, conversation_history=loop, user_message="")
    left = found.conversation_history
    assert found.action == "trimmed"
    assert "tool_rounds" in what(found)
    assert left[0] is loop[0]
    assert left[-2:] == loop[-2:]


def test_a_cached_prefix_goes_last_and_its_loss_is_told() -> None:
    turns = history(8)
    turns[7] = {"role": "assistant", "content": [*turns[7]["content"], MARK]}
    kept = fitted(1.2, conversation_history=turns)
    assert kept.cache_kept
    assert kept.conversation_history[:8] == turns[:8]
    lost = fitted(3.0, conversation_history=turns)
    assert not lost.cache_kept
    assert lost.changes[-1].reason.endswith("in the cached prefix, since nothing else sufficed")
    assert "the cached prefix is not as it was" in lost.summary


def test_a_warning_leaves_a_cached_prefix_alone() -> None:
    turns = history(8, tool=True)
    turns[-1] = {"role": "assistant", "content": [*turns[-1]["content"], MARK]}
    found = fitted(0.9, conversation_history=turns)
    assert (found.action, found.reached, found.cache_kept) == ("none", False, True)


def test_a_summary_outlives_the_exchanges_that_can_go() -> None:
    how = FitPolicy(cuts=(Cut("conversation_history", 2), Cut("conversation_history", 0)), keep_exchanges=4)
    found = fitted(3.0, how=how, conversation_history=history(12), summariser=lambda messages: "Parcels.")
    assert found.action == "trimmed"
    assert SUMMARY in str(found.conversation_history[0])
    assert len(found.conversation_history) < 2 + 8


def test_nothing_helps() -> None:
    with pytest.raises(ContextBudgetExceeded, match="system prompt") as caught:
        fitted(1.3, system_prompt=story(1), user_message=story(2), conversation_history=history(2))
    error = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert error.best == caught.value.best
    assert error.best.after.status == "critical"
    assert error.best.before.upper_tokens > error.best.after.upper_tokens
    assert error.as_dict()["type"] == "ContextBudgetExceeded"


def test_a_missed_target_is_an_error_only_where_it_must_be_reached() -> None:
    prompt = {"system_prompt": story(1), "rag_context": "short"}
    found = fitted(0.9, **prompt)
    assert (found.after.status, found.reached) == ("warning", False)
    with pytest.raises(ContextBudgetExceeded):
        fitted(0.9, how=FitPolicy(must_reach=True), **prompt)


def test_the_record_has_the_check_of_what_was_given_and_what_was_done() -> None:
    found = fitted(1.5, conversation_history=history(9))
    record = found.as_record(AT, trace_id="f" * 32)
    assert (record.status, record.action, record.saved_tokens) == ("critical", "trimmed", found.saved_tokens)
    assert record.total_tokens == found.before.total_tokens
    assert record.trace_id == "f" * 32
    line = json.dumps(found.as_dict())
    assert "parcel" not in line
    assert json.loads(line)["changes"][0]["section"] == "conversation_history"


def test_a_judge_that_corrects_estimates_decides() -> None:
    def judge(model: Any, **prompt: Any) -> Any:
        found = check(model, **prompt)
        upper = round(1.5 * found.upper_tokens)
        share = upper / found.budget_limit
        return replace(
            found,
            upper_tokens=upper,
            status="critical" if share > 0.95 else "warning" if share > 0.8 else "normal",
        )

    prompt = {"user_message": "Where?", "conversation_history": history(12)}
    model = model_for(prompt, 0.7)
    assert fit(model, policy=BARE, **prompt).action == "none"
    found = fit(model, policy=BARE, judge=judge, **prompt)
    assert (found.action, found.after.status, found.reached) == ("trimmed", "normal", True)
    assert found.after.upper_tokens > 0.7 * found.after.budget_limit


def test_bad_input_is_a_typed_error() -> None:
    model = Models.load().find(DEFAULT_MODEL)
    for prompt in ({"conversation_history": "text"}, {"conversation_history": [1]}, {"rag_context": 3}):
        with pytest.raises(InvalidInput):
            fit(model, **prompt)
    with pytest.raises(InvalidPolicy):
        fit(model, fit_policy=FitPolicy(compress_to=0.99))


@pytest.mark.parametrize("share", [0.9, 1.5, 4.0])
@pytest.mark.parametrize("form", ["text", "list"])
def test_texts_long_enough_to_be_sampled_are_fitted_once(form: str, share: float) -> None:
    passages = [story(at % 17, 5 + 7 * (at % 11)) for at in range(60)]
    context: Any = passages if form == "list" else "\n\n\n".join(passages)
    prompt = {"system_prompt": "Be kind.", "user_message": "Where?", "conversation_history": history(4)}
    model = model_for(prompt | {"rag_context": context}, share)
    found = fit(model, policy=BARE, rag_context=context, **prompt)
    assert found.reached
    again = fit(model, policy=BARE, **prompt | {"rag_context": found.rag_context})
    assert again.action == "none"
    later = fit(
        model, policy=BARE, fit_policy=FitPolicy(compress_to=0.5), rag_context=found.rag_context, **prompt
    )
    assert later.action == "none"


def test_ten_million_characters_are_fitted() -> None:
    model = Models.load().find(DEFAULT_MODEL)
    noise = "\0\ud800 " * 3_400_000
    noisy = [{"role": "user", "content": noise}, {"role": "assistant", "content": "What?"}]
    found = fit(model, conversation_history=[*noisy, *history(2)], user_message="?")
    assert found.after.status == "normal"
    assert found.conversation_history == history(2)
    spaced = fit(model, rag_context="parcel" + " " * 10_000_000 + "train", user_message="?")
    assert spaced.rag_context == "parcel train"
