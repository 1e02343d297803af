"""How many tokens a text is, in microseconds and without the model: an estimate with an upper bound.

A decision is made on the bound, a person is shown the estimate. A text of more than 4,096 characters is read in sixteen
blocks spread over it, so time is bounded at any length; what was estimated once is remembered.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING

from kenshin.budget.counts import counts
from kenshin.budget.script import Script, script_of
from kenshin.budget.tokenizers import Family, Tokenizer, lexicon, tokenizer
from kenshin.errors import InvalidInput

if TYPE_CHECKING:
    from kenshin.budget.counts import Lexicon

BLOCKS, BLOCK = 16, 256
READ_WHOLE = BLOCKS * BLOCK
REMEMBERED, REMEMBERED_LENGTH = 4_096, 65_536
_GOLDEN = (math.sqrt(5) - 1) / 2


class TokenEstimate(int):
    """A number of tokens, with how sure it is. It is an int, so sums and comparisons work as with the seed's.

    Args:
        tokens: the estimate.
        upper: the actual number is at most this in 95 of 100 texts.
        family: the tokenizer family.
        sampled: the text was read in blocks.
        script: the text's; corrections go by it.
        uncorrected: the fitted numbers' estimate, where reported usage has corrected this one.
    """

    upper: int
    family: Family
    sampled: bool
    script: Script
    uncorrected: TokenEstimate | None

    def __new__(
        cls,
        tokens: int,
        *,
        upper: int,
        family: Family,
        sampled: bool,
        script: Script = "latin",
        uncorrected: TokenEstimate | None = None,
    ) -> TokenEstimate:
        """Make an estimate from its parts."""
        made = super().__new__(cls, tokens)
        made.upper, made.family, made.sampled = upper, family, sampled
        made.script, made.uncorrected = script, uncorrected
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[int], dict[str, object]]:
        return (int(self),), {
            "upper": self.upper,
            "family": self.family,
            "sampled": self.sampled,
            "script": self.script,
            "uncorrected": self.uncorrected,
        }

    @property
    def tokens(self) -> int:
        """The estimate as a bare int."""
        return int(self)

    def __repr__(self) -> str:
        return (
            f"TokenEstimate({int(self)}, upper={self.upper}, family={self.family!r}, sampled={self.sampled})"
        )


def estimate_text(text: str | None, family: Family) -> TokenEstimate:
    """Estimate a text's tokens in a family's tokenizer; None and the empty text have none.

    Raises:
        InvalidInput: not a text.
    """
    if text is not None and not isinstance(text, str):
        raise InvalidInput(
            value=type(text).__name__,
            reason="tokens of a text alone are estimated",
            mend="Give a str, or None.",
        )
    if not text:
        return TokenEstimate(0, upper=0, family=family, sampled=False)
    return _remembered(text, family) if len(text) <= REMEMBERED_LENGTH else _measure(text, family)


def sample(text: str) -> str:
    """Sixteen blocks of a long text: one from each sixteenth, at places that no period of the text can follow."""
    stride = (len(text) - BLOCK) / BLOCKS
    starts = (int((index + index * _GOLDEN % 1) * stride) for index in range(BLOCKS))
    return "".join([text[start : start + BLOCK] for start in starts])


def measure(text: str, numbers: Tokenizer, pieces: Lexicon) -> tuple[float, float]:
    """The estimate and the one-sided 95 % margin of its logarithm, from given numbers."""
    sampled = len(text) > READ_WHOLE
    found = counts(sample(text) if sampled else text, pieces)
    tokens = max(sum(weight * count for weight, count in zip(numbers.weights, found, strict=False)), 1.0)
    guessed = sum(weight * count for weight, count in zip(numbers.guessed, found, strict=False))
    margin = numbers.margins[bisect_right(numbers.edges, guessed / tokens)] + numbers.short / math.sqrt(
        tokens
    )
    if sampled:
        tokens *= len(text) / READ_WHOLE
        margin = math.hypot(margin, numbers.sampling)
    return tokens, margin


def _measure(text: str, family: Family) -> TokenEstimate:
    tokens, margin = measure(text, tokenizer(family), lexicon())
    return TokenEstimate(
        round(tokens),
        upper=math.ceil(tokens * math.exp(margin)),
        family=family,
        sampled=len(text) > READ_WHOLE,
        script=script_of(text),
    )


_remembered = lru_cache(maxsize=REMEMBERED)(_measure)
