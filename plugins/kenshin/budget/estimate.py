"""How many tokens a text is, in microseconds and without the model: an estimate with an upper bound.

A decision is made on the bound, a person is shown the estimate. A text of more than 4,096 characters is read in sixteen
blocks spread over it, and the texts of one prompt share twice that, so time is bounded at any length; what was
estimated once is remembered.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from operator import mul
from typing import TYPE_CHECKING

from kenshin.budget.counts import counts
from kenshin.budget.script import Script, script_of
from kenshin.budget.tokenizers import FAMILIES, Family, Tokenizer, lexicon, tokenizer
from kenshin.errors import InvalidInput

if TYPE_CHECKING:
    from kenshin.budget.pieces import Lexicon

BLOCKS, BLOCK = 16, 256
READ_WHOLE = BLOCKS * BLOCK
SHARED = 2 * READ_WHOLE
"""Characters that are read of a prompt, as long as its texts are not too many for a block of each."""

REMEMBERED, LONG_REMEMBERED, REMEMBERED_LENGTH = 4_096, 256, 65_536
"""Texts that are remembered: short ones, those that are not read whole, and the longest; the cache holds the texts."""

THINNINGS, FEW = 256, 64
"""Prompts whose thinning is remembered, by the lengths of their texts, and how many texts they have at most."""

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


def estimate_text(text: str | None, family: Family, *, thin: int = 1) -> TokenEstimate:
    """Estimate a text's tokens in a family's tokenizer; None and the empty text have none.

    Args:
        text: what is to be estimated.
        family: whose tokens.
        thin: one part in how many is read; more of them widen the bound.

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
    if len(text) > REMEMBERED_LENGTH:
        return _measure(text, family, thin)
    return (_remembered if len(text) <= READ_WHOLE else _long_remembered)(text, family, thin)


def thinning(lengths: Sequence[int]) -> int:
    """One part in how many is read of each text of a prompt, so that all together keep to `SHARED`.

    It depends on the prompt alone, not on what is remembered: the same prompt has the same estimate everywhere.

    Args:
        lengths: of its texts, in characters.
    """
    return (_thinning if len(lengths) > FEW else _remembered_thinning)(tuple(lengths))


def _thinning(lengths: tuple[int, ...]) -> int:
    thin, single, longer = 1, 0, [*lengths]
    while longer:
        # A text of one block keeps it, however thin the others become.
        single += sum(min(each, BLOCK) for each in longer if each <= thin * BLOCK)
        longer = [each for each in longer if each > thin * BLOCK]
        if single + sum(min(each, _blocks(each, thin) * BLOCK) for each in longer) <= SHARED or not longer:
            break
        thin = thin * 3 // 2 if thin & (thin - 1) == 0 and thin > 1 else 1 << thin.bit_length()
    return thin


def _blocks(length: int, thin: int) -> int:
    return min(-(-length // (BLOCK * thin)), BLOCKS)


def sample(text: str, blocks: int = BLOCKS) -> str:
    """Blocks of a long text: one from each of as many parts, at places that no period of the text can follow."""
    stride = (len(text) - BLOCK) / blocks
    starts = (int((index + index * _GOLDEN % 1) * stride) for index in range(blocks))
    return "".join([text[start : start + BLOCK] for start in starts])


def measure(text: str, numbers: Tokenizer, pieces: Lexicon, thin: int = 1) -> tuple[float, float]:
    """The estimate and the one-sided 95 % margin of its logarithm, from given numbers."""
    length, blocks = len(text), _blocks(len(text), thin)
    read = blocks * BLOCK
    found = counts(sample(text, blocks) if read < length else text, pieces)
    tokens = max(sum(map(mul, numbers.weights, found)), 1.0)
    guessed = sum(map(mul, numbers.guessed, found))
    margin = numbers.margins[bisect_right(numbers.edges, guessed / tokens)] + numbers.short / math.sqrt(
        tokens
    )
    if read < length:
        tokens *= length / read
        margin = math.hypot(margin, numbers.sampling * math.sqrt(READ_WHOLE / read * (1 - read / length)))
    return tokens, margin


def _measure(text: str, family: Family, thin: int) -> TokenEstimate:
    tokens, margin = measure(text, tokenizer(family), lexicon(family), thin)
    return TokenEstimate(
        round(tokens),
        upper=math.ceil(tokens * math.exp(margin)),
        family=family,
        sampled=_blocks(len(text), thin) * BLOCK < len(text),
        script=script_of(text),
    )


_remembered = lru_cache(maxsize=REMEMBERED)(_measure)
_long_remembered = lru_cache(maxsize=LONG_REMEMBERED)(_measure)
_remembered_thinning = lru_cache(maxsize=THINNINGS)(_thinning)


def forget() -> None:
    """Forget all estimates and words, as a process that has just begun: for measurements."""
    _remembered.cache_clear()
    _long_remembered.cache_clear()
    _remembered_thinning.cache_clear()
    for family in FAMILIES:
        lexicon(family).forget()
