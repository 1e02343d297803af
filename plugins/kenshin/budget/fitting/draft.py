"""A prompt while it is fitted: its messages and passages at their places, with running sums of what they cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeVar, cast

from kenshin.budget.fitting.costs import Cost, Costs
from kenshin.budget.fitting.messages import Message, marked
from kenshin.budget.fitting.passages import Context, Passage
from kenshin.budget.fitting.policy import Step, Taken
from kenshin.budget.fitting.result import Change, Section, Stage
from kenshin.budget.fitting.turns import Conversation, read_turns

_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class Edit:
    """One thing that could go: for each place what is to stand there; nothing takes it away.

    Args:
        section: which one.
        values: messages or passages by place.
        what: the step or the cut.
        reason: why, in words.
    """

    section: Section
    values: Mapping[int, tuple[Any, ...]]
    what: Step | Taken
    reason: str


class Draft:
    """A prompt in the making. Places never move: a message keeps the number it was given.

    Args:
        costs: what parts cost.
        fixed: of what is never changed.
        history: the messages.
        context: the passages.
        user_message: the turn to be answered.
    """

    def __init__(
        self, costs: Costs, fixed: Cost, history: Sequence[Message], context: Context, user_message: object
    ) -> None:
        self.costs, self.context = costs, context
        self.turns: dict[int, tuple[Message, ...]] = {place: (turn,) for place, turn in enumerate(history)}
        self.passages: dict[int, tuple[Passage, ...]] = {
            place: (passage,) for place, passage in enumerate(context.passages)
        }
        self.everything = False
        """Whether the cached prefix may be touched too."""
        self.cache_kept = True
        self.changes: list[Change] = []
        self.notes: list[str] = []
        self._user_message = user_message
        self._marks = {
            place
            for place, passage in enumerate(context.passages)
            if marked(context.given if context.split else passage.value)
        }
        self._squeezed: dict[int, tuple[object, object]] = {}
        self._scale = 1.0
        self._conversation: Conversation | None = None
        self._per_character = 0.0
        self._context_cost = self._cost_of_context(self.passages)
        self._cost = sum(map(costs.message, history), fixed + self._context_cost)

    @property
    def upper(self) -> int:
        """Upper bound of the whole prompt's tokens."""
        return self._scaled(self._cost)

    @property
    def conversation(self) -> Conversation:
        """The history taken apart, as it stands."""
        if self._conversation is None:
            entries = [(place, turn) for place, turns in self.turns.items() for turn in turns]
            self._conversation = read_turns(entries, self._user_message)
        return self._conversation

    @property
    def first_turn(self) -> int:
        """The first place of the history that may be touched."""
        return 0 if self.everything else self.conversation.cached + 1

    @property
    def first_passage(self) -> int:
        """The first place of the context that may be touched."""
        return 0 if self.everything else self._cached_passage() + 1

    def history(self) -> list[Message]:
        """The messages as they stand."""
        return [turn for turns in self.turns.values() for turn in turns]

    def rag_context(self) -> object:
        """The context as it stands, in the form given."""
        return self.context.built([passage for kept in self.passages.values() for passage in kept])

    def agree(self, upper: int) -> None:
        """Take a check's upper bound for the truth: from now on the sums are scaled to it."""
        self._scale = upper / self._cost.upper

    def saves(self, edit: Edit) -> bool:
        """Whether an edit would make the prompt smaller."""
        return self._smaller(self._costs_with([edit])(1))

    def squeezed(self, value: _Part, squeeze: Callable[[_Part], _Part]) -> _Part:
        """A passage or a message without white space that means nothing; each is read once in all passes."""
        known = self._squeezed.get(id(value))
        if known is None:
            tight = squeeze(value)
            self._squeezed[id(value)], self._squeezed[id(tight)] = (value, tight), (tight, tight)
            return tight
        return cast("_Part", known[1])

    def apply_fewest(self, edits: Sequence[Edit], upper: int, stage: Stage) -> bool:
        """Apply as few of the edits as bring the upper bound down to a number, all where none do.

        Args:
            edits: in the order to go; no two of the same place.
            upper: tokens to come down to.
            stage: what the changes are told to be part of.

        Returns:
            Whether anything changed; edits that would not make the prompt smaller are not applied.
        """
        if not edits:
            return False
        cost_of = self._costs_with(edits)
        count = fewest(len(edits), lambda some: self._scaled(cost_of(some)) <= upper)
        cost = cost_of(count)
        if not self._smaller(cost):
            return False
        cached = {"rag_context": self._cached_passage(), "conversation_history": self.conversation.cached}
        self._per_character = self._tokens_per_character()
        for edit in edits[:count]:
            self._apply(edit, stage, breaks=min(edit.values) <= cached[edit.section])
        self._conversation = None
        self._cost = cost
        if self.context.split:
            self._context_cost = self._cost_of_context(self.passages)
        return True

    def _scaled(self, cost: Cost) -> int:
        return round(cost.upper * self._scale)

    def _smaller(self, cost: Cost) -> bool:
        return cost.upper < self._cost.upper and cost.tokens <= self._cost.tokens

    def _costs_with(self, edits: Sequence[Edit]) -> Callable[[int], Cost]:
        """What the prompt costs after the first few of some edits; the parts of a split text count as one text."""
        sums = list(accumulate(map(self._difference, edits), initial=self._cost))

        def cost_of(count: int) -> Cost:
            if not self.context.split:
                return sums[count]
            passages = dict[int, tuple[Passage, ...]]()
            for edit in edits[:count]:
                if edit.section == "rag_context":
                    passages.update(edit.values)
            if not passages:
                return sums[count]
            return sums[count] + self._cost_of_context(self.passages | passages) - self._context_cost

        return cost_of

    def _difference(self, edit: Edit) -> Cost:
        """What an edit adds, but of a split text."""
        cost = Cost()
        if edit.section == "conversation_history":
            for place, turns in edit.values.items():
                cost += self._messages(turns) - self._messages(self.turns[place])
        elif not self.context.split:
            for place, kept in edit.values.items():
                cost += self._elements(kept) - self._elements(self.passages[place])
        return cost

    def _messages(self, turns: Sequence[Message]) -> Cost:
        return sum(map(self.costs.message, turns), Cost())

    def _elements(self, passages: Iterable[Passage]) -> Cost:
        return sum((self.costs.content(passage.value) for passage in passages), Cost())

    def _cost_of_context(self, passages: Mapping[int, tuple[Passage, ...]]) -> Cost:
        kept = [passage for some in passages.values() for passage in some]
        if not self.context.passages:
            return self.costs.content(self.context.given)
        if self.context.split:
            return self.costs.passing(self.context.joined(kept))
        return self._elements(kept)

    def _apply(self, edit: Edit, stage: Stage, *, breaks: bool) -> None:
        standing: dict[int, tuple[Any, ...]] = self.passages if edit.section == "rag_context" else self.turns
        before = self._tokens(edit, [value for place in edit.values for value in standing[place]])
        after = self._tokens(edit, [value for values in edit.values.values() for value in values])
        self.changes.append(
            Change(
                section=edit.section,
                index=min(edit.values),
                count=len(edit.values),
                stage=stage,
                what=edit.what,
                reason=f"{edit.reason}; in the cached prefix, since nothing else sufficed"
                if breaks
                else edit.reason,
                tokens_before=before,
                tokens_after=after,
            )
        )
        self.cache_kept = self.cache_kept and not breaks
        for place, values in edit.values.items():
            if values:
                standing[place] = values
            else:
                del standing[place]

    def _tokens(self, edit: Edit, values: Sequence[Any]) -> int:
        if edit.section == "conversation_history":
            return self._messages(values).tokens
        if self.context.split:
            return round(self._per_character * sum(len(passage.text) for passage in values))
        return self._elements(values).tokens

    def _tokens_per_character(self) -> float:
        """Of a split text: it is estimated as one, and a part's tokens are its share of them."""
        characters = sum(len(passage.text) for some in self.passages.values() for passage in some)
        return self._context_cost.tokens / max(characters, 1)

    def _cached_passage(self) -> int:
        return max(self._marks & self.passages.keys(), default=-1)


def fewest(most: int, enough: Callable[[int], bool]) -> int:
    """The smallest number of things found to be enough, or all; doubling first, so that few are found by few looks."""
    low, high = 0, 1
    while high < most and not enough(high):
        low, high = high, high * 2
    high = min(high, most)
    while high - low > 1:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle
    return high
