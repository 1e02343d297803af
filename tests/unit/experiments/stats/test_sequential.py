from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from kenshin.errors import InvalidInput
from kenshin.experiments.stats.sequential import Bound, Boundary, boundary, bounds, repeated_interval, spent

SPENDINGS = ("obrien_fleming", "pocock")
EQUAL = [(float(k), k / 5) for k in range(1, 6)]
UNEQUAL = [(1.0, 0.05), (1.3, 0.1), (4.0, 0.3), (4.1, 0.35), (9.0, 0.8), (15.0, 1.0)]

grown = st.lists(st.tuples(st.floats(0.01, 10), st.floats(0.01, 1)), min_size=1, max_size=8).map(
    lambda steps: [
        (float(information), float(time))
        for information, time in zip(
            np.cumsum([step for step, _ in steps]),
            np.cumsum([part for _, part in steps]) / sum(part for _, part in steps),
            strict=True,
        )
    ]
)


def walked(looks, alpha=0.05, spending="obrien_fleming") -> tuple[list[Bound], Boundary]:
    state, found = Boundary.start(alpha, spending), []
    for look in looks:
        bound, state = state.look(*look)
        found.append(bound)
    return found, state


def paths(looks, worlds: int, seed: int, drift: float = 0.0) -> np.ndarray:
    """Z at each look, as sums of independent steps."""
    information = np.array([each for each, _ in looks])
    steps = np.diff(information, prepend=0.0)
    moves = np.random.default_rng(seed).normal(drift * steps, np.sqrt(steps), (worlds, len(looks)))
    return np.cumsum(moves, axis=1) / np.sqrt(information)


@pytest.mark.parametrize(
    ("spending", "published"),
    [
        ("obrien_fleming", [4.877, 3.357, 2.680, 2.290, 2.031]),
        ("pocock", [2.438, 2.427, 2.410, 2.397, 2.386]),
    ],
)
def test_five_equal_looks_have_the_published_bounds(spending, published):
    assert [round(bound.z, 3) for bound in bounds(EQUAL, 0.05, spending)] == published


@pytest.mark.parametrize("spending", SPENDINGS)
def test_two_looks_solve_the_bivariate_integral(spending):
    looks = [(1.0, 0.3), (2.5, 1.0)]
    first, second = bounds(looks, 0.05, spending)
    assert 2 * stats.norm.sf(first.z) == pytest.approx(spent(0.3, 0.05, spending), rel=1e-9)
    shared = math.sqrt(1 / 2.5)
    rest = math.sqrt(1 - shared**2)
    late, _ = integrate.quad(
        lambda x: (
            stats.norm.pdf(x)
            * (
                stats.norm.sf((second.z - shared * x) / rest)
                + stats.norm.cdf((-second.z - shared * x) / rest)
            )
        ),
        -first.z,
        first.z,
        epsabs=1e-13,
    )
    assert late == pytest.approx(0.05 - spent(0.3, 0.05, spending), rel=1e-9)


@pytest.mark.parametrize("spending", SPENDINGS)
def test_one_look_at_the_end_is_the_textbooks(spending):
    (only,) = bounds([(7.0, 1.0)], 0.05, spending)
    assert only.z == pytest.approx(stats.norm.isf(0.025), rel=1e-12)
    assert only.level == pytest.approx(0.05, rel=1e-12)


@pytest.mark.parametrize("spending", SPENDINGS)
@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_unequal_looks_keep_the_alpha_in_simulation(spending, alpha):
    looks, worlds = UNEQUAL, 100_000
    limits = np.array([bound.z for bound in bounds(looks, alpha, spending)])
    crossed = np.abs(paths(looks, worlds, 11)) >= limits
    for look, (_, time) in enumerate(looks):
        share = crossed[:, : look + 1].any(axis=1).mean()
        due = spent(time, alpha, spending)
        assert share == pytest.approx(due, abs=4 * math.sqrt(due / worlds) + 1e-5)


@given(grown, st.sampled_from(SPENDINGS), st.floats(0.001, 0.2))
@settings(deadline=None, max_examples=60)
def test_what_was_crossed_under_no_drift_is_what_was_spent(looks, spending, alpha):
    found, state = walked(looks, alpha, spending)
    assert [bound.alpha_spent for bound in found] == sorted(bound.alpha_spent for bound in found)
    assert found[-1].alpha_spent == pytest.approx(alpha)
    assert state.crossed(0.0) == pytest.approx(alpha, abs=1e-9)
    assert all(bound.z > 0 for bound in found)


@given(grown, st.sampled_from(SPENDINGS))
@settings(deadline=None, max_examples=40)
def test_bounds_from_the_list_are_the_incremental_ones(looks, spending):
    found, state = walked(looks, 0.05, spending)
    assert bounds(looks, 0.05, spending) == tuple(found)
    assert boundary(looks, 0.05, spending).crossed(1.0) == state.crossed(1.0)


@given(grown, st.floats(1e-6, 1e6))
@settings(deadline=None, max_examples=40)
def test_the_unit_of_information_does_not_matter(looks, unit):
    scaled = [(information * unit, time) for information, time in looks]
    assert [bound.z for bound in bounds(scaled, 0.05, "pocock")] == pytest.approx(
        [bound.z for bound in bounds(looks, 0.05, "pocock")], rel=1e-8
    )


@given(st.floats(0.001, 0.3), st.sampled_from(SPENDINGS), st.floats(0, 1), st.floats(0, 1))
def test_spending_grows_with_time_to_alpha(alpha, spending, one, other):
    early, late = sorted((one, other))
    assert 0 <= spent(early, alpha, spending) <= spent(late, alpha, spending) <= alpha * (1 + 1e-12)
    assert spent(1.0, alpha, spending) == spent(7.0, alpha, spending) == alpha
    assert spent(1 - 1e-12, alpha, spending) == pytest.approx(alpha)


def test_a_skipped_look_leaves_its_alpha_to_the_next():
    whole, skipped = (
        bounds(EQUAL, 0.05, "obrien_fleming"),
        bounds(EQUAL[:2] + EQUAL[3:], 0.05, "obrien_fleming"),
    )
    assert skipped[:2] == whole[:2]
    assert skipped[2].z < whole[3].z
    assert skipped[2].alpha_spent == whole[3].alpha_spent


def test_an_extra_look_in_between_spends_no_more():
    extra = bounds([*EQUAL[:2], (2.5, 0.5), *EQUAL[2:]], 0.05, "pocock")
    assert extra[-1].alpha_spent == pytest.approx(0.05)
    assert extra[3].z > bounds(EQUAL, 0.05, "pocock")[2].z


def test_information_that_shrinks_or_stands_still_keeps_the_alpha():
    looks = [(3.0, 0.3), (2.0, 0.5), (3.0, 0.7), (6.0, 1.0)]
    found, state = walked(looks)
    assert state.crossed(0.0) == pytest.approx(0.05, abs=1e-9)
    assert [bound.information for bound in found] == [3.0, 2.0, 3.0, 6.0]
    # The same Z seen three times, then more: less is crossed than was spent.
    z = np.abs(paths([(3.0, 0.3), (6.0, 1.0)], 200_000, 12))
    limits = [bound.z for bound in found]
    crossed = (z[:, 0] >= min(limits[:3])) | (z[:, 1] >= limits[3])
    assert 0.045 < crossed.mean() < 0.05 + 4 * math.sqrt(0.05 / 200_000)


def test_time_that_stands_still_spends_nothing_and_beyond_the_end_there_is_none():
    found, _ = walked([(1.0, 0.5), (2.0, 0.5), (3.0, 0.4), (4.0, 1.0), (5.0, 1.2)])
    assert [math.isinf(bound.z) for bound in found] == [False, True, True, False, True]
    assert [bound.time for bound in found][-1] == 1.0
    assert found[1].level == 0.0
    assert repeated_interval(1.0, 0.1, found[1]) == (-math.inf, math.inf)


def test_a_look_too_early_for_any_alpha_has_no_bound():
    found, _ = walked([(1.0, 0.001), (10.0, 0.5), (20.0, 1.0)])
    assert math.isinf(found[0].z)
    without = bounds([(10.0, 0.5), (20.0, 1.0)], 0.05, "obrien_fleming")
    assert [bound.z for bound in found[1:]] == pytest.approx([bound.z for bound in without], rel=1e-12)


@pytest.mark.parametrize("drift", [0.3, -0.8, 1.4])
def test_power_is_what_simulation_gives(drift):
    found, state = walked(UNEQUAL)
    limits = np.array([bound.z for bound in found])
    share = (np.abs(paths(UNEQUAL, 100_000, 13, drift)) >= limits).any(axis=1).mean()
    assert state.crossed(drift) == pytest.approx(share, abs=4 * 0.5 / math.sqrt(100_000))


def test_before_the_first_look_nothing_was_crossed():
    assert Boundary.start(0.05, "pocock").crossed(3.0) == 0.0
    assert boundary([], 0.05, "pocock").spent == 0.0


@pytest.mark.parametrize("df", [3.0, 20.5, 98.0, 1e6])
def test_the_bound_on_t_has_the_tail_of_the_bound_on_z(df):
    for bound in bounds(EQUAL, 0.05, "obrien_fleming"):
        assert bound.critical(df) == pytest.approx(stats.t.isf(stats.norm.sf(bound.z), df), rel=1e-6)
        assert bound.critical(df) >= bound.z
        assert bound.critical(math.inf) == pytest.approx(bound.z, rel=1e-9)


def test_the_repeated_interval_holds_zero_until_the_bound_is_crossed():
    bound = bounds(EQUAL, 0.05, "obrien_fleming")[2]
    low, high = repeated_interval(bound.z * 0.2, 0.2, bound)
    assert low == pytest.approx(0.0, abs=1e-12)
    assert high == pytest.approx(2 * bound.z * 0.2)
    wider = repeated_interval(bound.z * 0.2, 0.2, bound, df=30.0)
    assert wider[0] < low


@pytest.mark.parametrize("look", [(0.0, 0.5), (1.0, 0.0), (-1.0, 0.5), (math.inf, 0.5), (math.nan, 0.5)])
def test_a_look_without_information_or_time_is_refused(look):
    with pytest.raises(InvalidInput, match="information"):
        Boundary.start(0.05, "pocock").look(*look)


def test_unknown_spending_and_impossible_alpha_are_refused():
    with pytest.raises(InvalidInput, match="no such spending"):
        Boundary.start(0.05, "haybittle")
    with pytest.raises(InvalidInput, match="alpha"):
        spent(0.5, 1.0, "pocock")
