"""An asymptotic confidence sequence: intervals that hold at every look, however long it goes on.

I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy and A. Ramdas, "Time-Uniform Central Limit Theory and Asymptotic
Confidence Sequences", Annals of Statistics 52 (2024): their Gaussian mixture boundary, after H. Robbins, "Statistical
Methods Related to the Law of the Iterated Logarithm", Annals of Mathematical Statistics 41 (1970). With x = nρ² it is

    delta ± se·√((x + 1)/x · ln((x + 1)/α²)).

ρ makes it narrowest at one number of sessions; there x + 1 = −W₋₁(−α²/e), with Lambert's W. It needs no horizon and no
plan of looks, and pays with wider intervals than bounds that spend alpha until a horizon.
"""

from __future__ import annotations

import math

from kenshin.errors import InvalidInput


def sequence_interval(
    delta: float, se: float, n: float, alpha: float, tuned_at: float
) -> tuple[float, float]:
    """The interval at n sessions.

    Args:
        delta: the difference.
        se: its standard error at n sessions.
        n: sessions of both arms so far.
        alpha: the chance that it ever misses the true difference.
        tuned_at: sessions at which it is narrowest; fixed before the first look.

    Raises:
        InvalidInput: alpha does not lie between 0 and 1, or there are no sessions.
    """
    half = sequence_bound(n, alpha, tuned_at) * se
    return delta - half, delta + half


def sequence_bound(n: float, alpha: float, tuned_at: float) -> float:
    """Half the interval's width in standard errors; arguments as of `sequence_interval`."""
    from scipy.special import lambertw

    if not 0 < alpha < 1:
        raise InvalidInput(value=alpha, reason="alpha lies between 0 and 1", mend="Use 0.01.")
    if not (n > 0 and tuned_at > 0):
        raise InvalidInput(
            value=f"{n} sessions, tuned at {tuned_at}", reason="both are positive", mend="Wait for sessions."
        )
    best = -float(lambertw(-(alpha**2) / math.e, -1).real) - 1
    x = best * n / tuned_at
    return math.sqrt((x + 1) / x * (math.log1p(x) - 2 * math.log(alpha)))
