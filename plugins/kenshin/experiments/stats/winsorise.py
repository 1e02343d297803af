"""Sums by session of values cut at a declared percentile, so that a few huge ones do not decide.

W. J. Dixon, "Simplified Estimation from Censored Normal Samples", Annals of Mathematical Statistics 31 (1960). There is
one cap for all arms, from their values together: a cap for each arm would cut away what differs between them. Only the
upper end is cut, since latencies and costs have no tail below. The cap counts as known, though it is estimated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kenshin.errors import InvalidInput
from kenshin.experiments.stats.quantile import ClusteredValues, quantile
from kenshin.experiments.stats.ratio import RatioStatistics

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Winsorised:
    """What is left.

    Args:
        cap: the value that none exceeds any more; None where no arm has a value.
        statistics: of each arm.
        cut: share of the observations, over all arms, that lay above the cap.
    """

    cap: float | None
    statistics: Mapping[str, RatioStatistics]
    cut: float


def winsorised(samples: Mapping[str, ClusteredValues], percentile: float) -> Winsorised:
    """Cut the values of all arms at a percentile of them together.

    Args:
        samples: values by session, of each arm. Weighted values stand for their session's observations, whose number
            is the weights' sum.
        percentile: between 50 and 100, e.g. 99.

    Raises:
        InvalidInput: the percentile is none, e.g. a share.
    """
    import numpy as np

    if not 50 <= percentile < 100:
        raise InvalidInput(
            value=percentile,
            reason="a percentile to cut at lies in 50 … 100",
            mend="Use 99 for the top hundredth.",
        )
    some = [sample for sample in samples.values() if len(sample.sizes)]
    if not some:
        return Winsorised(None, {arm: RatioStatistics() for arm in samples}, 0.0)
    weighted = any(sample.weights is not None for sample in some)
    weights = np.concatenate([_weights(sample) for sample in some])
    pooled = ClusteredValues(
        values=np.concatenate([sample.values for sample in some]),
        sizes=np.concatenate([sample.sizes for sample in some]),
        weights=weights if weighted else None,
    )
    cap = quantile(pooled, percentile / 100).value
    return Winsorised(
        cap=cap,
        statistics={arm: _statistics(sample, cap) for arm, sample in samples.items()},
        cut=float(weights[pooled.values > cap].sum() / weights.sum()),
    )


def _weights(sample: ClusteredValues) -> np.ndarray:
    import numpy as np

    return np.ones(len(sample.values)) if sample.weights is None else sample.weights


def _statistics(sample: ClusteredValues, cap: float) -> RatioStatistics:
    import numpy as np

    if len(sample.sizes) == 0:
        return RatioStatistics()
    starts = np.concatenate(([0], np.cumsum(sample.sizes)[:-1]))
    weights = _weights(sample)
    sums = np.add.reduceat(weights * np.minimum(sample.values, cap), starts)
    counts = np.rint(np.add.reduceat(weights, starts)).astype(np.int64)
    return RatioStatistics.of_sessions(zip(sums.tolist(), counts.tolist(), strict=True))
