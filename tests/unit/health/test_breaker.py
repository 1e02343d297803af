from __future__ import annotations

import os
import threading
from random import Random

import pytest

from kenshin.errors import CircuitOpen
from kenshin.health.breaker import TRANSITIONS, CircuitBreaker
from kenshin.health.policy import BreakerPolicy
from kenshin.health.window import window_of

POLICY = BreakerPolicy(
    window_size=10,
    minimum_calls=4,
    failure_rate=0.5,
    slow_call_s=5,
    slow_call_rate=0.75,
    open_s=20,
    permits=1,
    jitter=0.0,
)


@pytest.fixture
def changes():
    return []


@pytest.fixture
def breaker(clock, changes):
    return CircuitBreaker("haiku@tokyo", POLICY, clock=clock, listeners=[changes.append])


def call(breaker, outcome="success", seconds=0.1):
    breaker.admit().end(outcome, seconds)


def opened(breaker):
    for _ in range(4):
        call(breaker, "fault")
    assert breaker.state == "open"


def half_opened(breaker, clock):
    opened(breaker)
    clock.pass_(20)


def steps(changes):
    return [(each.before, each.after, each.why) for each in changes]


def test_the_table_leads_from_every_state_to_every_other():
    assert (
        {before for before, _ in TRANSITIONS} == set(TRANSITIONS.values()) == {"closed", "open", "half_open"}
    )


def test_it_opens_at_the_failure_rate_and_not_before_the_minimum(breaker, changes):
    for outcome in ("fault", "fault", "fault"):
        call(breaker, outcome)
    assert breaker.state == "closed"
    call(breaker, "success")
    assert breaker.state == "closed", "a success never opens it"
    call(breaker, "fault")
    assert breaker.state == "open"
    assert steps(changes) == [("closed", "open", "rates_reached")]
    assert changes[0].breaker == "haiku@tokyo"


def test_it_opens_at_the_rate_of_slow_calls(breaker):
    for seconds in (1, 5, 5, 5):
        call(breaker, "success", seconds)
    assert breaker.state == "open"


def test_old_failures_fall_out_of_the_window(breaker, clock):
    for _ in range(3):
        call(breaker, "fault")
    clock.pass_(11)
    for _ in range(3):
        call(breaker)
    call(breaker, "fault")
    assert breaker.state == "closed"


@pytest.mark.parametrize("outcome", ["ignored", "throttled"])
def test_mistakes_cancellations_and_throttling_never_open_it(breaker, outcome):
    for _ in range(50):
        call(breaker, outcome, 60)
    assert breaker.state == "closed"
    assert breaker.counts == {outcome: 50, "slow": 50}


def test_open_it_refuses_and_says_for_how_long(breaker, clock):
    opened(breaker)
    clock.pass_(5)
    with pytest.raises(CircuitOpen) as refused:
        breaker.admit()
    assert refused.value.value == "haiku@tokyo"
    assert "in 15.0 s" in refused.value.mend
    assert breaker.acquire() is None
    assert breaker.counts["refused"] == 2


def test_after_a_while_probes_decide_and_a_success_closes_it(breaker, clock, changes):
    half_opened(breaker, clock)
    for _ in range(3):
        assert breaker.state in {"open", "half_open"}
        call(breaker)
    assert breaker.state == "closed"
    assert [after for _, after, _ in steps(changes)] == ["open", "half_open", "closed"]
    call(breaker, "fault")
    assert breaker.state == "closed", "its window is empty again"


def test_a_round_of_probes_ends_as_soon_as_it_cannot_pass(breaker, clock, changes):
    half_opened(breaker, clock)
    call(breaker, "success")
    call(breaker, "fault")
    assert breaker.state == "half_open"
    call(breaker, "fault")
    assert breaker.state == "open"
    assert steps(changes)[-1] == ("half_open", "open", "probes_failed")
    assert breaker.acquire() is None


def test_slow_probes_fail(breaker, clock):
    half_opened(breaker, clock)
    for _ in range(3):
        call(breaker, "success", 5)
    assert breaker.state == "open"


def test_half_open_only_so_many_run_at_once(clock):
    breaker = CircuitBreaker("m", BreakerPolicy(**{**vars_of(POLICY), "permits": 2}), clock=clock)
    half_opened(breaker, clock)
    first, second = breaker.acquire(), breaker.acquire()
    assert breaker.acquire() is None
    assert "once its probes are back" in breaker.refusal().mend
    first.end("success")
    third = breaker.acquire()
    assert breaker.acquire() is None, "three decide, and three are on their way"
    second.end("ignored")
    fourth = breaker.acquire()
    third.end("success")
    fourth.end("success")
    assert breaker.state == "closed"


def vars_of(policy):
    return {name: getattr(policy, name) for name in policy.__dataclass_fields__}


def test_probes_that_never_come_back_are_written_off(breaker, clock, changes):
    half_opened(breaker, clock)
    lost = breaker.acquire()
    assert breaker.acquire() is None
    clock.pass_(POLICY.probe_timeout_s)
    probe = breaker.acquire()
    assert probe is not None
    lost.end("fault")
    assert breaker.counts["late"] == 1
    probe.end("success")
    assert breaker.state == "half_open"
    assert steps(changes)[-1][2] == "wait_over", "nobody needs to hear of a new round"


def test_an_outcome_of_a_time_that_is_over_decides_nothing(breaker, clock):
    before = [breaker.acquire() for _ in range(8)]
    half_opened(breaker, clock)
    for permit in before[:4]:
        permit.end("success")
    probe = breaker.acquire()
    for permit in before[4:]:
        permit.end("fault")
    assert breaker.state == "half_open"
    probe.end("success")
    assert breaker.counts["late"] == 8


def test_a_permit_ends_once(breaker):
    permit = breaker.admit()
    permit.end("success")
    permit.end("fault")
    permit.abandon()
    assert breaker.counts == {"success": 1}


def test_an_abandoned_permit_gives_its_place_back(breaker, clock):
    half_opened(breaker, clock)
    breaker.admit().abandon()
    assert breaker.acquire() is not None
    assert breaker.counts["ignored"] == 1


@pytest.mark.parametrize(("outcome", "state"), [("success", "closed"), ("fault", "open")])
def test_an_abandoned_permit_may_have_a_verdict(breaker, clock, changes, outcome, state):
    half_opened(breaker, clock)
    for _ in range(3):
        if (permit := breaker.acquire()) is not None:
            permit.abandon(outcome, 0.1)
    counts = breaker.counts
    assert (breaker.state, changes[-1].after) == (state, state)
    assert counts[outcome] >= 2


def test_abandoned_permits_are_taken_back_while_it_is_closed(breaker):
    for _ in range(100):
        breaker.admit().abandon()
        assert len(breaker._abandoned) <= 1


def test_the_open_time_is_drawn(clock):
    policy = BreakerPolicy(minimum_calls=1, open_s=10, jitter=0.3)

    def time_open(seed):
        breaker = CircuitBreaker("m", policy, clock=clock, rng=Random(seed))
        call(breaker, "fault")
        return breaker._open_until - clock()

    drawn = {time_open(seed) for seed in range(50)}
    assert len(drawn) == 50
    assert 7 <= min(drawn) < 8 < 12 < max(drawn) <= 13
    assert time_open(1) == time_open(1)


def test_throttling_in_a_row_lets_the_model_rest_and_stays_closed(breaker, clock):
    for outcome in ("throttled", "throttled", "success", "throttled", "throttled"):
        call(breaker, outcome)
    assert not breaker.resting
    call(breaker, "throttled")
    assert breaker.resting
    assert breaker.state == "closed"
    assert breaker.acquire() is not None, "rest diverts, it does not refuse"
    clock.pass_(POLICY.rest_s)
    assert not breaker.resting


def test_by_hand_it_is_open_until_it_is_cleared(breaker, changes):
    breaker.override("open")
    assert (breaker.state, breaker.overridden) == ("open", "open")
    with pytest.raises(CircuitOpen, match="open by hand"):
        breaker.admit()
    breaker.override("open")
    breaker.override(None)
    call(breaker)
    assert steps(changes) == [("closed", "open", "overridden"), ("open", "closed", "overridden")]


def test_held_closed_nothing_opens_it(breaker, clock):
    opened(breaker)
    breaker.override("closed")
    for _ in range(20):
        call(breaker, "fault")
    assert breaker.state == "closed"
    breaker.override(None)
    assert breaker.state == "closed"
    opened(breaker)


def test_a_listener_that_fails_is_logged_and_the_others_hear(clock, changes, caplog):
    def broken(change):
        raise RuntimeError("no")

    breaker = CircuitBreaker("m", POLICY, clock=clock, listeners=[broken, changes.append])
    opened(breaker)
    assert len(changes) == 1
    assert "A listener of the breaker of m failed" in caplog.text


def test_a_listener_may_use_the_breaker(clock):
    seen = []
    breaker = CircuitBreaker("m", POLICY, clock=clock, listeners=[lambda _: seen.append(breaker.acquire())])
    opened(breaker)
    assert seen == [None]


def test_a_forked_child_knows_the_state_and_not_the_calls(breaker, clock):
    half_opened(breaker, clock)
    probe = breaker.acquire()
    with breaker._lock:  # as if another thread were in it just now
        child = os.fork()
        if not child:
            free = breaker.acquire() is not None and breaker.state == "half_open"
            probe.end("fault")
            os._exit(0 if free and breaker.counts["late"] == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert breaker.acquire() is None


def test_a_fork_while_another_thread_changes_it_leaves_a_breaker_that_works(breaker, monkeypatch):
    changing, go_on = threading.Event(), threading.Event()

    def slowly(policy):
        changing.set()
        go_on.wait(10)
        return window_of(policy)

    breaker.override("open")
    monkeypatch.setattr("kenshin.health.breaker.window_of", slowly)
    thread = threading.Thread(target=breaker.override, args=(None,))
    thread.start()
    assert changing.wait(10)
    child = os.fork()
    if not child:
        done = 1
        try:
            breaker.admit().end("success")
            done = int(breaker.state != "closed")
        finally:
            os._exit(done)
    go_on.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
