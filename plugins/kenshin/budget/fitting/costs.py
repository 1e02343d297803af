"""What the parts of a prompt cost, in sums that a part can join and leave without the rest being read again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kenshin.budget.check import MESSAGE_FRAME, REQUEST_FRAME, TOGETHER, TOOLS_FRAME, TOOLS_FRAME_UPPER
from kenshin.budget.content import as_json, read_content
from kenshin.budget.estimate import TokenEstimate, estimate_text
from kenshin.budget.models import Model


@dataclass(frozen=True, slots=True)
class Cost:
    """Tokens of some texts, and how wrong they may be.

    Args:
        tokens: their estimate.
        excess: sum of the texts' 95 % margins.
        squares: sum of the margins' squares.
    """

    tokens: int = 0
    excess: int = 0
    squares: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.tokens + other.tokens, self.excess + other.excess, self.squares + other.squares)

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.tokens - other.tokens, self.excess - other.excess, self.squares - other.squares)

    @property
    def upper(self) -> int:
        """The 95 % upper bound; the margins go together as `kenshin.budget.check.together` has it."""
        return self.tokens + math.ceil(
            math.sqrt((1 - TOGETHER) * self.squares + TOGETHER * self.excess * self.excess)
        )


class Costs:
    """Costs of one prompt's parts for a model; a text is estimated once, a message read once.

    Args:
        model: from the registry.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._estimates: dict[str, TokenEstimate] = {}
        self._messages: dict[int, tuple[Mapping[str, object], Cost]] = {}

    def text(self, text: str) -> Cost:
        """One text's, remembered."""
        estimate = self._estimates.get(text)
        if estimate is None:
            estimate = self._estimates[text] = estimate_text(text, self._model.family)
        return _cost(estimate)

    def passing(self, text: str) -> Cost:
        """One text's, not remembered: for long texts of which many versions are tried."""
        return _cost(estimate_text(text, self._model.family))

    def content(self, content: object, *, frame: int = 0) -> Cost:
        """A message's content's.

        Raises:
            InvalidInput: it is no content.
        """
        read = read_content(content)
        return sum(map(self.text, read.texts), Cost(read.image_tokens + frame))

    def message(self, message: Mapping[str, object]) -> Cost:
        """One message's of the history.

        Raises:
            InvalidInput: its content is none.
        """
        known = self._messages.get(id(message))
        if known is None:
            cost = self.content(message.get("content", ""), frame=MESSAGE_FRAME)
            known = self._messages[id(message)] = message, cost
        return known[1]

    def fixed(
        self, system_prompt: object, user_message: object, tools: Sequence[Mapping[str, object]], reserve: int
    ) -> Cost:
        """Of what is never changed: system prompt, user message, tools and the reserve.

        Raises:
            InvalidInput: one of them is no content.
        """
        whole = self.content(system_prompt, frame=reserve)
        whole += self.content(user_message, frame=REQUEST_FRAME[self._model.family])
        if tools:
            frame = TOOLS_FRAME_UPPER - TOOLS_FRAME
            whole += sum(
                (self.text(as_json(tool)) for tool in tools), Cost(TOOLS_FRAME, frame, frame * frame)
            )
        return whole


def _cost(estimate: TokenEstimate) -> Cost:
    excess = estimate.upper - estimate.tokens
    return Cost(estimate.tokens, excess, excess * excess)
