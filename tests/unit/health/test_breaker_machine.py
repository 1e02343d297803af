"""The breaker against a model that is too simple to be wrong, and under threads."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kenshin.health.breaker import CircuitBreaker
from kenshin.health.policy import BreakerPolicy

POLICY = BreakerPolicy(
    window="count",
    window_size=6,
    minimum_calls=3,
    failure_rate=0.5,
    slow_call_s=5,
    slow_call_rate=0.6,
    open_s=10,
    jitter=0.0,
    probes=3,
    permits=2,
    probe_timeout_s=100,
)
OUTCOMES = ["success", "fault", "throttled", "ignored"]


class Model:
    """Lists instead of sums, whole lists instead of rings, an era instead of a generation."""

    def __init__(self) -> None:
        self.held = None
        self.enter("closed", 0.0)

    def enter(self, state: str, now: float) -> None:
        self.state, self.since = state, now
        self.era = object()
        self.seen: list[tuple[bool, bool]] = []
        self.running = 0

    def may_call(self, now: float) -> bool:
        if self.held is not None:
            return self.held == "closed"
        if self.state == "open" and now - self.since >= POLICY.open_s:
            self.enter("half_open", now)
        if self.state == "half_open":
            if now - self.since >= POLICY.probe_timeout_s:
                self.enter("half_open", now)
            if self.running == POLICY.permits or self.running + len(self.seen) == POLICY.probes:
                return False
            self.running += 1
        return self.state != "open"

    def ended(self, era: object, outcome: str, slow: bool, now: float) -> None:
        if era is not self.era:
            return
        if self.state == "half_open":
            self.running -= 1
        if outcome not in {"success", "fault"}:
            return
        self.seen.append((outcome == "fault", slow))
        faults, slows = (sum(each[place] for each in self.seen[-6:]) for place in (0, 1))
        of = POLICY.probes if self.state == "half_open" else len(self.seen[-6:])
        bad = faults / of >= POLICY.failure_rate or slows / of >= POLICY.slow_call_rate
        if self.state == "half_open":
            if bad:
                self.enter("open", now)
            elif len(self.seen) == POLICY.probes:
                self.enter("closed", now)
        elif self.held is None and bad and (outcome == "fault" or slow) and of >= POLICY.minimum_calls:
            self.enter("open", now)


class BreakerMachine(RuleBasedStateMachine):
    """Calls begin and end in any order while time passes and people intervene."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.model = Model()
        self.changes: list[tuple[str, str]] = []
        self.breaker = CircuitBreaker(
            "m",
            POLICY,
            clock=lambda: self.now,
            listeners=[lambda change: self.changes.append((change.before, change.after))],
        )
        self.calls: list[tuple[object, object]] = []
        self.begun = self.refused = 0
        self.ended: Counter[str] = Counter()

    @rule()
    def begin(self) -> None:
        permit, allowed = self.breaker.acquire(), self.model.may_call(self.now)
        assert (permit is not None) == allowed
        if permit is None:
            self.refused += 1
        else:
            self.begun += 1
            self.calls.append((permit, self.model.era))

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES), slow=st.booleans(), twice=st.booleans())
    def end(self, data: st.DataObject, outcome: str, slow: bool, twice: bool) -> None:
        permit, era = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        permit.end(outcome, 6.0 if slow else 0.1)
        if twice:
            permit.end("fault", 6.0)
        self.model.ended(era, outcome, slow, self.now)
        self.ended[outcome] += 1

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), outcome=st.sampled_from(["success", "ignored"]), slow=st.booleans())
    def abandon(self, data: st.DataObject, outcome: str, slow: bool) -> None:
        permit, era = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        permit.abandon(outcome, 6.0 if slow else 0.1)
        assert self.breaker.counts[outcome] == self.ended[outcome] + 1, "taken back where somebody looks"
        self.model.ended(era, outcome, slow, self.now)
        self.ended[outcome] += 1

    @rule(seconds=st.sampled_from([0.5, 4.0, 10.0, 100.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule(held=st.sampled_from(["open", "closed", None]))
    def intervene(self, held: str | None) -> None:
        self.breaker.override(held)
        if held != self.model.held:
            self.model.held = held
            self.model.enter("closed", self.now)

    @invariant()
    def they_agree(self) -> None:
        assert self.breaker.state == (self.model.held or self.model.state)

    @invariant()
    def every_outcome_is_counted_once(self) -> None:
        counts = self.breaker.counts
        assert {name: counts.get(name, 0) for name in OUTCOMES} == {n: self.ended[n] for n in OUTCOMES}
        assert counts.get("refused", 0) == self.refused
        assert self.begun == sum(self.ended.values()) + len(self.calls)

    @invariant()
    def changes_join_up(self) -> None:
        for (_, after), (before, _) in zip(self.changes, self.changes[1:], strict=False):
            assert after == before


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_threads_lose_no_outcome_and_never_have_too_many_probes():
    now = [0.0]
    lock = threading.Lock()
    policy = BreakerPolicy(
        window="count", window_size=20, minimum_calls=10, open_s=0.5, probes=4, permits=2, probe_timeout_s=1e9
    )
    breaker = CircuitBreaker("m", policy, clock=lambda: now[0], rng=Random(1))
    ended: Counter[str] = Counter()
    probing: Counter[int] = Counter()
    most = [0]

    def caller(seed: int) -> None:
        rng = Random(seed)
        mine: Counter[str] = Counter()
        for number in range(2000):
            if number % 7 == 0:
                with lock:
                    now[0] += 0.1
            permit = breaker.acquire()
            if permit is None:
                mine["refused"] += 1
                continue
            # An era of probes is known by its number; only while it lasts do its permits count.
            era = permit._generation
            probe = breaker._state == "half_open" and breaker._generation == era
            if probe:
                with lock:
                    probing[era] += 1
                    most[0] = max(most[0], probing[era])
            bad = (number // 200 + seed) % 2 and rng.random() < 0.9
            outcome = (
                "fault" if bad else rng.choice(["success", "success", "success", "throttled", "ignored"])
            )
            if probe:
                with lock:
                    probing[era] -= 1
            permit.end(outcome, 0.1)
            permit.end("fault", 0.1)
            mine[outcome] += 1
        with lock:
            ended.update(mine)

    threads = [threading.Thread(target=caller, args=(seed,)) for seed in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    counts = breaker.counts
    counts.pop("late", None)
    assert counts == dict(ended)
    assert sum(ended.values()) == 8 * 2000
    assert ended["refused"] > 0
    assert 1 <= most[0] <= policy.permits
    assert breaker._running <= policy.permits
