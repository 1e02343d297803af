"""Units: in which whole numbers the figures of an experiment are summed, so that sums are exact in any order.

A value is summed as a whole number of units of 2^-b. The largest value of a metric in all days fixes b: at least 58
binary digits are kept below it, 5 more than a double has. Its exponent is rounded up to a multiple of 4, and so is
that of the number of rows, so that another night seldom changes them: what was summed in the same units can be added
to, and taken from, a later night's sums without a remainder.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kenshin.experiments.sufficient import metric_name

DIGITS = 62
"""Binary digits of a value in units, so that it is a 64-bit integer."""

CAPACITY = 126
"""Binary digits of a 128-bit sum, without its sign and one to spare."""

MOST_BITS = 1000
"""So that 2^b and 2^-b are doubles; figures all below 10^-282 lose digits."""

STEP = 4
FEWEST_ROWS = 20
"""Room for 2^20 rows is made from the first night on."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure of observations.

    Args:
        metric: its name.
        key: under which it lies in a column of maps; None where it is a column of its own.
        largest: no value is further from 0.
        filled: how many observations have it.
    """

    metric: str
    key: str | None
    largest: float
    filled: int

    @classmethod
    def named(cls, key: str, largest: float, filled: int) -> Measured:
        """A figure from a column of maps."""
        return cls(metric_name(key), key, largest, filled)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much some observations hold: how many there are, and their metrics and covariates that have a value."""

    rows: int = 0
    metrics: tuple[Measured, ...] = ()
    covariates: tuple[Measured, ...] = ()

    @classmethod
    def total(cls, extents: Iterable[Extent]) -> Extent:
        """Several extents together."""
        each = list(extents)
        return cls(
            rows=sum(extent.rows for extent in each),
            metrics=_joined(measured for extent in each for measured in extent.metrics),
            covariates=_joined(measured for extent in each for measured in extent.covariates),
        )

    def filled(self, metric: str) -> int:
        """How many observations have a metric."""
        return sum(each.filled for each in self.metrics if each.metric == metric)

    def as_dict(self) -> dict[str, Any]:
        """The extent at a JSON edge."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Extent:
        """Read back what `as_dict` wrote."""
        metrics, covariates = (
            tuple(Measured(**each) for each in raw[name]) for name in ("metrics", "covariates")
        )
        return cls(raw["rows"], metrics, covariates)


@dataclass(frozen=True, slots=True)
class Unit:
    """How a metric is summed.

    Args:
        metric: its name.
        key: under which it lies in the column of maps; None where it is a column of its own.
        bits: b, binary digits after the point.
        covariate_bits: the same of its covariate; None where no observation has one.
    """

    metric: str
    key: str | None
    bits: int
    covariate_bits: int | None = None

    @property
    def covariate_key(self) -> str:
        """Under which its covariate lies in the column of maps."""
        return self.metric if self.key is None else self.key


@dataclass(frozen=True, slots=True)
class Units:
    """The units of an experiment's metrics.

    Args:
        metrics: score and latency first, then by name.
        rows: at most 2^rows observations are added up.
    """

    metrics: tuple[Unit, ...] = ()
    rows: int = FEWEST_ROWS

    @classmethod
    def of(cls, extent: Extent) -> Units:
        """Units in which so many observations of such figures can be summed."""
        covariates = {each.key or each.metric: _bits(each.largest) for each in extent.covariates}
        found = [
            Unit(each.metric, each.key, _bits(each.largest), covariates.get(each.key or each.metric))
            for each in extent.metrics
        ]
        rows = _rounded_up(exponent(float(extent.rows)))
        return cls(tuple(sorted(found, key=_place)), max(FEWEST_ROWS, rows))

    @property
    def text(self) -> str:
        """All but the room for rows, in a fixed form."""
        return json.dumps([list(asdict(unit).values()) for unit in self.metrics])

    @classmethod
    def from_text(cls, text: str, rows: int = FEWEST_ROWS) -> Units:
        """Read back what `text` wrote."""
        return cls(tuple(Unit(*values) for values in json.loads(text)), rows)

    def joined(self, other: Units) -> Units:
        """Units in which both can be summed."""
        found: dict[tuple[bool, str], Unit] = {}
        for unit in (*self.metrics, *other.metrics):
            before = found.get(_place(unit), unit)
            known = [bits for bits in (before.covariate_bits, unit.covariate_bits) if bits is not None]
            bits = min(before.bits, unit.bits)
            found[_place(unit)] = Unit(unit.metric, unit.key, bits, min(known, default=None))
        return Units(tuple(found[place] for place in sorted(found)), max(self.rows, other.rows))


def _joined(measured: Iterable[Measured]) -> tuple[Measured, ...]:
    found: dict[tuple[bool, str], Measured] = {}
    for each in measured:
        place = each.key is not None, each.metric
        before = found.get(place, Measured(each.metric, each.key, 0.0, 0))
        largest = max(before.largest, each.largest)
        found[place] = Measured(each.metric, each.key, largest, before.filled + each.filled)
    return tuple(found[place] for place in sorted(found))


def _place(unit: Unit) -> tuple[bool, str]:
    return unit.key is not None, unit.metric


def exponent(value: float) -> int:
    """The least e with value < 2^e."""
    return math.frexp(value)[1]


def _bits(largest: float) -> int:
    return min(DIGITS - _rounded_up(exponent(largest)), MOST_BITS)


def _rounded_up(number: int) -> int:
    return -(-number // STEP) * STEP
