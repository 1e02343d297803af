"""The situation that a night's decision is about: what tonight shows, and what earlier looks have settled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kenshin.experiments.assessment import ArmAssessment, Assessment
    from kenshin.experiments.experiment import Experiment
    from kenshin.experiments.guardrails import GuardrailFigures
    from kenshin.experiments.looks import Look, Outcome


@dataclass(frozen=True, slots=True)
class Situation:
    """What the table's conditions are asked about: a night, and what earlier looks have settled.

    A comparison that crossed its boundary stays decided, as a test that has rejected stays rejected, unless tonight's
    estimate has changed its sign.
    """

    experiment: Experiment
    night: Assessment
    crossed: Mapping[str, tuple[Outcome, float]]

    @classmethod
    def of(cls, experiment: Experiment, night: Assessment, looks: Sequence[Look]) -> Situation:
        """From tonight's assessment and the looks of the nights before."""
        earlier = settled(looks)
        crossed: dict[str, tuple[Outcome, float]] = {}
        for each in night.arms:
            look = each.look
            if look is None:
                continue
            if look.outcome in ("crossed_up", "crossed_down"):
                crossed[each.arm] = (look.outcome, look.time)
            elif each.arm in earlier and (earlier[each.arm][0] == "crossed_up") == (look.estimate > 0):
                crossed[each.arm] = earlier[each.arm]
        return cls(experiment, night, crossed)

    @property
    def candidates(self) -> list[ArmAssessment]:
        """Arms beside control that sessions are still assigned to."""
        return [each for each in self.night.arms if each.live]

    def found(self, outcome: Outcome) -> list[ArmAssessment]:
        """Candidates that crossed their boundary that way, or are futile tonight."""
        if outcome == "futile":
            return [
                each
                for each in self.candidates
                if each.arm not in self.crossed and each.look is not None and each.look.outcome == "futile"
            ]
        return [each for each in self.candidates if self.crossed.get(each.arm, (None, 0.0))[0] == outcome]

    @property
    def harmed(self) -> list[ArmAssessment]:
        """Candidates that harm a guardrail, the worst first."""
        found = [each for each in self.candidates if any(guard.outcome == "harmed" for guard in each.guards)]
        return sorted(found, key=lambda each: -max(_excess(g) for g in each.guards if g.outcome == "harmed"))

    @property
    def winners(self) -> list[ArmAssessment]:
        """Candidates that crossed upwards and pass every guardrail, the best first."""
        good = [each for each in self.found("crossed_up") if all(g.outcome == "passes" for g in each.guards)]
        return sorted(good, key=lambda each: -each.look.estimate if each.look else 0.0)

    @property
    def unclear(self) -> list[ArmAssessment]:
        """Candidates that crossed upwards while a guardrail is undecided."""
        return [
            each for each in self.found("crossed_up") if any(g.outcome == "undecided" for g in each.guards)
        ]

    @property
    def undecided(self) -> list[ArmAssessment]:
        """Candidates that are neither worse nor futile."""
        closed = {each.arm for each in (*self.found("crossed_down"), *self.found("futile"))}
        return [each for each in self.candidates if each.arm not in closed]

    def name(self, arm: str) -> str:
        """An arm with its prompt version."""
        return f"arm {arm} ({self.experiment.version_of(arm)})"


def settled(looks: Sequence[Look]) -> dict[str, tuple[Outcome, float]]:
    """Comparisons that have crossed their boundary: how, and at which share of the horizon; the first time counts."""
    found: dict[str, tuple[Outcome, float]] = {}
    for look in looks:
        if look.outcome in ("crossed_up", "crossed_down"):
            found.setdefault(look.arm, (look.outcome, look.time))
    return found


def _excess(guard: GuardrailFigures) -> float:
    return math.inf if guard.excess is None else guard.excess
