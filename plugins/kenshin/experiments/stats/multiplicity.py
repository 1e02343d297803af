"""p-values adjusted for the number of tests: compare an adjusted one with the level of the whole family.

- Bonferroni and S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
  Statistics 6 (1979), hold the chance of any false decision, whatever the dependence: for the arms decided on.
- Y. Benjamini and Y. Hochberg, "Controlling the False Discovery Rate", JRSS B 57 (1995), hold the expected share of
  false ones among those found, for independent or positively dependent tests: for segments and further metrics.
"""

from __future__ import annotations

from collections.abc import Sequence

from kenshin.errors import InvalidInput


def bonferroni(p: Sequence[float]) -> tuple[float, ...]:
    """Each p-value times their number, in the order given."""
    _check(p)
    return tuple(min(1.0, value * len(p)) for value in p)


def holm(p: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down p-values, in the order given; never above Bonferroni's."""
    _check(p)
    adjusted, highest = [0.0] * len(p), 0.0
    for place, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, min(1.0, (len(p) - place) * p[index]))
        adjusted[index] = highest
    return tuple(adjusted)


def benjamini_hochberg(p: Sequence[float]) -> tuple[float, ...]:
    """Benjamini and Hochberg's step-up p-values, in the order given."""
    _check(p)
    adjusted, lowest = [0.0] * len(p), 1.0
    ranked = sorted(range(len(p)), key=p.__getitem__)
    for rank in range(len(p), 0, -1):
        index = ranked[rank - 1]
        lowest = min(lowest, len(p) * p[index] / rank)
        adjusted[index] = lowest
    return tuple(adjusted)


def _check(p: Sequence[float]) -> None:
    for value in p:
        if not 0 <= value <= 1:
            raise InvalidInput(
                value=value, reason="a p-value lies in 0 … 1", mend="Leave out tests that were not made."
            )
