from __future__ import annotations

import pytest

from kenshin.errors import InvalidPolicy
from kenshin.health.policy import BreakerPolicy


@pytest.mark.parametrize(
    "wrong",
    [
        {"window": "days"},
        {"window_size": 0},
        {"window_size": 2.5},
        {"minimum_calls": True},
        {"failure_rate": 0},
        {"failure_rate": 1.01},
        {"slow_call_rate": float("nan")},
        {"slow_call_s": -1},
        {"open_s": 0},
        {"open_s": "15"},
        {"jitter": 1.0},
        {"jitter": -0.1},
        {"probes": 0},
        {"permits": 4, "probes": 3},
        {"probe_timeout_s": 0},
        {"throttles": 0},
        {"rest_s": 0},
        {"window": "count", "window_size": 5, "minimum_calls": 6},
    ],
    ids=str,
)
def test_a_policy_that_means_nothing_is_refused(wrong):
    with pytest.raises(InvalidPolicy) as refused:
        BreakerPolicy(**wrong)
    assert any(str(value) in str(refused.value) for value in wrong.values())
    assert refused.value.mend


def test_the_defaults_and_the_bounds_are_policies():
    assert BreakerPolicy().window == "time"
    BreakerPolicy(failure_rate=1, slow_call_rate=1.0, jitter=0, window="count", window_size=10)
