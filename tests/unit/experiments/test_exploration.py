from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from unit.experiments.judged import DAYS, drawn, level

from kenshin.experiments.assessment import assess
from kenshin.experiments.decision import decide
from kenshin.experiments.experiment import Arm, Experiment
from kenshin.experiments.exploration import metrics_of, segments_of
from kenshin.experiments.stats.ratio import RatioStatistics
from kenshin.experiments.sufficient import Cell, Statistics

SCORE = "quality_score"


def explored(
    *, segments=("", "billing", "refund", "(*)"), arms="ABC", seed=1, metrics=("cost", "latency_ms", "error")
):
    """Arms that differ a little here and there, by segment and metric."""
    rng = np.random.default_rng(seed)
    cells = {}

    def sessions(n, mean):
        return RatioStatistics.of_sessions(drawn(rng, n, mean)[0])

    for arm in arms:
        parts = []
        for name in segments:
            parts.append(sessions(120, 0.5 + rng.normal(0, 0.03)))
            cells[Cell(arm, 0, name, SCORE)] = parts[-1]
        cells[Cell(arm, 0, "*", SCORE)] = RatioStatistics.total(parts)
        cells[Cell(arm, 0, "*", "observations")] = level(1.0, sum(each.n for each in parts), 0.0)
        for metric in metrics:
            cells[Cell(arm, 0, "*", metric)] = sessions(300, 2 + rng.normal(0, 0.05))
    return Statistics(cells=cells, days=DAYS[:10], filled_days=DAYS[:10])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("find", [segments_of, metrics_of])
def test_p_values_are_adjusted_over_all_arms_together(find, seed):
    found = find(explored(seed=seed), "A", ["B", "C"])
    assert len(found) == 8 if find is segments_of else 6
    told = stats.false_discovery_control([each.p_value for each in found], method="bh")
    assert [each.p_adjusted for each in found] == pytest.approx(told, rel=1e-9)
    assert any(each.p_adjusted > each.p_value for each in found)


def test_each_segment_is_its_own_comparison():
    statistics = explored()
    for each in segments_of(statistics, "A", ["B", "C"]):
        ours, theirs = (statistics.cells[Cell(arm, 0, each.segment, SCORE)] for arm in ("A", each.arm))
        se = (ours.variance + theirs.variance) ** 0.5
        assert each.delta == pytest.approx(theirs.estimate - ours.estimate, rel=1e-9)
        assert each.ci_low < each.delta < each.ci_high
        assert each.sessions == 240
        assert (each.p_value < 0.05) == (not each.ci_low <= 0 <= each.ci_high)
        assert each.p_value == pytest.approx(2 * stats.norm.sf(abs(each.delta / se)), abs=0.005)


def test_the_total_is_no_segment_and_the_score_no_further_metric():
    statistics = explored()
    assert {each.segment for each in segments_of(statistics, "A", ["B"])} == {"", "billing", "refund", "(*)"}
    assert [each.metric for each in metrics_of(statistics, "A", ["B"])] == ["cost", "error", "latency_ms"]


def test_what_one_arm_lacks_is_left_out_and_not_counted():
    statistics = explored()
    cells = {cell: each for cell, each in statistics.cells.items() if cell[:3] != ("C", 0, "refund")}
    cells[Cell("C", 0, "billing", SCORE)] = level(0.5, 1)
    fewer = Statistics(cells=cells, days=statistics.days, filled_days=statistics.filled_days)
    found = segments_of(fewer, "A", ["B", "C"])
    assert [(each.arm, each.segment) for each in found if each.arm == "C"] == [("C", ""), ("C", "(*)")]
    assert [each.p_adjusted for each in found] == pytest.approx(
        stats.false_discovery_control([each.p_value for each in found]), rel=1e-9
    )


@pytest.mark.parametrize("find", [segments_of, metrics_of])
def test_of_nothing_nothing_is_found(find):
    assert find(Statistics(), "A", ["B"]) == ()


def test_where_nothing_differs_few_segments_are_found():
    rng = np.random.default_rng(9)
    wrong = 0
    for _ in range(150):
        cells = {}
        for name in "abcdefgh":
            for arm in "AB":
                cells[Cell(arm, 0, name, SCORE)] = RatioStatistics.of_sessions(drawn(rng, 60, 0.5)[0])
        wrong += any(each.p_adjusted < 0.05 for each in segments_of(Statistics(cells=cells), "A", ["B"]))
    assert wrong / 150 < 0.05 + 2 * (0.05 * 0.95 / 150) ** 0.5


def test_a_segment_that_stands_out_decides_nothing():
    cells = dict(explored(segments=("calm", "wild"), arms="AB", seed=3).cells)
    cells[Cell("B", 0, "wild", SCORE)] = level(0.95, 120, 0.01)
    for arm in "AB":
        cells[Cell(arm, 0, "*", SCORE)] = level(0.5)
        cells[Cell(arm, 0, "*", "observations")] = level(1.0, spread=0.0)
    arms = (Arm("A", "v1", 0.5), Arm("B", "v2", 0.5))
    experiment = Experiment("exp", "v1", "v2", arms=arms)
    night = assess(
        experiment, Statistics(cells=cells, days=DAYS[:5], filled_days=DAYS[:5]), {}, {}, (), days=DAYS[:5]
    )
    assert min(each.p_adjusted for each in night.segments) < 1e-6
    assert decide(experiment, night, ()).verdict == "continue"
