from __future__ import annotations

import pytest

from kenshin.experiments.sufficient import Cell, of_observations


@pytest.fixture
def some(seen):
    return of_observations(
        [
            seen("1", "s", intent="faq", quality_score=0.25),
            seen("2", "s", intent="order", quality_score=0.5, day=1),
            seen("3", "s", intent="faq", quality_score=0.75, day=1, phase=2),
            seen("4", "t", quality_score=None, latency_ms=10.0),
            seen("5", "t", "B", metrics={"cost": 2.0, "quality_score": 9.0}),
        ]
    )


def test_a_session_of_several_segments_and_phases_counts_once_in_the_total(some):
    total = some.of("A", "quality_score")
    assert (total.n, total.count, total.sum, total.sum_sq, total.sum_count, total.count_sq) == (
        1,
        3,
        1.5,
        2.25,
        4.5,
        9,
    )
    assert some.cells[Cell("A", 1, "faq", "quality_score")].count == 1
    assert some.cells[Cell("A", 1, "*", "quality_score")].sum == 0.75
    assert some.cells[Cell("A", 0, "faq", "quality_score")].sum == 1.0
    assert some.phases() == (1, 2)


def test_sessions_without_a_score_count_as_observed(some):
    assert some.of("A", "observations").n == 2
    assert some.of("A", "latency_ms").sum == 10.0
    assert some.of("A", "nothing").n == 0


def test_a_figure_with_a_reserved_name_does_not_touch_the_score(some):
    assert some.of("B", "quality_score").sum == 0.5
    assert some.of("B", "metrics.quality_score").sum == 9.0
    assert some.of("B", "cost").sum == 2.0


def test_a_session_seen_in_two_arms_is_counted_as_crossing(some):
    assert some.crossing_sessions == 1


def test_an_intent_named_like_the_total_is_kept_apart(seen):
    found = of_observations([seen("1", "s", intent="*"), seen("2", "s", intent="x")])
    assert found.cells[Cell("A", 1, "*", "quality_score")].count == 2
    assert found.cells[Cell("A", 1, "(*)", "quality_score")].count == 1


def test_a_covariate_belongs_to_its_session_whichever_row_has_it(seen):
    found = of_observations(
        [
            seen("1", "s", quality_score=0.5, covariates={"quality_score": 0.25, "cost": 4.0}),
            seen("2", "s", quality_score=None, metrics={"cost": 2.0}),
            seen("3", "t", quality_score=1.0, covariates={"observations": 9.0}),
        ]
    )
    score, cost = found.of("A", "quality_score").covariate, found.of("A", "cost").covariate
    assert (score.n, score.x, score.x_sum, score.sum, score.count) == (1, 0.25, 0.125, 0.5, 1)
    assert (cost.n, cost.x, cost.x_count, cost.sum) == (1, 4.0, 4.0, 2.0)
    assert found.of("A", "observations").covariate.n == 0
