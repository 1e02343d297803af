"""Sample-ratio mismatch: whether sessions fell on the arms as their shares say.

Two tests on the sessions of each arm. Pearson's χ² is true of one look; tested every night it cries wolf. The e-value
of M. Lindon and A. Malek, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS 2022, is the Bayes
factor of a Dirichlet(c·shares) mixture against the shares themselves. Under the shares it is a martingale that starts
at 1, so by Ville's inequality it ever reaches 1/α with chance α at most: it may be looked at every night.

Where the shares change, each phase has an e-value of its own and their product is one again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from kenshin.errors import InvalidInput

CONCENTRATION = 1000.0
"""So many sessions the mixture's idea of the shares weighs: it is tuned to small departures."""

LARGEST = 700.0
"""Logarithm at which an e-value is cut, below the largest float: evidence beyond doubt as it is."""


@dataclass(frozen=True, slots=True)
class ChiSquare:
    """Pearson's test.

    Args:
        statistic: Σ(observed − expected)²/expected.
        df: arms less one.
        p_value: true of one look only.
    """

    statistic: float
    df: int
    p_value: float


def chi_square(counts: Mapping[str, int], shares: Mapping[str, float]) -> ChiSquare | None:
    """Test by χ²; None without sessions or with fewer than two arms that should have some.

    Args:
        counts: sessions of each arm; an arm that is not named has none.
        shares: of each arm; they need not add to 1.

    Raises:
        InvalidInput: an arm has sessions but no share.
    """
    from scipy.special import chdtrc

    expected = _expected(counts, shares)
    total = sum(counts.values())
    if total == 0 or len(expected) < 2:
        return None
    statistic = math.fsum(
        (counts.get(arm, 0) - total * share) ** 2 / (total * share) for arm, share in expected.items()
    )
    return ChiSquare(statistic, len(expected) - 1, float(chdtrc(len(expected) - 1, statistic)))


def e_value(
    counts: Mapping[str, int], shares: Mapping[str, float], concentration: float = CONCENTRATION
) -> float:
    """The evidence against the shares: a mismatch at level α where it ever reaches 1/α.

    Args:
        counts: sessions of each arm; an arm that is not named has none.
        shares: of each arm; they need not add to 1.
        concentration: of the Dirichlet mixture, in sessions.

    Raises:
        InvalidInput: an arm has sessions but no share, or the concentration is not positive.
    """
    if not concentration > 0:
        raise InvalidInput(value=concentration, reason="a concentration is positive", mend="Use 1000.")
    expected = _expected(counts, shares)
    logarithm = math.lgamma(concentration) - math.lgamma(concentration + sum(counts.values()))
    for arm, share in expected.items():
        count, prior = counts.get(arm, 0), concentration * share
        logarithm += math.lgamma(prior + count) - math.lgamma(prior) - count * math.log(share)
    return math.exp(min(logarithm, LARGEST))


def _expected(counts: Mapping[str, int], shares: Mapping[str, float]) -> dict[str, float]:
    """The shares above 0, adding to 1."""
    whole = math.fsum(shares.values())
    for arm, count in counts.items():
        if count and not shares.get(arm, 0.0) > 0:
            raise InvalidInput(
                value=f"{count} sessions in arm {arm!r}",
                reason="the arm has no share",
                mend="Count the sessions of each phase against the shares of that phase.",
            )
    return {arm: share / whole for arm, share in shares.items() if share > 0}
