"""How far a prompt is to be fitted, by which steps, and what an emergency may take in which order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from kenshin.budget.check import BudgetPolicy
from kenshin.errors import InvalidPolicy

Step = Literal["white_space", "repeated_passages", "low_ranked_passages", "tool_results", "old_turns"]
STEPS: tuple[Step, ...] = get_args(Step)
"""Ways to compress, the ones that lose least first."""

Taken = Literal["rag_context", "conversation_history", "tool_results", "tool_rounds"]
TAKEN: tuple[Taken, ...] = get_args(Taken)


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidPolicy(value=f"{name}={value!r}", reason="no count", mend="Give 0 or more.")


@dataclass(frozen=True, slots=True)
class Cut:
    """One priority of the emergency trim.

    Args:
        what: `rag_context` loses passages, the least worth first; `conversation_history` exchanges, the oldest first;
            `tool_results` their contents and `tool_rounds` requests with their results, the oldest first.
        keep: how many of them stay.

    Raises:
        InvalidPolicy: it names nothing that can go, or keeps no count.
    """

    what: Taken
    keep: int

    def __post_init__(self) -> None:
        if self.what not in TAKEN:
            raise InvalidPolicy(
                value=self.what,
                reason="an emergency cannot take that",
                mend=f"Name one of {', '.join(TAKEN)}.",
            )
        _count("keep", self.keep)


CUTS = (
    Cut("tool_results", 1),
    Cut("conversation_history", 4),
    Cut("rag_context", 2),
    Cut("tool_rounds", 1),
    Cut("conversation_history", 1),
    Cut("rag_context", 1),
)
"""The emergency's priorities unless others are given."""


@dataclass(frozen=True, slots=True)
class FitPolicy:
    """How a prompt is fitted.

    Args:
        compress_to: share of the limit to compress to; None takes the budget policy's warning threshold.
        trim_to: share of the limit that an emergency trims to; None takes the same threshold.
        steps: ways to compress, in order.
        keep_passages: how many passages compression leaves, the best ones.
        keep_results: how many messages with tool results compression leaves as they are, the newest ones.
        keep_exchanges: how many exchanges before the current one are never summarised, the newest ones.
        near: how much of a passage another must hold for it to be a repetition. Below 1 a passage can go that differs
            in a word, and two volumes of a series may differ in no more.
        cuts: the emergency's priorities, in order; one that comes again keeps fewer.
        must_reach: raise where the target is missed, even though the prompt is not critical.

    Raises:
        InvalidPolicy: a number or a name means nothing, or a cut comes again and keeps no fewer.
    """

    compress_to: float | None = None
    trim_to: float | None = None
    steps: tuple[Step, ...] = STEPS
    keep_passages: int = 3
    keep_results: int = 3
    keep_exchanges: int = 4
    near: float = 1.0
    cuts: tuple[Cut, ...] = CUTS
    must_reach: bool = False

    def __post_init__(self) -> None:
        for name in ("compress_to", "trim_to", "near"):
            share = getattr(self, name)
            if share is not None and not (_is_share(share) and (name != "near" or share <= 1)):
                raise InvalidPolicy(
                    value=f"{name}={share!r}",
                    reason="not a share",
                    mend="Give a number above 0, e.g. 0.80; `near` is at most 1.",
                )
        for name in ("keep_passages", "keep_results", "keep_exchanges"):
            _count(name, getattr(self, name))
        known = isinstance(self.steps, tuple | list) and all(step in STEPS for step in self.steps)
        if not known or len(set(self.steps)) < len(self.steps):
            raise InvalidPolicy(
                value=self.steps,
                reason="not a list of different steps",
                mend=f"Name some of {', '.join(STEPS)}, in the order wanted.",
            )
        kept = dict[str, int]()
        for cut in self.cuts if isinstance(self.cuts, tuple | list) else [self.cuts]:
            if not isinstance(cut, Cut) or cut.keep >= kept.get(cut.what, cut.keep + 1):
                raise InvalidPolicy(
                    value=cut,
                    reason="no cut, or one that keeps no fewer than an earlier one",
                    mend='Give Cut("conversation_history", 4), … with `keep` falling for the same `what`.',
                )
            kept[cut.what] = cut.keep

    def targets(self, policy: BudgetPolicy) -> tuple[float, float]:
        """The shares to compress to and to trim to.

        Raises:
            InvalidPolicy: one of them is critical itself; or `must_reach`, and what is trimmed to is above the other.
        """
        compress = policy.warning if self.compress_to is None else self.compress_to
        trim = policy.warning if self.trim_to is None else self.trim_to
        for name, share in (("compress_to", compress), ("trim_to", trim)):
            if share > policy.critical:
                raise InvalidPolicy(
                    value=f"{name}={share!r}",
                    reason=f"above the critical threshold of {policy.critical}",
                    mend="Give a share below it.",
                )
        if self.must_reach and trim > compress:
            raise InvalidPolicy(
                value=f"trim_to={trim!r}, compress_to={compress!r}",
                reason="a prompt that was trimmed would be refused when it is fitted again",
                mend="With must_reach, trim to no more than is compressed to.",
            )
        return compress, trim
