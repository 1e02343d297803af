from __future__ import annotations

import numpy as np
import pytest

from kenshin.experiments.simulation.worlds import World


@pytest.mark.parametrize("tail", ["normal", "heavy"])
def test_scores_have_the_declared_moments(tail):
    world = World(tail=tail, observations=1.0, trend=0.1, effect=0.3)
    drawn = world.draw(np.random.default_rng(1), candidate=True, night=2, sessions=200_000)
    assert (drawn.counts == 1).all()
    assert drawn.scores.mean() == pytest.approx(0.5, abs=0.015)
    assert drawn.scores.var() == pytest.approx(1.0, rel=0.1)


def test_scores_of_a_session_correlate():
    drawn = World().draw(np.random.default_rng(2), candidate=False, night=0, sessions=200_000)
    pairs = drawn.sums[drawn.counts == 2]
    assert pairs.var() == pytest.approx(2 * (1 + 0.22), rel=0.03)
    assert drawn.counts.mean() == pytest.approx(3, rel=0.01)
    assert drawn.sums.sum() == pytest.approx(drawn.scores.sum())


def test_a_candidates_costs_are_dearer_by_the_declared_share():
    world = World(cost_effect=0.1)
    means = [
        world.draw(np.random.default_rng(3), candidate=each, night=0, sessions=50_000).costs.mean()
        for each in (False, True)
    ]
    assert means[1] / means[0] == pytest.approx(1.1)


def test_no_sessions_are_no_scores():
    drawn = World().draw(np.random.default_rng(4), candidate=False, night=0, sessions=0)
    assert (len(drawn.scores), len(drawn.counts), len(drawn.costs)) == (0, 0, 0)


def test_the_deviation_gives_the_standard_error():
    world, chance = World(), np.random.default_rng(5)
    means = []
    for _ in range(400):
        drawn = world.draw(chance, candidate=False, night=0, sessions=100)
        means.append(drawn.scores.sum() / drawn.counts.sum())
    assert np.std(means) == pytest.approx(world.session_deviation() / 10, rel=0.12)
