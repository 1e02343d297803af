"""Conditional power: the chance that the candidate still wins, given what was seen.

K. K. G. Lan and J. Wittes, "The B-Value: A Tool for Monitoring Data", Biometrics 44 (1988): with B(t) = Z√t at the
share t of the final information, B(1) is normal with mean B(t) + θ(1 − t) and variance 1 − t, where θ is the mean of Z
at the end. Stopping where that chance is small is non-binding: the bounds do not count on it, so alpha holds whether
one stops or not (J. M. Lachin, "A Review of Methods for Futility Stopping Based on Conditional Power", Statistics in
Medicine 24, 2005).
"""

from __future__ import annotations

import math
from typing import Literal

from kenshin.errors import InvalidInput

Drift = Literal["trend", "effect"]


def conditional_power(
    z: float, fraction: float, boundary_at_end: float, drift: Drift = "trend", effect: float | None = None
) -> float:
    """The chance that Z ends at or above its bound.

    Args:
        z: now; positive where the candidate is better.
        fraction: of the final information that is there, above 0; from 1 on the end is reached.
        boundary_at_end: the z that the last look will ask for.
        drift: go on as the trend so far, or at the effect the experiment was planned for.
        effect: that effect in standard errors of the last look; for "effect" only.

    Raises:
        InvalidInput: there is no information, or "effect" comes without one.
    """
    from scipy.special import ndtr

    if not fraction > 0:
        raise InvalidInput(
            value=f"fraction {fraction}", reason="there is no information yet", mend="Wait for a night."
        )
    if (effect is None) == (drift == "effect"):
        raise InvalidInput(
            value=f"drift {drift!r} with effect {effect}",
            reason="an effect belongs to the drift 'effect', and to no other",
            mend="Give both or neither.",
        )
    if fraction >= 1:
        return float(z >= boundary_at_end)
    seen = z * math.sqrt(fraction)
    theta = z / math.sqrt(fraction) if effect is None else effect
    rest = 1 - fraction
    return float(ndtr((seen + theta * rest - boundary_at_end) / math.sqrt(rest)))
