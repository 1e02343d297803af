from __future__ import annotations

import json
import random

import pytest
from scipy import stats

from kenshin.experiments.analysis import CROSSING_NAMED, ExperimentAnalysis, analyse
from kenshin.experiments.experiment import Arm
from kenshin.experiments.stats.ratio import RatioStatistics
from kenshin.experiments.stats.welch import welch
from kenshin.experiments.sufficient import Cell, Statistics, of_observations

POC_KEYS = [
    "experiment_id",
    "sample_a",
    "sample_b",
    "mean_score_a",
    "mean_score_b",
    "score_delta",
    "t_statistic",
    "degrees_of_freedom",
    "p_value",
    "significant",
    "winner",
    "recommendation",
]


def statistics(**scores) -> Statistics:
    """One observation a session, of the given score."""
    cells = {
        Cell(arm, 0, "*", metric): RatioStatistics.of_sessions((value, 1) for value in values)
        for arm, values in scores.items()
        for metric in ("quality_score", "observations", "latency_ms")
    }
    return Statistics(cells=cells)


def spread(mean: float, count: int = 40) -> list[float]:
    return [mean + 0.01 * (place % 5 - 2) for place in range(count)]


def test_the_keys_and_the_rounding_are_those_of_the_proof_of_concept(experiment):
    chance = random.Random(5)
    a, b = [chance.random() for _ in range(60)], [min(1, 0.2 + chance.random()) for _ in range(50)]
    found = analyse(experiment, statistics(A=a, B=b)).as_dict()
    oracle = stats.ttest_ind(b, a, equal_var=False)
    assert list(found)[: len(POC_KEYS)] == POC_KEYS
    assert "status" not in found
    assert found["experiment_id"] == "exp"
    assert (found["sample_a"], found["sample_b"]) == (60, 50)
    assert found["mean_score_a"] == round(sum(a) / 60, 4)
    assert found["mean_score_b"] == round(sum(b) / 50, 4)
    assert found["score_delta"] == round(sum(b) / 50 - sum(a) / 60, 4)
    assert found["t_statistic"] == round(oracle.statistic, 3)
    assert found["degrees_of_freedom"] == round(oracle.df, 1)
    assert found["p_value"] == round(oracle.pvalue, 6)
    assert found["significant"] is bool(oracle.pvalue < 0.05)
    assert (found["sessions_a"], found["sessions_b"]) == (60, 50)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("means", "winner", "words"),
    [
        ((0.5, 0.6), "B", "PROMOTE version v2 (p="),
        ((0.6, 0.5), "A", "KEEP version v1 (p="),
        ((0.5, 0.5), None, "Not significant — continue experiment or declare tie"),
    ],
)
def test_the_recommendation_has_the_words_of_the_proof_of_concept(experiment, means, winner, words):
    found = analyse(experiment, statistics(A=spread(means[0]), B=spread(means[1]))).as_dict()
    assert found["winner"] == winner
    assert found["significant"] is (winner is not None)
    assert found["recommendation"].startswith(words)
    if winner:
        assert found["recommendation"].endswith(f"(p={found['p_value']})")


@pytest.mark.parametrize("counts", [(29, 40), (40, 29), (0, 0)])
def test_thirty_sessions_are_needed_in_each_arm(experiment, counts):
    found = analyse(experiment, statistics(A=spread(0.5, counts[0]), B=spread(0.6, counts[1]))).as_dict()
    assert found["status"] == "insufficient_data"
    assert (found["sample_a"], found["sample_b"]) == counts
    assert found["minimum_required"] == 30
    assert "p_value" not in found
    enough = analyse(experiment, statistics(A=spread(0.5, 30), B=spread(0.6, 30))).as_dict()
    assert "status" not in enough


def test_thirty_observations_of_few_sessions_are_not_enough(experiment, seen):
    made = [
        seen(f"{arm}{n}", f"{arm}-{n % 10}", arm, quality_score=n / 100) for arm in "AB" for n in range(100)
    ]
    found = analyse(experiment, of_observations(made)).as_dict()
    assert found["status"] == "insufficient_data"
    assert (found["sample_a"], found["sessions_a"]) == (100, 10)


def test_no_variance_is_said_with_both_means(experiment):
    found = analyse(experiment, statistics(A=[0.5] * 40, B=[0.7] * 40)).as_dict()
    assert (found["status"], found["mean_a"], found["mean_b"]) == ("no_variance", 0.5, 0.7)


def test_unrounded_figures_have_twelve_significant_digits(experiment):
    parts = statistics(A=[n / 97 for n in range(50)], B=[n / 89 for n in range(60)])
    found = analyse(experiment, parts).as_dict()["estimates"]
    exact = welch(parts.of("A", "quality_score"), parts.of("B", "quality_score"))
    assert found["delta"] == float(f"{exact.delta:.12g}")
    assert found["se"] == float(f"{exact.se:.12g}")
    assert (found["ci_low"], found["ci_high"]) == (
        float(f"{exact.ci_low:.12g}"),
        float(f"{exact.ci_high:.12g}"),
    )


def test_latency_is_compared_beside_the_score_and_decides_nothing(experiment):
    found = analyse(experiment, statistics(A=spread(0.5), B=spread(0.6)))
    latency = found.of("B", "latency_ms")
    assert latency.outcome == "tested"
    assert latency.delta == pytest.approx(0.1)
    assert (latency.winner, latency.recommendation) == (None, None)


def test_several_arms_are_each_compared_with_control(experiment):
    arms = (Arm("A", "v1", 0.4), Arm("B", "v2", 0.3), Arm("C", "v3", 0.3))
    found = analyse(experiment.changed(arms=arms), statistics(A=spread(0.5), B=spread(0.5), C=spread(0.6)))
    assert [(each.arm, each.metric) for each in found.comparisons] == [
        ("B", "quality_score"),
        ("B", "latency_ms"),
        ("C", "quality_score"),
        ("C", "latency_ms"),
    ]
    assert found.as_dict()["winner"] is None
    assert found.as_dict("C")["winner"] == "C"
    assert found.of("C").recommendation.startswith("PROMOTE version v3")
    assert [each.arm for each in found.arms] == ["A", "B", "C"]


@pytest.mark.parametrize(
    "parts",
    [
        statistics(A=spread(0.5), B=spread(0.6)),
        statistics(A=[0.5] * 40, B=[0.7] * 40),
        statistics(A=[0.5], B=[]),
        Statistics(),
    ],
)
def test_json_and_back(experiment, parts):
    found = analyse(experiment, parts)
    assert ExperimentAnalysis.from_dict(json.loads(json.dumps(found.as_dict(), allow_nan=False))) == found


def test_each_phase_has_its_own_figures(experiment, seen):
    made = [
        seen(f"{arm}{phase}{n}", f"{arm}-{n}", arm, phase=phase, quality_score=score)
        for n in range(3)
        for arm, phase, score in (("A", 1, 0.25), ("B", 1, 0.5), ("B", 2, 0.75), ("B", 2, 1.0))
    ]
    found = analyse(experiment, of_observations(made))
    rows = [
        (each.phase, each.arm, each.sessions, each.observations, each.score.mean) for each in found.by_phase
    ]
    assert rows == [
        (1, "A", 3, 3, 0.25),
        (1, "B", 3, 3, 0.5),
        (2, "A", 0, 0, None),
        (2, "B", 3, 6, 0.875),
    ]
    assert ExperimentAnalysis.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_sessions_in_two_arms_are_named(experiment, seen):
    made = [seen(f"{arm}{n}", f"s-{n}", arm) for n in range(2) for arm in ("BA" if n else "A")]
    found = analyse(experiment, of_observations(made))
    assert (found.crossing_sessions, found.crossing) == (1, {"s-1": ("A", "B")})
    assert found.as_dict()["crossing"] == {"s-1": ["A", "B"]}


def test_a_report_names_the_first_of_very_many_crossing_sessions(experiment, seen):
    many = {f"s-{n:05}": ("A", "B") for n in range(CROSSING_NAMED + 5)}
    found = analyse(experiment, Statistics(crossing=many))
    assert (found.crossing_sessions, len(found.crossing)) == (CROSSING_NAMED + 5, CROSSING_NAMED)
