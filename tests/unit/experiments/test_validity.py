from __future__ import annotations

import pytest
from unit.experiments.judged import DAYS, level, sufficient

from kenshin.experiments.experiment import Arm, Experiment
from kenshin.experiments.policy import Policy
from kenshin.experiments.ratio_check import mismatch_of
from kenshin.experiments.validity import validity_of

PLAIN = Experiment("exp", "v1", "v2")
THREE = PLAIN.changed(arms=(Arm("A", "v1", 0.5), Arm("B", "v2", 0.5), Arm("C", "v3", 0.0)))
SCORE = "quality_score"


def checked(
    experiment=PLAIN,
    *,
    n=(400, 400),
    seen=None,
    estimated=("B",),
    nights=10,
    retrospective=False,
    ended=False,
    **changes,
):
    cells = {(arm, SCORE): level(0.5, count) for arm, count in zip("ABC", n, strict=False)}
    if seen is not None:
        cells |= {
            (arm, "observations"): level(1.0, count, 0.0) for arm, count in zip("ABC", seen, strict=False)
        }
    statistics = sufficient(cells, nights=nights, **changes)
    return validity_of(
        experiment,
        statistics,
        mismatch_of(experiment, statistics),
        days=DAYS[:nights],
        estimated=estimated,
        retrospective=retrospective,
        ended=ended,
    )


def crossing(count):
    return {"crossing": {f"s{number}": ("A", "B") for number in range(count)}}


def test_a_night_like_any_other_may_decide():
    found = checked()
    assert (found.problems, found.missing_days, found.crossing_share) == ((), (), 0.0)
    assert (found.nights, found.least_sessions) == (10, 400)


@pytest.mark.parametrize(
    ("problem", "given"),
    [
        ("ended", {"ended": True}),
        ("retrospective", {"retrospective": True}),
        ("missing_night", {"days": (*DAYS[:3], *DAYS[4:10])}),
        ("crossing_sessions", crossing(8)),
        ("sample_ratio", {"n": (10_500, 9_500)}),
        ("too_few_nights", {"nights": 1}),
        (
            "too_few_sessions",
            {
                "n": (400, 400),
                "seen": (400, 400),
                "experiment": PLAIN.changed(policy=Policy(minimum_sessions=401)),
            },
        ),
        ("no_variance", {"estimated": ()}),
    ],
)
def test_each_problem_is_found_alone(problem, given):
    assert checked(**given).problems == (problem,)


def test_every_missing_night_is_named_wherever_it_lies():
    found = checked(days=DAYS[1:5] + DAYS[6:9])
    assert found.missing_days == (DAYS[0], DAYS[5], DAYS[9])


def test_a_night_without_observations_is_not_missing_but_counts_for_nothing():
    found = checked(filled_days=DAYS[:4])
    assert (found.problems, found.nights) == ((), 4)
    assert checked(filled_days=(DAYS[0], DAYS[15])).problems == ("too_few_nights",), (
        "a day beyond the range counts not"
    )


@pytest.mark.parametrize(("nights", "problems"), [(1, ("too_few_nights",)), (2, ())])
def test_two_nights_are_enough(nights, problems):
    assert checked(nights=nights).problems == problems


@pytest.mark.parametrize(
    ("n", "problems"), [((30, 30), ()), ((29, 30), ("too_few_sessions",)), ((30, 29), ("too_few_sessions",))]
)
def test_thirty_sessions_of_each_arm_are_enough(n, problems):
    assert checked(n=n).problems == problems


def test_sessions_without_a_score_do_not_count_as_scored():
    found = checked(n=(400, 20), seen=(400, 400))
    assert (found.problems, found.least_sessions) == (("too_few_sessions",), 20)


def test_too_few_sessions_are_not_called_scores_that_do_not_vary():
    assert checked(n=(400, 1), seen=(400, 400), estimated=()).problems == ("too_few_sessions",)


@pytest.mark.parametrize(("count", "held"), [(0, False), (4, False), (5, True)])
def test_a_session_in_both_arms_is_one_session(count, held):
    """500 sessions, seen in two arms or one: five of them are 1 %, which is not more than 1 %."""
    found = checked(n=(250 + count, 250), **crossing(count))
    assert found.crossing_share == pytest.approx(count / 500)
    assert ("crossing_sessions" in found.problems) is (count / 500 > 0.01)
    more = checked(
        n=(250 + count, 250), **crossing(count), experiment=PLAIN.changed(policy=Policy(crossing_share=0.009))
    )
    assert ("crossing_sessions" in more.problems) is held


def test_an_arm_without_a_share_is_waited_for_by_nobody():
    found = checked(THREE, n=(400, 400, 3), seen=(400, 400, 0), estimated=("B",))
    assert (found.problems, found.least_sessions) == ((), 400)


def test_where_no_candidate_is_left_nothing_is_decided():
    found = checked(PLAIN.changed(traffic_split=0.0), n=(400, 40), seen=(400, 0))
    assert found.problems == ("no_candidate",)


def test_before_the_first_observation_all_that_lacks_is_said():
    found = checked(n=(), days=(), filled_days=(), estimated=())
    assert found.problems == ("missing_night", "too_few_nights", "too_few_sessions")
    assert (found.crossing_share, found.least_sessions, len(found.missing_days)) == (0.0, 0, 10)
