"""The STAR trial: what is loaded, and that its figures are those of an independent computation."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import statsmodels.api as sm

from kenshin.days import day_of, days_between
from kenshin.experiments.admission import admit
from kenshin.experiments.analysis import analyse
from kenshin.experiments.stats.welch import welch
from kenshin.experiments.sufficient import of_observations
from kenshin.samples.star import kindergarten, load_star

ZONE = ZoneInfo("Asia/Tokyo")
LAST_DAY = date(2026, 11, 14)
DEFINITION = json.loads(
    (Path(__file__).parents[3] / "include" / "experiments" / "star-class-size.json").read_text()
)


@pytest.fixture(scope="module")
def loaded():
    experiment, observations = load_star(DEFINITION, last_day=LAST_DAY, zone=ZONE)
    return experiment, list(observations)


def clustered(pupils, class_type):
    """Mean and variance by intercept-only least squares, clustered by teacher: CR0 × n/(n−1)."""
    some = pupils[pupils["cltype"] == class_type]
    n = some["tch"].nunique()
    fit = sm.OLS(some["score"].to_numpy(), np.ones(len(some))).fit(
        cov_type="cluster", cov_kwds={"groups": some["tch"].to_numpy(), "use_correction": False}
    )
    return fit.params[0], fit.cov_params()[0, 0] * n / (n - 1)


def test_estimate_and_clustered_error_agree_with_statsmodels(loaded):
    experiment, observations = loaded
    pupils = kindergarten()
    lowest, highest = pupils["read"].min(), pupils["read"].max()
    pupils = pupils.assign(score=(pupils["read"] - lowest) / (highest - lowest))
    (mean_a, variance_a), (mean_b, variance_b) = clustered(pupils, "reg"), clustered(pupils, "small")

    statistics = of_observations(observations)
    found = welch(statistics.of("A", "quality_score"), statistics.of("B", "quality_score"))
    assert found.delta == pytest.approx(mean_b - mean_a, rel=1e-9)
    assert found.se == pytest.approx(np.sqrt(variance_a + variance_b), rel=1e-9)
    stated = analyse(experiment, statistics).as_dict()["estimates"]
    assert stated["mean_a"] == pytest.approx(mean_a, rel=1e-9)
    assert stated["se_b"] == pytest.approx(np.sqrt(variance_b), rel=1e-9)
    assert stated["delta"] * (highest - lowest) == pytest.approx(5.81513796736, rel=1e-6)


def test_pupils_and_classes_are_those_of_the_trial(loaded):
    experiment, observations = loaded
    assert len(observations) == len({each.observation_id for each in observations}) == 3745
    classes = {arm: {each.session_id for each in observations if each.arm == arm} for arm in "AB"}
    assert (len(classes["A"]), len(classes["B"])) == (103, 131)
    assert not classes["A"] & classes["B"]
    for each in observations:
        admit(each, experiment)


def test_classes_are_spread_over_fourteen_nights_that_end_on_the_last_day(loaded):
    experiment, observations = loaded
    nights = {each.day for each in observations}
    assert nights == set(days_between(date(2026, 11, 1), LAST_DAY))
    by_class = {each.session_id: set() for each in observations}
    for each in observations:
        by_class[each.session_id].add(each.day)
    assert all(len(days) == 1 for days in by_class.values())
    assert day_of(datetime.fromtimestamp(experiment.created_at, UTC), ZONE) == min(nights)


def test_loading_again_gives_the_same(loaded):
    again = load_star(DEFINITION, last_day=LAST_DAY, zone=ZONE)
    assert (again[0], list(again[1])) == loaded


def test_the_definition_says_what_the_mapping_does(loaded):
    pupils = kindergarten()
    for number in (pupils["read"].min(), pupils["read"].max()):
        assert str(int(number)) in DEFINITION["score_unit"]
    assert "school" in DEFINITION["randomised"]
    assert "aide" in DEFINITION["left_out"]
    assert loaded[0].unit == "class (teacher)"
