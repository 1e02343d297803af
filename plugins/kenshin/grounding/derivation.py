"""Numbers that follow from others: an answer may work out what its context does not spell out.

Of two numbers: sum, difference, product, quotient, and a share in percent or what is left after it. Of one: the same
length or weight in another metric unit, hours, days and weeks, months and years. Where there are many numbers almost
anything follows from some two of them, so beyond `MOST` none is derived from two.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Mapping

from kenshin.grounding.numerals import Unit

MOST = 40
NEAR = 0.05
"""How far a number that is said to be approximate may be off."""

_LONGEST = 15
_CONVERSIONS: Mapping[Unit, tuple[tuple[Unit, float], ...]] = {
    "metric": tuple(("metric", 10.0**power) for power in (-3, -2, -1, 1, 2, 3)),
    "hour": (("day", 1 / 24),),
    "day": (("hour", 24), ("week", 1 / 7)),
    "week": (("day", 7),),
    "month": (("year", 1 / 12),),
    "year": (("month", 12),),
}
"""One of a unit is so many of another."""


class Derivation:
    """What follows from a context's numbers.

    Args:
        known: the numbers in their one form, with what each counts.
    """

    def __init__(self, known: Mapping[str, Collection[Unit]]) -> None:
        self._known: dict[float, set[Unit]] = {}
        for digits, units in known.items():
            if (value := _value(digits)) is not None:
                self._known.setdefault(round(value, 6), set()).update(units)
        self._sorted = sorted(self._known)
        self._shares = [
            share
            for value, units in self._known.items()
            if "percent" in units
            for share in (value / 100, 1 - value / 100)
        ]

    def add(self, digits: str, unit: Unit) -> None:
        """Take a number that follows as known, for what follows from it in turn."""
        value = _value(digits)
        if value is not None:
            if (value := round(value, 6)) not in self._known:
                insort(self._sorted, value)
            self._known.setdefault(value, set()).add(unit)

    def follows(self, digits: str, unit: Unit) -> bool:
        """Whether a number follows.

        Args:
            digits: in its one form.
            unit: what it counts.
        """
        value = _value(digits)
        if value is None or value == 0:
            return False
        for other_unit, factor in _CONVERSIONS.get(unit, ()):
            if other_unit in self._known.get(round(value * factor, 6), ()):
                return True
        if len(self._known) > MOST:
            return False
        return any(self._from_two(value, other) for other in self._known if other != 0)

    def is_near(self, digits: str) -> bool:
        """Whether it is about a known number."""
        value = _value(digits)
        if value is None:
            return False
        # Numbers have no sign here: if any is near, the first one above the lower end is. One more, for rounding.
        first = bisect_left(self._sorted, value / (1 + NEAR) * (1 - 1e-9))
        return any(abs(value - other) <= NEAR * other for other in self._sorted[first : first + 2])

    def _from_two(self, value: float, other: float) -> bool:
        if any(round(other * share, 6) == value for share in self._shares):
            return True
        second = (value - other, other - value, other + value, value * other, other / value)
        if any(each != other and self._has(each) for each in second):
            return True
        return value != other and other != 1 and (factor := value / other) != 1 and self._has(factor)

    def _has(self, value: float) -> bool:
        return round(value, 6) in self._known


def _value(digits: str) -> float | None:
    return float(digits) if len(digits) <= _LONGEST else None
