"""The decision of a night: one table, read from the top; the first row that holds is the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["hold", "roll_back", "promote", "reject", "inconclusive", "extend", "continue"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a night decides.

    Args:
        verdict: hold, roll_back, promote, reject, inconclusive, extend or continue.
        arm: which candidate it is about; None where it is about no single one.
        reasons: why, one sentence each.
        words: the verdict in one or two plain sentences.
        automatic_allowed: whether nothing in the figures stands against carrying it out without a person; only ever
            true of promote and roll_back. Whether the policy wants that is another question.
        biased_upward: whether the estimate is of an early stop, and so on average further from zero than the truth.
        rule: name of the table's row.
    """

    verdict: Verdict
    arm: str | None
    reasons: tuple[str, ...]
    words: str
    automatic_allowed: bool = False
    biased_upward: bool = False
    rule: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The decision at a JSON edge."""
        return {**asdict(self), "reasons": list(self.reasons)}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Decision:
        """Read back what `as_dict` wrote."""
        return cls(**{**raw, "reasons": tuple(raw["reasons"])})
