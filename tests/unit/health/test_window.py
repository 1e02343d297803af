from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.health.policy import BreakerPolicy
from kenshin.health.window import CountWindow, TimeWindow, window_of

calls = st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 4)), max_size=60)


def sums(window):
    return window.calls, window.faults, window.slows


@given(calls, st.integers(1, 12))
def test_the_last_calls_are_what_naive_counting_says(calls, size):
    window = CountWindow(size)
    for number, (fault, slow, _) in enumerate(calls):
        window.add(fault, slow, 0.0)
        last = calls[: number + 1][-size:]
        assert sums(window) == (len(last), sum(each[0] for each in last), sum(each[1] for each in last))


@given(calls, st.integers(1, 6))
def test_the_last_seconds_are_what_naive_counting_says(calls, size):
    window, now, seen = TimeWindow(size), 10.5, []
    for fault, slow, pause in calls:
        now += pause
        seen.append((math.floor(now), fault, slow))
        window.add(fault, slow, now)
        last = [each for each in seen if each[0] > math.floor(now) - size]
        assert sums(window) == (len(last), sum(each[1] for each in last), sum(each[2] for each in last))


def test_after_a_long_silence_nothing_is_left():
    window = TimeWindow(30)
    window.add(True, True, 5.0)
    window.add(False, False, 5000.0)
    assert sums(window) == (1, 0, 0)


@pytest.mark.parametrize(("kind", "made"), [("time", TimeWindow), ("count", CountWindow)])
def test_the_policy_chooses(kind, made):
    assert type(window_of(BreakerPolicy(window=kind))) is made
