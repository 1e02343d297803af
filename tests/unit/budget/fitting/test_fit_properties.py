"""What holds of every prompt that is fitted, whatever it holds."""

from __future__ import annotations

import copy
from itertools import takewhile
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from unit.budget.prompts import WITHOUT_RESERVE, attempt, complaints, model_for, prompts

from kenshin.budget.check import check
from kenshin.budget.fitting import passages, steps, whitespace
from kenshin.budget.fitting.costs import Cost, Costs
from kenshin.budget.fitting.draft import Draft
from kenshin.budget.fitting.fit import fit
from kenshin.budget.fitting.messages import SUMMARY, marked
from kenshin.budget.fitting.passages import Context
from kenshin.budget.fitting.policy import CUTS, STEPS, Cut, FitPolicy
from kenshin.budget.models import Model
from kenshin.errors import KenshinError

SHARES = st.sampled_from([0.5, 0.82, 0.9, 0.94, 1.0, 1.3, 2.0, 4.0]) | st.floats(0.7, 6)
HARD = (*CUTS[:-2], Cut("conversation_history", 0), Cut("rag_context", 0), Cut("tool_rounds", 0))


@st.composite
def policies(draw: st.DrawFn) -> FitPolicy:
    compress_to, trim_to = draw(st.sampled_from([None, 0.6, 0.85])), draw(st.sampled_from([None, 0.6, 0.9]))
    return FitPolicy(
        compress_to=compress_to,
        trim_to=trim_to,
        steps=tuple(draw(st.permutations(STEPS)))[: draw(st.integers(0, 5))]
        if draw(st.booleans())
        else STEPS,
        keep_passages=draw(st.integers(0, 4)),
        keep_results=draw(st.integers(0, 3)),
        keep_exchanges=draw(st.integers(0, 3)),
        cuts=draw(st.sampled_from([CUTS, HARD, ()])),
        must_reach=draw(st.integers(0, 3)) == 0 and (trim_to or 0.8) <= (compress_to or 0.8),
    )


def words(messages: Any) -> str:
    return f"{len(messages)} turns about orders"


def fails(messages: Any) -> str:
    raise TimeoutError


SUMMARISERS = st.sampled_from([None, words, fails, lambda messages: "", lambda messages: "long " * 9_000])


def fitted(prompt: dict[str, Any], model: Model, **more: Any) -> tuple[Any, Any]:
    return attempt(fit, model, policy=WITHOUT_RESERVE, **prompt, **more)


@settings(max_examples=150, deadline=None)
@given(prompts(), SHARES, policies(), SUMMARISERS)
def test_a_fitted_prompt_is_one_the_apis_take_and_smaller(
    prompt: dict[str, Any], share: float, how: FitPolicy, summariser: Any
) -> None:
    given_before = copy.deepcopy(prompt)
    model = model_for(prompt, share)
    found, error = fitted(prompt, model, fit_policy=how, summariser=summariser)
    event(f"{found.action}, {'raised' if error else 'returned'}, {found.reached=}, {found.cache_kept=}")
    assert prompt == given_before
    history = found.conversation_history
    assert set(complaints(history, prompt["user_message"])) <= set(
        complaints(prompt["conversation_history"], prompt["user_message"])
    )
    for section in ("system_prompt", "user_message", "tools"):
        assert getattr(found, section) is prompt[section]
    assert type(found.conversation_history) is type(prompt["conversation_history"])
    if not prompt["user_message"]:
        assert history[-1] is prompt["conversation_history"][-1]
    turns = prompt["conversation_history"]
    unanswered = list(takewhile(lambda turn: turn["role"] == "user", reversed(turns)))
    assert all(new is old for new, old in zip(reversed(history), unanswered, strict=False))
    assert len(history) >= len(unanswered)
    assert found.after.upper_tokens <= found.before.upper_tokens
    assert found.saved_tokens == found.before.total_tokens - found.after.total_tokens >= 0
    assert found.after == check(
        model,
        **prompt | {"conversation_history": history, "rag_context": found.rag_context},
        policy=WITHOUT_RESERVE,
    )
    assert found.reached == (found.after.upper_tokens / found.after.budget_limit <= found.target)
    assert (error is not None) == (found.after.status == "critical" or (how.must_reach and not found.reached))
    assert (
        (found.action == "none")
        == (not found.changes)
        == (found.after.upper_tokens == found.before.upper_tokens)
    )


@settings(max_examples=100, deadline=None)
@given(prompts(), SHARES, policies(), SUMMARISERS)
def test_fitting_again_changes_nothing_and_fitting_alike_gives_the_same(
    prompt: dict[str, Any], share: float, how: FitPolicy, summariser: Any
) -> None:
    model = model_for(prompt, share)
    first, error = fitted(prompt, model, fit_policy=how, summariser=summariser)
    again, _ = fitted(copy.deepcopy(prompt), model, fit_policy=how, summariser=summariser)
    assert again == first
    if error is None:
        left = prompt | {"conversation_history": first.conversation_history, "rag_context": first.rag_context}
        second, _ = fitted(left, model, fit_policy=how, summariser=summariser)
        assert (second.action, second.changes) == ("none", ())
        assert second.conversation_history is first.conversation_history
        assert second.rag_context is first.rag_context


@settings(max_examples=60, deadline=None)
@given(prompts(), SHARES, policies())
def test_it_holds_where_there_is_more_than_is_looked_at(
    prompt: dict[str, Any], share: float, how: FitPolicy
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for module in (passages, steps):
            patch.setattr(module, "MOST", 2)
        for module in (passages, whitespace):
            patch.setattr(module, "MOST_SPANS", 1)
        patch.setattr(whitespace, "MOST_GAPS", 2)
        model = model_for(prompt, share)
        first, error = fitted(prompt, model, fit_policy=how)
        assert first.after.upper_tokens <= first.before.upper_tokens
        if error is None:
            left = {"conversation_history": first.conversation_history, "rag_context": first.rag_context}
            assert fitted(prompt | left, model, fit_policy=how)[0].action == "none"


def test_what_is_read_of_a_context_grows_with_its_length() -> None:
    read: list[object] = []

    class Counting(Costs):
        def content(self, content: object, *, frame: int = 0) -> Cost:
            read.append(content)
            return super().content(content, frame=frame)

    costs, many = Counting(Model("any", 10**9, "claude-3")), [f"rule {at}  " for at in range(40)]
    draft = Draft(costs, Cost(), [], Context.read(many), "")
    read.clear()
    draft.apply_fewest(steps.white_space(draft), 0, "compress")
    assert len(draft.changes) == len(many)
    assert len(read) <= 8 * len(many)


@settings(max_examples=100, deadline=None)
@given(prompts(), SHARES, policies())
def test_a_cached_prefix_stays_or_its_loss_is_told(
    prompt: dict[str, Any], share: float, how: FitPolicy
) -> None:
    model = model_for(prompt, share)
    found, _ = fitted(prompt, model, fit_policy=how)
    history = prompt["conversation_history"]
    ends = max((at for at, turn in enumerate(history) if marked(turn["content"])), default=-1) + 1
    kept = found.conversation_history[:ends] == history[:ends]
    context = prompt["rag_context"]
    if isinstance(context, list):
        ends = max((at for at, passage in enumerate(context) if marked(passage)), default=-1) + 1
        kept = kept and found.rag_context[:ends] == context[:ends]
    assert kept == found.cache_kept
    told = [change for change in found.changes if "cached prefix" in change.reason]
    assert found.cache_kept == (not told)
    if not found.cache_kept:
        assert found.before.status == "critical" or how.must_reach


@settings(max_examples=60, deadline=None)
@given(prompts(), SHARES, st.integers(0, 3))
def test_compression_by_a_summariser_keeps_the_newest_turns(
    prompt: dict[str, Any], share: float, keep: int
) -> None:
    model = model_for(prompt, share)
    how = FitPolicy(steps=("old_turns",), keep_exchanges=keep, cuts=())
    heard: list[Any] = []

    def summariser(messages: Any) -> str:
        heard.extend(messages)
        return "Orders were discussed."

    found, _ = fitted(prompt, model, fit_policy=how, summariser=summariser)
    given_turns, turns = list(prompt["conversation_history"]), list(found.conversation_history)
    assert [
        turn for turn in turns if turn in given_turns or SUMMARY in str(turn) or "Noted" in str(turn)
    ] == turns
    if found.changes:
        place = next(at for at, turn in enumerate(turns) if SUMMARY in str(turn["content"]))
        gone = found.changes[0]
        assert turns[:place] == given_turns[:place]
        assert turns[place + 2 :] == given_turns[gone.index + gone.count :] or len(found.changes) > 1
        assert all(
            any(turn is said for said in heard) for turn in given_turns[gone.index : gone.index + gone.count]
        )


@settings(max_examples=40, deadline=None)
@given(prompts())
def test_the_running_sums_are_close_to_the_check(prompt: dict[str, Any]) -> None:
    """A check reads messages by runs, the sums read each for itself."""
    model = Model("any", 10**9, "claude-4.7", practical_ratio=1.0)
    costs = Costs(model)
    fixed = costs.fixed(prompt["system_prompt"], prompt["user_message"], [{"name": "find"}], 0)
    draft = Draft(
        costs,
        fixed,
        prompt["conversation_history"],
        Context.read(prompt["rag_context"]),
        prompt["user_message"],
    )
    found = check(model, policy=WITHOUT_RESERVE, **prompt | {"tools": [{"name": "find"}]})
    assert draft.upper == pytest.approx(found.upper_tokens, rel=0.05, abs=20)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "text",
                    "type",
                    "content",
                    "image",
                    "toolUse",
                    "toolResult",
                    "toolUseId",
                    "score",
                    "cachePoint",
                ]
            ),
            inner,
        )
    ),
    max_leaves=20,
)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "tool", None, 3]), "content": JUNK}),
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(JUNK, JUNK | MESSAGES, JUNK, SHARES)
def test_any_content_is_a_result_or_a_typed_error(
    content: Any, history: Any, context: Any, share: float
) -> None:
    prompt = {"user_message": content, "conversation_history": history, "rag_context": context}
    try:
        model = model_for(prompt, share)
        found, _ = fitted(prompt, model)
    except KenshinError:
        return
    assert found.after.upper_tokens <= found.before.upper_tokens
