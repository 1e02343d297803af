"""What can go from a prompt: each step proposes edits of a draft, in the order in which to take them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from kenshin.budget.fitting.draft import Draft, Edit
from kenshin.budget.fitting.messages import Message, summary_pair, with_cleared_results, with_texts
from kenshin.budget.fitting.passages import MOST, Passage, ranked
from kenshin.budget.fitting.policy import Cut, FitPolicy, Step, Taken
from kenshin.budget.fitting.repetition import repetitions
from kenshin.budget.fitting.result import Section
from kenshin.budget.fitting.whitespace import squeeze

Summariser = Callable[[Sequence[Message]], str]
"""Puts messages into words; it must not change them."""

Propose = Callable[[Draft], list[Edit]]

_Each = TypeVar("_Each")


def compressing(how: FitPolicy, summariser: Summariser | None) -> list[Propose]:
    """The policy's steps of compression, in order."""
    steps: Mapping[Step, Propose] = {
        "white_space": white_space,
        "repeated_passages": lambda draft: repeated_passages(draft, how.near),
        "low_ranked_passages": lambda draft: low_passages(draft, how.keep_passages, "low_ranked_passages"),
        "tool_results": lambda draft: old_results(draft, how.keep_results),
        "old_turns": lambda draft: old_turns(draft, how.keep_exchanges, summariser),
    }
    return [steps[step] for step in how.steps]


def trimming(how: FitPolicy) -> list[Propose]:
    """The policy's cuts, in order."""
    return [
        _cutting(cut, final=all(later.what != cut.what for later in how.cuts[at + 1 :]))
        for at, cut in enumerate(how.cuts)
    ]


def white_space(draft: Draft) -> list[Edit]:
    """White space without meaning in passages and messages; what a tool printed keeps the gaps in its lines."""
    edits = list[Edit]()
    squeezed = {
        place: (new,)
        for place, old in _compared(draft).items()
        if place >= draft.first_passage and (new := draft.squeezed(old, Passage.squeezed)) is not old
    }
    together = (
        [squeezed] if draft.context.split and squeezed else [{place: new} for place, new in squeezed.items()]
    )
    edits += [_tightened("rag_context", values) for values in together]
    intact, first = draft.conversation.intact, draft.first_turn
    for place, turns in draft.turns.items():
        if place < first or place in intact:
            continue
        tight = tuple(draft.squeezed(turn, _squeezed) for turn in turns)
        if any(after is not before for after, before in zip(tight, turns, strict=True)):
            edits.append(_tightened("conversation_history", {place: tight}))
    return [edit for edit in edits if draft.saves(edit)]


def repeated_passages(draft: Draft, share: float) -> list[Edit]:
    """Passages that a better one says already, the least worth first."""
    passages = _compared(draft)
    order = ranked(passages)
    found = repetitions(((place, passages[place].text) for place in reversed(order)), share)
    return [
        Edit("rag_context", {place: ()}, "repeated_passages", _repeats(found[place].of, found[place].share))
        for place in order
        if place in found and place >= draft.first_passage
    ]


def low_passages(draft: Draft, keep: int, what: Step | Taken) -> list[Edit]:
    """Passages but the best ones, the least worth first."""
    passages = _movable(draft)
    order = ranked(passages)
    free = [place for place in order[: max(len(order) - keep, 0)] if place >= draft.first_passage]
    rank = {place: len(order) - at for at, place in enumerate(order)}
    surplus = [place for place in free if rank[place] > MOST]
    together = Edit("rag_context", dict.fromkeys(surplus, ()), what, f"rank below {MOST} of {len(order)}")
    return [together] * bool(surplus) + [
        Edit("rag_context", {place: ()}, what, _low(rank[place], len(order), passages[place]))
        for place in free[len(surplus) :]
    ]


def old_results(draft: Draft, keep: int) -> list[Edit]:
    """Contents of tool results but the newest, the oldest first; their ids and pairs stay."""
    talk, edits = draft.conversation, list[Edit]()
    for place in _but_newest(talk.results, keep):
        if place >= draft.first_turn and place not in talk.intact:
            new = tuple(map(with_cleared_results, draft.turns[place]))
            edits.append(
                Edit(
                    "conversation_history",
                    {place: new},
                    "tool_results",
                    f"older than the newest {keep} tool results",
                )
            )
    return [edit for edit in edits if draft.saves(edit)]


def old_turns(draft: Draft, keep: int, summariser: Summariser | None) -> list[Edit]:
    """All exchanges but the newest, in the summariser's words; none where it has no good answer, which is noted."""
    talk, first = draft.conversation, draft.first_turn
    old = [place for group in _but_newest(talk.exchanges, keep) if min(group) >= first for place in group]
    if summariser is None or not old or draft.notes:
        return []
    region = sorted(old + [place for place in talk.summary if place >= first])
    messages = [turn for place in region for turn in draft.turns[place]]
    try:
        text: object = summariser(messages)
    except Exception as error:  # whatever a caller's function raises, the prompt has to be fitted
        draft.notes.append(
            f"The summariser failed ({type(error).__name__}): old turns were left to the next steps."
        )
        return []
    if not isinstance(text, str) or not text.strip():
        said = "an empty text" if isinstance(text, str) else f"{type(text).__name__}, not a text"
        draft.notes.append(f"The summariser answered {said}: old turns were left to the next steps.")
        return []
    values: dict[int, tuple[Message, ...]] = dict.fromkeys(region, ())
    values[region[0]] = summary_pair(text.strip(), messages[0])
    edit = Edit(
        "conversation_history",
        values,
        "old_turns",
        f"older than the newest {keep} exchanges, in the summariser's words",
    )
    if draft.saves(edit):
        return [edit]
    draft.notes.append(
        "The summariser's text is no shorter than the turns: they were left to the next steps."
    )
    return []


def old_exchanges(draft: Draft, keep: int, *, final: bool) -> list[Edit]:
    """Exchanges but the newest, the oldest first; in the final cut a summary of earlier ones goes last."""
    talk, first = draft.conversation, draft.first_turn
    why = f"older than the newest {keep} exchanges"
    edits = [
        Edit("conversation_history", dict.fromkeys(group, ()), "conversation_history", why)
        for group in _but_newest(talk.exchanges, keep)
        if min(group) >= first
    ]
    if final and talk.summary and min(talk.summary) >= first:
        why = "a summary, after all that could go before it"
        edits.append(
            Edit("conversation_history", dict.fromkeys(talk.summary, ()), "conversation_history", why)
        )
    return edits


def old_rounds(draft: Draft, keep: int) -> list[Edit]:
    """Requests for tools and their results but the newest, the oldest first."""
    talk = draft.conversation
    return [
        Edit(
            "conversation_history",
            dict.fromkeys(pair, ()),
            "tool_rounds",
            f"older than the newest {keep} rounds of tool use",
        )
        for pair in _but_newest(talk.rounds, keep)
        if pair[0] >= draft.first_turn and not talk.intact & set(pair)
    ]


def _cutting(cut: Cut, *, final: bool) -> Propose:
    cuts: Mapping[Taken, Propose] = {
        "rag_context": lambda draft: low_passages(draft, cut.keep, "rag_context"),
        "conversation_history": lambda draft: old_exchanges(draft, cut.keep, final=final),
        "tool_results": lambda draft: old_results(draft, cut.keep),
        "tool_rounds": lambda draft: old_rounds(draft, cut.keep),
    }
    return cuts[cut.what]


def _movable(draft: Draft) -> dict[int, Passage]:
    return {place: passage for place, (passage,) in draft.passages.items() if not passage.fixed}


def _compared(draft: Draft) -> Mapping[int, Passage]:
    """The passages that are compared and squeezed: none as long as there are more than are looked at one by one."""
    passages = _movable(draft)
    many = len(passages) > MOST or any(passage.rest for passage in passages.values())
    return {} if many else passages


def _but_newest(values: Sequence[_Each], keep: int) -> Sequence[_Each]:
    return values[: max(len(values) - keep, 0)]


def _squeezed(message: Message) -> Message:
    return with_texts(message, lambda text, tool: squeeze(text, prose=not tool))


def _tightened(section: Section, values: Mapping[int, tuple[object, ...]]) -> Edit:
    return Edit(section, values, "white_space", "white space that means nothing")


def _repeats(of: int, share: float) -> str:
    return f"says what passage {of} says" if share == 1 else f"{share:.0%} of it is in passage {of}"


def _low(rank: int, of: int, passage: Passage) -> str:
    scored = "" if passage.score is None else f" by its score of {passage.score:g}"
    return f"ranks {rank} of {of}{scored}"
