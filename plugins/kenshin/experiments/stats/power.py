"""Power, the least effect that would be found, and how long it takes.

For one look at the end, two-sided with both tails: Φ(d − z) + Φ(−d − z), where d is the effect in standard errors of
the end. Looking every night under a spending function costs a little more information for the same power: by the
`inflation` of C. Jennison and B. W. Turnbull, *Group Sequential Methods* (2000), chapter 2, here of K equal looks. In
return it ends earlier on average where there is an effect.
"""

from __future__ import annotations

import math
from functools import lru_cache

from kenshin.errors import InvalidInput
from kenshin.experiments.stats.sequential import Spending, boundary

POWER = 0.8
ALPHA = 0.05

LARGEST_DRIFT = 40.0
"""Effects are sought up to so many standard errors."""


def power(
    effect: float, se_per_session: float, sessions: float, *, alpha: float = ALPHA, inflation: float = 1.0
) -> float:
    """The chance to find an effect.

    Args:
        effect: the true difference.
        se_per_session: standard error of the difference × √sessions.
        sessions: of both arms.
        alpha: two-sided.
        inflation: of the design, see `inflation`; exact for the power it was made for, near it for others.
    """
    _check(se_per_session, alpha)
    return _fixed(abs(effect) * math.sqrt(sessions / inflation) / se_per_session, alpha)


def minimal_detectable_effect(
    se_per_session: float,
    sessions: float,
    *,
    alpha: float = ALPHA,
    power: float = POWER,
    inflation: float = 1.0,
) -> float:
    """The least true difference that is found with the power asked for; arguments as of `power`."""
    _check(se_per_session, alpha)
    return _drift(alpha, power) * se_per_session * math.sqrt(inflation / sessions)


def sessions_needed(
    effect: float,
    se_per_session: float,
    *,
    alpha: float = ALPHA,
    power: float = POWER,
    inflation: float = 1.0,
) -> int:
    """Sessions of both arms until an effect is found with the power asked for; arguments as of `power`."""
    _check(se_per_session, alpha)
    return _up(inflation * (_drift(alpha, power) * se_per_session / _some(effect)) ** 2)


def nights_left(
    effect: float,
    se: float,
    nights: int,
    *,
    alpha: float = ALPHA,
    power: float = POWER,
    inflation: float = 1.0,
) -> int:
    """Nights until an effect is found with the power asked for, if information grows on as it did.

    Args:
        effect: the true difference.
        se: standard error of the difference now.
        nights: that it took.
        alpha: two-sided.
        power: asked for.
        inflation: of the design.
    """
    _check(se, alpha)
    needed = inflation * (_drift(alpha, power) * se / _some(effect)) ** 2 * nights
    return max(0, _up(needed) - nights)


@lru_cache(maxsize=256)
def inflation(looks: int, spending: Spending, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """How many times the information of one fixed look a design of equal looks needs for the same power.

    Args:
        looks: evenly spread over the horizon.
        spending: of the alpha.
        alpha: two-sided.
        power: asked for.
    """
    from scipy.optimize import brentq

    state = boundary([(look / looks, look / looks) for look in range(1, looks + 1)], alpha, spending)
    drift = brentq(lambda each: state.crossed(each) - power, 0.0, LARGEST_DRIFT, xtol=1e-12)
    return float((drift / _drift(alpha, power)) ** 2)


def _fixed(drift: float, alpha: float) -> float:
    from scipy.special import ndtr, ndtri

    bound = -ndtri(alpha / 2)
    return float(ndtr(drift - bound) + ndtr(-drift - bound))


@lru_cache(maxsize=256)
def _drift(alpha: float, power: float) -> float:
    """The effect in standard errors that one fixed look finds with this power."""
    from scipy.optimize import brentq

    if not alpha < power < 1:
        raise InvalidInput(value=power, reason="a power lies between alpha and 1", mend="Use 0.8.")
    return float(brentq(lambda each: _fixed(each, alpha) - power, 0.0, LARGEST_DRIFT, xtol=1e-13, rtol=1e-14))


def _check(se: float, alpha: float) -> None:
    if not se > 0:
        raise InvalidInput(
            value=se, reason="a standard error is positive", mend="Wait for sessions that differ."
        )
    if not 0 < alpha < 1:
        raise InvalidInput(value=alpha, reason="alpha lies between 0 and 1", mend="Use 0.05.")


def _some(effect: float) -> float:
    if effect == 0:
        raise InvalidInput(
            value="an effect of 0", reason="nothing finds it", mend="Name the least effect that matters."
        )
    return effect


def _up(amount: float) -> int:
    """Rounded up, but not for a rounding error."""
    return math.ceil(amount * (1 - 1e-12))
