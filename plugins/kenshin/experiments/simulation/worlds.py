"""Worlds: sessions of an experiment whose truth is known, drawn from a seed.

A session's observations share an effect of the session, so that two of them correlate by the intraclass correlation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

Tail = Literal["normal", "heavy"]


@dataclass(frozen=True, slots=True)
class World:
    """How sessions come and score.

    Args:
        sessions: of each arm and night.
        arms: control and candidates.
        effect: by which every candidate's mean exceeds control's.
        tail: normal scores, or lognormal ones of σ = 1; the variance of a score is 1 either way.
        correlation: of two scores of a session, before the lognormal's exponential.
        observations: of a session on average, at least 1; one more than a Poisson count.
        trend: by which the mean rises each night.
    """

    sessions: int = 500
    arms: int = 2
    effect: float = 0.0
    tail: Tail = "normal"
    correlation: float = 0.22
    observations: float = 3.0
    trend: float = 0.0

    def draw(
        self, chance: np.random.Generator, arm: int, night: int, sessions: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """A night's sums and counts of an arm's sessions, both of shape [sessions].

        Args:
            chance: the source of randomness.
            arm: 0 is control.
            night: from 0.
            sessions: how many.
        """
        import numpy as np

        counts = 1 + chance.poisson(self.observations - 1, sessions)
        first = np.cumsum(counts) - counts
        shared = np.sqrt(self.correlation) * chance.standard_normal(sessions)
        own = np.sqrt(1 - self.correlation) * chance.standard_normal(int(counts.sum()))
        scores = np.repeat(shared, counts) + own
        if self.tail == "heavy":
            scores = (np.exp(scores) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)
        level = self.trend * night + (self.effect if arm else 0.0)
        return np.add.reduceat(scores, first) + level * counts, counts
