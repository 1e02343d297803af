"""Rates of worlds: reproducible, within their error of what is promised, and the same through the whole pipeline."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from kenshin.experiments import night
from kenshin.experiments.aggregate import reduce
from kenshin.experiments.collect import collect, first_day
from kenshin.experiments.looks import looks_of
from kenshin.experiments.observation import SHARDS, observation
from kenshin.experiments.policy import Policy
from kenshin.experiments.simulation.courses import drawn_nights, followed
from kenshin.experiments.simulation.rates import simulate
from kenshin.experiments.simulation.scenarios import (
    Scenario,
    equal,
    nothing_differs,
    something_differs,
    something_is_wrong,
)
from kenshin.experiments.simulation.worlds import World


def test_the_same_seed_gives_the_same_rates_whatever_the_processes():
    scenarios = [
        Scenario("plain", World(), sessions=40),
        Scenario("three", World(), sessions=40, shares=equal(3)),
    ]
    told = []
    alone = simulate(scenarios, worlds=60, seed=7, progress=lambda done, total: told.append((done, total)))
    assert alone == simulate(scenarios, worlds=60, seed=7, processes=2)
    assert alone != simulate(scenarios, worlds=60, seed=8)
    assert told[-1] == (120, 120)


@pytest.mark.parametrize("scenario", nothing_differs(), ids=lambda each: each.name)
def test_false_decisions_stay_within_alpha_and_its_error(scenario):
    [rates] = simulate([scenario], worlds=150, seed=3)
    assert rates.crossed <= 0.05 + 3 * (0.05 * 0.95 / 150) ** 0.5
    assert rates.peeked > 0.2


def test_a_better_candidate_is_found_about_as_often_as_by_one_look():
    [rates, with_futility] = simulate(something_differs()[:2], worlds=200, seed=3)
    assert rates.crossed == pytest.approx(rates.one_look, abs=0.06)
    assert 0.65 < rates.crossed < 0.92
    assert rates.by_night[-1] == rates.crossed
    assert list(rates.by_night) == sorted(rates.by_night)
    assert with_futility.mean_night < rates.mean_night
    assert with_futility.futile > 0 == rates.futile


def test_what_is_wrong_is_held_or_taken_back_however_good_the_score():
    lost, harmed, futile = simulate(something_is_wrong(), worlds=40, seed=3)
    assert lost.held > 0.9
    assert lost.one_look > 0.5
    assert (harmed.rolled_back, harmed.promoted) == (1.0, 0.0)
    assert futile.futile > 0.7


def test_a_ramp_under_a_trend_fools_a_pooled_look_and_not_the_phases():
    ramp = next(each for each in nothing_differs() if each.name.startswith("ramp"))
    [rates] = simulate([ramp], worlds=60, seed=3)
    assert rates.one_look > 0.9
    assert rates.crossed < 0.15


@pytest.mark.slow
def test_twenty_worlds_through_the_whole_pipeline_end_as_in_the_simulation(runtime, zone):
    policy = Policy(horizon_nights=3, futility=None)
    verdicts = set()
    for number in range(20):
        effect = (0.0, 0.6)[number % 2]
        scenario = Scenario("pipeline", World(effect=effect), policy, sessions=40)
        drawn = list(drawn_nights(scenario, np.random.default_rng([9, number])))
        expected = followed(scenario, drawn)
        name = f"world-{number}"
        experiment = replace(
            scenario.experiment(0),
            experiment_id=name,
            created_at=datetime(2026, 11, 1, tzinfo=zone).timestamp(),
        )
        runtime.experiments.put(experiment, expected=None)
        days = [first_day(experiment, zone) + timedelta(days=place) for place in range(scenario.nights)]
        for day, arms in zip(days[: expected.night], drawn, strict=False):
            runtime.observations.write(list(observations(experiment, day, arms, zone)))
            for shard in range(SHARDS):
                collect(
                    runtime.observations, runtime.lake, experiment, shard=shard, through_day=day, zone=zone
                )
                reduce(runtime.lake, experiment, shard=shard, through_day=day, zone=zone)
            ports = (runtime.experiments, runtime.ledger, runtime.lake, runtime.recorder)
            item = {"experiment_id": name, "through_day": day.isoformat()}
            found = night.analyse(*ports, item, zone=zone, at=runtime.clock())
        decision = found["decision"]
        assert (decision["verdict"], decision["rule"], decision["arm"]) == (
            expected.verdict,
            expected.rule,
            expected.arm,
        )
        assert looks_of(runtime.ledger, name)[-1].z == pytest.approx(expected.z, rel=1e-8)
        verdicts.add(decision["verdict"])
    assert {"promote", "inconclusive"} <= verdicts


def observations(experiment, day, arms, zone):
    """A night's observations; scores are squeezed into 0 to 1, which changes no z."""
    at = datetime(day.year, day.month, day.day, 12, tzinfo=zone)
    for arm, drawn in arms.items():
        ends = np.cumsum(drawn.counts)
        for place, score in enumerate(drawn.scores.tolist()):
            session = int(np.searchsorted(ends, place, "right"))
            yield observation(
                observation_id=f"{day}-{arm}-{place}",
                experiment_id=experiment.experiment_id,
                session_id=f"{day}-{arm}-{session}",
                arm=arm,
                prompt_version=experiment.version_of(arm),
                observed_at=at,
                recorded_at=at,
                zone=zone,
                quality_score=0.5 + score / 32,
            )
