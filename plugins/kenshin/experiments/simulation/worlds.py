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
class Drawn:
    """A night's sessions of one arm.

    Args:
        scores: of all sessions, one session after the other.
        counts: how many scores each session has, shape [sessions].
        costs: of each session, shape [sessions].
    """

    scores: np.ndarray
    counts: np.ndarray
    costs: np.ndarray

    @property
    def sums(self) -> np.ndarray:
        """Of each session's scores, shape [sessions]."""
        import numpy as np

        return np.add.reduceat(self.scores, np.cumsum(self.counts) - self.counts)


@dataclass(frozen=True, slots=True)
class World:
    """How sessions score.

    Args:
        effect: by which every candidate's mean exceeds control's, in standard deviations of a score.
        tail: normal scores, or lognormal ones of σ = 1; the variance of a score is 1 either way.
        correlation: of two scores of a session, before the lognormal's exponential.
        observations: of a session on average, at least 1; one more than a Poisson count.
        trend: by which the mean rises each night.
        cost_effect: by which share a candidate's costs exceed control's.
    """

    effect: float = 0.0
    tail: Tail = "normal"
    correlation: float = 0.22
    observations: float = 3.0
    trend: float = 0.0
    cost_effect: float = 0.0

    def draw(self, chance: np.random.Generator, *, candidate: bool, night: int, sessions: int) -> Drawn:
        """A night's sessions of one arm.

        Args:
            chance: the source of randomness.
            candidate: or control.
            night: from 0.
            sessions: how many.
        """
        import numpy as np

        counts = 1 + chance.poisson(self.observations - 1, sessions)
        shared = np.sqrt(self.correlation) * chance.standard_normal(sessions)
        own = np.sqrt(1 - self.correlation) * chance.standard_normal(int(counts.sum()))
        scores = np.repeat(shared, counts) + own
        if self.tail == "heavy":
            scores = (np.exp(scores) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)
        scores = scores + self.trend * night + (self.effect if candidate else 0.0)
        dearer = 1 + self.cost_effect if candidate else 1.0
        costs = counts * dearer * np.exp(0.3 * chance.standard_normal(sessions))
        return Drawn(scores, counts, costs)

    def session_deviation(self) -> float:
        """Standard deviation of a mean over n sessions, times √n, from 100,000 sessions."""
        import numpy as np

        drawn = self.draw(np.random.default_rng(0), candidate=False, night=0, sessions=100_000)
        residual = drawn.sums - drawn.scores.sum() / drawn.counts.sum() * drawn.counts
        return float(residual.std() / drawn.counts.mean())
