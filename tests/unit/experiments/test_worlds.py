from __future__ import annotations

import numpy as np
import pytest

from kenshin.experiments.simulation.worlds import World


@pytest.mark.parametrize("tail", ["normal", "heavy"])
def test_scores_have_the_declared_moments(tail):
    world = World(tail=tail, observations=1.0, trend=0.1, effect=0.3)
    sums, counts = world.draw(np.random.default_rng(1), 1, 2, 200_000)
    assert (counts == 1).all()
    assert sums.mean() == pytest.approx(0.5, abs=0.015)
    assert sums.var() == pytest.approx(1.0, rel=0.1)


def test_scores_of_a_session_correlate():
    sums, counts = World().draw(np.random.default_rng(2), 0, 0, 200_000)
    pairs = sums[counts == 2]
    assert pairs.var() == pytest.approx(2 * (1 + 0.22), rel=0.03)
    assert counts.mean() == pytest.approx(3, rel=0.01)
