"""Scenarios: a world, an experiment in it, and how its sessions come night by night."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kenshin.experiments.experiment import Arm, Experiment
from kenshin.experiments.policy import Guardrail, Policy
from kenshin.experiments.simulation.worlds import World

NO_FUTILITY = Policy(futility=None)
POWERED = 2.8
"""A difference of so many of its standard errors is found by one look at .05 with a chance of .80."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is simulated.

    Args:
        name: in words.
        world: the truth.
        policy: by which it is judged; its horizon is the number of nights.
        sessions: of a night, for each arm; all arms' together are divided by chance.
        shares: of each arm, control first, in each phase.
        starts: the first night of each phase, from 0.
        arriving: shares by which sessions really come, where they are lost on the way; None: as assigned.
    """

    name: str
    world: World
    policy: Policy = NO_FUTILITY
    sessions: int = 500
    shares: tuple[tuple[float, ...], ...] = ((0.5, 0.5),)
    starts: tuple[int, ...] = (0,)
    arriving: tuple[float, ...] | None = None

    @property
    def nights(self) -> int:
        """How many nights are looked at."""
        return self.policy.horizon_nights

    def phase(self, night: int) -> int:
        """The phase of a night, from 0."""
        return max(place for place, start in enumerate(self.starts) if start <= night)

    def experiment(self, night: int) -> Experiment:
        """The definition that is in force on a night."""
        phase = self.phase(night)
        arms = tuple(
            Arm(chr(ord("A") + place), f"v{place + 1}", share)
            for place, share in enumerate(self.shares[phase])
        )
        return Experiment(
            "simulation", "v1", "v2", arms=arms, phase=phase + 1, policy=self.policy, created_at=1.0e9
        )

    def powered(self, errors: float = POWERED) -> Scenario:
        """The same with an effect of so many standard errors of the difference on the last night."""
        last = self.nights * self.sessions
        return replace(
            self,
            world=replace(self.world, effect=errors * self.world.session_deviation() * (2 / last) ** 0.5),
        )


def equal(arms: int) -> tuple[tuple[float, ...], ...]:
    """Equal shares in one phase."""
    return ((1 / arms,) * arms,)


def nothing_differs() -> Sequence[Scenario]:
    """Worlds in which every decision for or against a candidate is false."""
    normal, heavy = World(), World(tail="heavy")
    return (
        Scenario("500 sessions", normal),
        Scenario("500, heavy-tailed", heavy),
        Scenario("50 sessions", normal, sessions=50),
        Scenario("50, heavy-tailed", heavy, sessions=50),
        Scenario("50, Pocock type", normal, replace(NO_FUTILITY, spending="pocock"), 50),
        Scenario(
            "ramp under a trend",
            World(trend=0.1),
            sessions=100,
            shares=((0.9, 0.1), (0.7, 0.3), (0.5, 0.5)),
            starts=(0, 4, 8),
        ),
        Scenario("three arms", normal, sessions=100, shares=equal(3)),
        Scenario("four arms", normal, sessions=100, shares=equal(4)),
    )


def something_differs() -> Sequence[Scenario]:
    """Worlds in which the candidate is better, by what one look finds with a chance of about .80."""
    normal = Scenario("50 sessions", World(), sessions=50).powered()
    return (
        normal,
        replace(normal, name="50, futility on", policy=Policy()),
        Scenario("500 sessions", World()).powered(),
    )


def something_is_wrong() -> Sequence[Scenario]:
    """Worlds in which no candidate may be promoted, however good its score."""
    much_better = World(effect=0.5)
    lost = Scenario("52/48, better", World(), sessions=2000, arriving=(0.52, 0.48))
    guarded = Policy(futility=None, guardrails=(Guardrail("cost", 0.05),))
    return (
        lost.powered(),
        Scenario("cost +10 %, better", replace(much_better, cost_effect=0.10), guarded),
        Scenario("no effect, futility on", World(), Policy(), 50),
    )
