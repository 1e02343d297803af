"""Calibration: what a model reported it had read corrects the estimates to come, by model and script.

An exponentially weighted mean of log(actual / estimate) moves the estimate, one of the squared residuals gives the
bound its width. Weights of 1, 1/2, 1/3 … come first, so that a family fitted for another model heals within a few
calls; from then on the newest call has the weight 0.15 in the mean, and 0.03 in the squares.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from kenshin.budget.estimate import TokenEstimate
from kenshin.budget.script import Script
from kenshin.errors import InvalidInput
from kenshin.signals.bedrock import OVERFLOW

ALPHA, WIDTH_ALPHA = 0.15, 0.03
"""Weights of the newest call: in the mean, and in the squares, of which few calls tell little."""

SETTLED = 12
"""Calls that a mean of such weights is worth: 2 / ALPHA - 1."""

ENOUGH = 20
"""Calls after which the bound is the calibrated one alone."""

ONE_SIDED_95 = 1.645
MOST = 512
"""Models and scripts that are kept apart; beyond, the one of fewest calls makes room."""

MOST_TOKENS = 10**12
"""A count beyond this is no count."""

LARGEST_SHIFT = math.log(8)
"""No call moves an estimate by more than the factor 8."""

SURPRISE, SPREADS = 0.5, 3.0
"""Once the weights are settled a call counts as this far from the mean at most, as a logarithm, or as so many of the
standard deviations that were seen: one odd report must not move the estimates of all prompts."""

_INPUT_KEYS = (
    ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"),
    ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
)


@dataclass(frozen=True, slots=True)
class Correction:
    """What was learnt of one model and script.

    Args:
        calls: how many calls taught it.
        shift: mean of log(actual / estimate).
        variance: of what the shift left unexplained.
        overflows: calls that ended because the window was exceeded.
    """

    calls: int = 0
    shift: float = 0.0
    variance: float = 0.0
    overflows: int = 0

    def after(self, ratio: float, *, alpha: float = ALPHA) -> Correction:
        """The correction after one more call whose log(actual / estimate) was `ratio`.

        A call is judged by the correction as it stood before it; the first call is judged by nothing.
        """
        ratio = min(max(ratio, -LARGEST_SHIFT), LARGEST_SHIFT)
        weight = max(alpha, 1 / (self.calls + 1))
        surprise, spread = ratio - self.shift, self.variance
        if weight <= alpha:
            most = max(SURPRISE, SPREADS * math.sqrt(spread))
            surprise = min(max(surprise, -most), most)
        if self.calls:
            width = max(min(alpha, WIDTH_ALPHA), 1 / self.calls)
            spread = (1 - width) * spread + width * surprise * surprise
        return replace(self, calls=self.calls + 1, shift=self.shift + weight * surprise, variance=spread)

    def applied(self, estimate: TokenEstimate) -> TokenEstimate:
        """A corrected estimate with a corrected one-sided 95 % bound.

        The bound goes over from the fitted width to the calibrated one as calls come in.
        """
        if not self.calls or not estimate:
            return estimate
        tokens, upper = self.numbers(int(estimate), estimate.upper)
        return TokenEstimate(
            tokens,
            upper=upper,
            family=estimate.family,
            sampled=estimate.sampled,
            script=estimate.script,
            uncorrected=estimate,
        )

    def numbers(self, tokens: int, upper: int) -> tuple[int, int]:
        """The same for bare numbers: tokens and their bound, corrected."""
        if not self.calls or tokens <= 0:
            return tokens, upper
        factor, learnt, widened = _factors(self.calls, self.shift, self.variance)
        moved = tokens * factor
        if self.calls <= ENOUGH:
            fitted = math.log(max(upper, 1) / tokens)
            trust = (self.calls - 1) / ENOUGH
            widened = math.exp(trust * learnt + (1 - trust) * max(fitted, learnt))
        corrected, bound = round(moved), math.ceil(moved * widened)
        return corrected, bound if bound > corrected else corrected


def uncertainty(calls: int) -> float:
    """By how much the variance of the next call exceeds that of the calls which taught it."""
    return 1 + 2 / min(calls, SETTLED)


@lru_cache(maxsize=1024)
def _factors(calls: int, shift: float, variance: float) -> tuple[float, float, float]:
    """By how much a correction moves an estimate; the logarithm of its bound's width, and that width as a factor."""
    learnt = ONE_SIDED_95 * math.sqrt(variance * uncertainty(calls))
    return math.exp(shift), learnt, math.exp(learnt)


NOTHING_KNOWN = Correction()


class Calibration:
    """The corrections of one process.

    Args:
        start: corrections to begin with, by model name and script.
        most: models and scripts that are kept apart.
    """

    def __init__(
        self, start: Mapping[tuple[str, Script], Correction] | None = None, *, most: int = MOST
    ) -> None:
        self._corrections: dict[tuple[str, Script], Correction] = dict(start or {})
        self._observed: set[tuple[str, Script]] = set()
        self._most = most
        self.after_fork()

    def correction(self, model: str, script: Script) -> Correction:
        """What is known of a model and script; nothing yet gives one without effect."""
        return self._corrections.get((model, script), NOTHING_KNOWN)

    def corrections(self) -> dict[tuple[str, Script], Correction]:
        """All that was learnt."""
        with self._lock:
            return dict(self._corrections)

    def begin_from(self, start: Mapping[tuple[str, Script], Correction]) -> None:
        """Take over what was learnt elsewhere, except where this process has learnt enough, or more, from its calls."""
        with self._lock:
            own = {key: self._corrections[key] for key in self._observed}
            self._observed = {
                key
                for key, known in own.items()
                if known.calls >= ENOUGH or known.calls >= start.get(key, NOTHING_KNOWN).calls
            }
            self._corrections = {**start, **{key: own[key] for key in self._observed}}

    def observe(
        self,
        model: str,
        script: Script,
        estimate: int,
        usage: Mapping[str, object],
        *,
        stop_reason: str = "",
    ) -> Correction:
        """Learn from one call.

        Args:
            model: the model's name in the registry.
            script: the prompt's.
            estimate: of the whole prompt, as it was before any correction.
            usage: what the model reported, in Bedrock's or Anthropic's keys; a call that overflowed may report nothing.
            stop_reason: why the answer ended; an overflow is a miss and is counted.

        Raises:
            InvalidInput: the usage states no input tokens, though the call did not overflow.
        """
        overflow = stop_reason == OVERFLOW
        actual = input_tokens(usage, required=not overflow)
        key = (model, script)
        with self._lock:
            known = self._corrections.get(key, NOTHING_KNOWN)
            if actual and estimate:
                known = known.after(math.log(actual / int(estimate)))
            if overflow:
                known = replace(known, overflows=known.overflows + 1)
            if key not in self._corrections and len(self._corrections) >= self._most:
                least = min(self._corrections, key=lambda each: self._corrections[each].calls)
                del self._corrections[least]
                self._observed.discard(least)
            self._corrections[key] = known
            self._observed.add(key)
            return known

    def after_fork(self) -> None:
        """In the child: what is known stays; a lock that another thread of the parent held does not."""
        self._lock = threading.Lock()


def input_tokens(usage: Mapping[str, object], *, required: bool = True) -> int:
    """All tokens that a model read: new ones, those read from the cache and those written to it.

    Raises:
        InvalidInput: a number is missing or is no count.
    """
    for keys in _INPUT_KEYS:
        if isinstance(usage, Mapping) and keys[0] in usage:
            total = 0
            for key in keys:
                value = usage.get(key)
                if value is None and key != keys[0]:
                    continue
                if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_TOKENS:
                    raise InvalidInput(
                        value=f"{key}={value!r}",
                        reason="not a count of tokens",
                        mend="Give the usage as the API reported it.",
                    )
                total += value
            return total
    if required:
        raise InvalidInput(
            value=usage,
            reason="no input tokens are reported",
            mend="Give the answer's `usage`, as the API reported it.",
        )
    return 0
