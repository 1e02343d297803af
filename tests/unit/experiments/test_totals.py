"""Totals: exact to add and to take away, and the same after JSON."""

from __future__ import annotations

import json
from datetime import date
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from kenshin.experiments.stats.ratio import RatioStatistics
from kenshin.experiments.sufficient import Cell, Statistics
from kenshin.experiments.totals import FIGURES, Exact, Totals, added, merged
from kenshin.experiments.units import Extent, Measured, Units

FIRST, SECOND = date(2026, 11, 1), date(2026, 11, 2)
CELL = Cell("A", 0, "*", "quality_score")

figures = st.builds(
    lambda values: Exact(tuple(values)),
    st.lists(st.fractions(), min_size=len(FIGURES), max_size=len(FIGURES)),
)


def exact(*values) -> Exact:
    return Exact(tuple(map(Fraction, values)) + (Fraction(0),) * (len(FIGURES) - len(values)))


@given(one=figures, other=figures)
def test_what_is_added_can_be_taken_away(one, other):
    assert one + other + -other == one


@given(one=figures)
def test_json_and_back(one):
    units = Units.of(
        Extent(
            3,
            (Measured("quality_score", None, 1.0, 3),),
            (Measured("quality_score", "quality_score", 2.0, 1),),
        )
    )
    totals = Totals({CELL: one}, {"s": ("A", "B")}, units, (FIRST, SECOND), (FIRST,))
    assert Totals.from_dict(json.loads(json.dumps(totals.as_dict()))) == totals


def test_a_figure_is_rounded_once_and_keeps_its_name():
    third = Fraction(1, 3)
    found = exact(
        2, third, 3, third, third, 5, third, third, 1, third, third, third, third, third, 3
    ).rounded()
    assert found.sum == found.mean_sq == found.covariate.x == found.covariate.sum == 1 / 3
    assert (found.n, found.count, found.count_sq, found.covariate.n, found.covariate.count) == (2, 3, 5, 1, 3)
    assert exact(1, 2, 1, 4, 2, 1, 2, 4).rounded() == RatioStatistics.of_sessions([(2.0, 1)])


def test_shards_are_added_and_a_day_is_covered_only_by_all():
    left = Totals(
        {CELL: exact(1, Fraction(1, 10), 1)}, {"s": ("A", "B")}, days=(FIRST, SECOND), filled_days=(FIRST,)
    )
    right = Totals({CELL: exact(2, Fraction(2, 10), 2)}, days=(SECOND,), filled_days=(SECOND,))
    both = merged([left, right])
    assert (both.cells[CELL].n, both.cells[CELL].sum) == (3, 0.3)
    assert (both.days, both.filled_days, both.crossing) == ((SECOND,), (FIRST, SECOND), {"s": ("A", "B")})
    assert merged([right, left]) == both
    assert merged([]) == Statistics()


def test_cells_are_in_order():
    other = Cell("A", 0, "*", "latency_ms")
    assert list(added([(CELL, exact(1)), (other, exact(1)), (CELL, exact(1))])) == [other, CELL]
