"""Courses: one world night by night, through the very code that assesses, looks and decides in production."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from kenshin.experiments.assessment import assess
from kenshin.experiments.decision import decide
from kenshin.experiments.looks import Look, signed
from kenshin.experiments.simulation.scenarios import Scenario
from kenshin.experiments.simulation.worlds import Drawn
from kenshin.experiments.stats.ratio import RatioStatistics
from kenshin.experiments.stats.welch import welch
from kenshin.experiments.sufficient import ALL_PHASES, ALL_SEGMENTS, OBSERVATIONS, SCORE, Cell, Statistics

if TYPE_CHECKING:
    import numpy as np

FIRST = date(2026, 1, 1)
COST = "cost"
FINAL = ("promote", "reject", "roll_back")


@dataclass(frozen=True, slots=True)
class Course:
    """What became of a world.

    Args:
        night: on which it was decided, from 1; None: it never was.
        verdict: of that night, or of the last one.
        rule: the row of the decision table.
        arm: whom it concerns.
        one_look: whether Welch's test by session, once on the last night, finds a difference in any candidate.
        peeked: whether Welch's test by observation found one on any night, as the proof of concept looked.
        z: of the last look, None where there was none.
    """

    night: int | None
    verdict: str
    rule: str
    arm: str | None
    one_look: bool
    peeked: bool
    z: float | None = None

    @property
    def crossed(self) -> bool:
        """Whether a boundary was crossed, up or down."""
        return self.night is not None and self.rule in ("crossed_up", "crossed_down")


def course(scenario: Scenario, chance: np.random.Generator) -> Course:
    """Draw a world and run it until a verdict that ends it.

    Args:
        scenario: what is simulated.
        chance: the source of randomness.
    """
    return followed(scenario, drawn_nights(scenario, chance))


def drawn_nights(scenario: Scenario, chance: np.random.Generator) -> Iterator[Mapping[str, Drawn]]:
    """Each night's sessions by arm."""
    for night in range(scenario.nights):
        names = scenario.experiment(night).arm_names()
        arriving = scenario.arriving or scenario.shares[scenario.phase(night)]
        sizes = chance.multinomial(scenario.sessions * len(names), arriving)
        yield {
            name: scenario.world.draw(chance, candidate=place > 0, night=night, sessions=size)
            for place, (name, size) in enumerate(zip(names, sizes.tolist(), strict=True))
        }


def followed(scenario: Scenario, nights: Iterable[Mapping[str, Drawn]]) -> Course:
    """Judge nights until a verdict that ends the experiment; totals go on to the last one for the one look."""
    totals = _Totals(costs=bool(scenario.policy.guardrails))
    looks: tuple[Look, ...] = ()
    night_of: int | None = None
    verdict, rule, arm, peeked = "continue", "undecided", None, False
    names: tuple[str, ...] = ()
    for night, drawn in enumerate(nights):
        experiment, names = scenario.experiment(night), tuple(drawn)
        for name, sessions in drawn.items():
            totals.add(name, experiment.phase, sessions)
        peeked = peeked or any(totals.differs_by_observation(names[0], name) for name in names[1:])
        if night_of is not None:
            continue
        days = tuple(FIRST + timedelta(days=number) for number in range(night + 1))
        assessment = assess(
            experiment,
            totals.statistics(days),
            {},
            {},
            looks,
            days=days,
            shares={
                place + 1: dict(zip(names, shares, strict=True))
                for place, shares in enumerate(scenario.shares[: experiment.phase])
            },
        )
        decision = decide(experiment, assessment, looks)
        tonight = [each.look for each in assessment.arms if each.look is not None]
        looks = (
            *looks,
            *signed(tonight, number=night + 1, decision=decision, report_key="", code_version=""),
        )
        verdict, rule, arm = decision.verdict, decision.rule, decision.arm
        if verdict in FINAL:
            night_of = night + 1
    one_look = any(
        totals.differs(names[0], name, scenario.policy.alpha / (len(names) - 1)) for name in names[1:]
    )
    z = looks[-1].z if looks else None
    return Course(night_of, verdict, rule, arm, one_look, peeked, z)


@dataclass(slots=True)
class _Totals:
    """Sufficient statistics so far; every session lies in one night, hence in one phase."""

    costs: bool
    cells: dict[Cell, RatioStatistics] = field(default_factory=dict)
    squares: dict[str, float] = field(default_factory=dict)

    def add(self, arm: str, phase: int, drawn: Drawn) -> None:
        """Add a night's sessions of an arm."""
        if not len(drawn.counts):
            return
        seen = {SCORE: drawn.sums, OBSERVATIONS: drawn.counts.astype(float)}
        if self.costs:
            seen[COST] = drawn.costs
        for metric, values in seen.items():
            sums = _sums(values, drawn.counts)
            for of in (phase, ALL_PHASES):
                cell = Cell(arm, of, ALL_SEGMENTS, metric)
                self.cells[cell] = self.cells[cell] + sums if cell in self.cells else sums
        self.squares[arm] = self.squares.get(arm, 0.0) + float(drawn.scores @ drawn.scores)

    def statistics(self, days: tuple[date, ...]) -> Statistics:
        """As a night has them."""
        return Statistics(cells=dict(self.cells), days=days, filled_days=days)

    def differs(self, control: str, arm: str, alpha: float) -> bool:
        """One look by session."""
        ours, theirs = (self.cells[Cell(name, ALL_PHASES, ALL_SEGMENTS, SCORE)] for name in (control, arm))
        test = welch(ours, theirs)
        return test is not None and test.p_value < alpha

    def differs_by_observation(self, control: str, arm: str) -> bool:
        """The proof of concept's look: Welch's test as if observations were independent, at 5 %."""
        alone = []
        for name in (control, arm):
            cell = self.cells.get(Cell(name, ALL_PHASES, ALL_SEGMENTS, SCORE))
            if cell is None:
                return False
            k, s, sq = cell.count, cell.sum, self.squares[name]
            alone.append(RatioStatistics(n=k, sum=s, count=k, sum_sq=sq, sum_count=s, count_sq=k))
        test = welch(*alone)
        return test is not None and test.p_value < 0.05


def _sums(sums: np.ndarray, counts: np.ndarray) -> RatioStatistics:
    means = sums / counts
    return RatioStatistics(
        n=len(sums),
        sum=float(sums.sum()),
        count=int(counts.sum()),
        sum_sq=float(sums @ sums),
        sum_count=float(sums @ counts),
        count_sq=int(counts @ counts),
        mean_sum=float(means.sum()),
        mean_sq=float(means @ means),
    )
