"""Group-sequential bounds: how many standard errors decide at a look, when one looks again and again.

K. K. G. Lan and D. L. DeMets, "Discrete Sequential Boundaries for Clinical Trials", Biometrika 70 (1983): the two-sided
alpha is spent along the time that has passed, by a function fixed beforehand, so looks may be unequal, skipped or more
than planned. Each look's bound solves

    P(|Z₁| < c₁, …, |Zₖ₋₁| < cₖ₋₁, |Zₖ| ≥ cₖ) = spent(tₖ) − spent(tₖ₋₁)

for Z with correlations √(Iⱼ/Iₖ) of the informations I = 1/se². The density of Zₖ√Iₖ among the paths that have not
crossed follows from the last one by one numerical integration (P. Armitage, C. K. McPherson and B. C. Rowe, JRSS A 132,
1969; C. Jennison and B. W. Turnbull, *Group Sequential Methods*, 2000, chapter 19), here with Gauss–Legendre nodes on
the positive half, since bounds and density are symmetric. Intervals that hold at all looks at once are the repeated
ones of Jennison and Turnbull, JRSS B 51 (1989).

Time is the share of the horizon that has passed, not the information, which is only guessed beforehand (K. K. G. Lan
and D. L. DeMets, "Group Sequential Procedures: Calendar Versus Information Time", Statistics in Medicine 8, 1989).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from kenshin.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np

Spending = Literal["obrien_fleming", "pocock"]

FARTHEST = 8.5
"""Nothing is integrated beyond so many standard errors: less than 1e-16 lies there."""

GROWTH = 1 / 400
"""Information is taken to grow by this share of itself at least; less could not be told from none."""

KEPT = 4096
"""So many histories of looks are remembered."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The bound of one look.

    Args:
        z: decide where the difference is so many standard errors from 0; infinite where the look may spend nothing.
        alpha_spent: two-sided, by this look and all before.
        time: share of the horizon that has passed, at most 1.
        information: as it was given, 1/se².
    """

    z: float
    alpha_spent: float
    time: float
    information: float

    @property
    def level(self) -> float:
        """The two-sided level at which this look alone tests."""
        from scipy.special import ndtr

        return float(2 * ndtr(-self.z))

    def critical(self, df: float) -> float:
        """The bound on a t of so many degrees of freedom: as far out in Student's tail as `z` in the normal one.

        With few sessions a difference by its estimated standard error has heavier tails than the normal ones that the
        bound is made of; equal tail probability brings the level of each look back.
        """
        from scipy.special import stdtrit

        tail = self.level / 2
        return -float(stdtrit(df, tail)) if tail > 0 else math.inf


@dataclass(frozen=True, slots=True, eq=False)
class Boundary:
    """The state after some looks; each look gives its bound and the next state. Made by `start`.

    Args:
        alpha: two-sided, to spend over the whole horizon.
        spending: along which function.
        spent: so far.
        information: of the last look, after `GROWTH`.
        step: its growth since the look before.
        edge: bound of the last look times √information, at most `FARTHEST` of them.
        nodes: of |Z√I| at the look before the last, shape [m].
        mass: their weights times the density of the paths that have not crossed, shape [m].
    """

    alpha: float
    spending: Spending
    spent: float
    information: float
    step: float
    edge: float
    nodes: np.ndarray
    mass: np.ndarray

    @classmethod
    def start(cls, alpha: float, spending: Spending) -> Boundary:
        """Before the first look."""
        import numpy as np

        spent(1.0, alpha, spending)
        return cls(alpha, spending, 0.0, 0.0, 0.0, 0.0, np.zeros(1), np.ones(1))

    def look(self, information: float, time: float) -> tuple[Bound, Boundary]:
        """The next look's bound, and the state after it.

        Information that did not grow since the last look, as an estimated one may, is taken to have grown by
        `GROWTH`: the bound then errs to the far side. Time that did not pass spends nothing; time beyond 1 is 1.

        Args:
            information: 1/se² of the difference.
            time: share of the horizon that has passed, above 0.

        Raises:
            InvalidInput: the information or the time is not above 0.
        """
        if not (0 < information < math.inf and time > 0):
            raise InvalidInput(
                value=f"information {information}, time {time}",
                reason="a look has some of both",
                mend="Look once the difference has a standard error.",
            )
        total = max(self.spent, spent(time, self.alpha, self.spending))
        grown = max(information, self.information * (1 + GROWTH))
        step = grown - self.information
        nodes, mass = self._advanced(step)
        z = _bound(nodes, mass, math.sqrt(grown), math.sqrt(step), total - self.spent)
        after = Boundary(
            alpha=self.alpha,
            spending=self.spending,
            spent=total,
            information=grown,
            step=step,
            edge=min(z, FARTHEST) * math.sqrt(grown),
            nodes=nodes,
            mass=mass,
        )
        return Bound(z, total, min(time, 1.0), information), after

    def crossed(self, drift: float) -> float:
        """The chance to have crossed either bound by now where the mean of Z is drift × √information.

        The null density of a path that ends in s is tilted by exp(drift·s − drift²·I/2).
        """
        import numpy as np

        if self.information == 0:
            return 0.0
        nodes, mass = self._advanced(self.step)
        shift = abs(drift) * nodes - drift**2 * self.information / 2
        return 1 - float(mass @ (np.exp(shift) + np.exp(shift - 2 * abs(drift) * nodes))) / 2

    def _advanced(self, step: float) -> tuple[np.ndarray, np.ndarray]:
        """Nodes and mass at the last look, dense enough for a step of this size from there."""
        import numpy as np

        if self.information == 0:
            return self.nodes, self.mass
        places, weights = _legendre(_density(self.edge, math.sqrt(min(step, self.step))))
        nodes = self.edge * places
        deviation = math.sqrt(self.step)
        below = (nodes[:, None] - self.nodes) / deviation
        above = (nodes[:, None] + self.nodes) / deviation
        kernel = np.exp(-0.5 * below * below) + np.exp(-0.5 * above * above)
        scale = self.edge / (deviation * math.sqrt(2 * math.pi))
        return nodes, weights * scale * (kernel @ self.mass)


def spent(time: float, alpha: float, spending: Spending) -> float:
    """The two-sided alpha that may be spent until a time.

    O'Brien-Fleming-type: 4(1 − Φ(z₁₋α⸝₄/√t)), half of it on each side. Pocock-type: α·ln(1 + (e − 1)t).

    Args:
        time: share of the horizon that has passed; beyond 1 all is spent.
        alpha: to spend in all.
        spending: which function.

    Raises:
        InvalidInput: alpha does not lie between 0 and 1, or the spending is not known.
    """
    from scipy.special import ndtr, ndtri

    if not 0 < alpha < 1:
        raise InvalidInput(value=alpha, reason="alpha lies between 0 and 1", mend="Use 0.05.")
    if spending not in ("obrien_fleming", "pocock"):
        raise InvalidInput(
            value=spending, reason="no such spending", mend="Use 'obrien_fleming' or 'pocock'."
        )
    if time <= 0:
        return 0.0
    if time >= 1:
        return alpha
    if spending == "pocock":
        return alpha * math.log1p((math.e - 1) * time)
    return float(4 * ndtr(ndtri(alpha / 4) / math.sqrt(time)))


def bounds(looks: Sequence[tuple[float, float]], alpha: float, spending: Spending) -> tuple[Bound, ...]:
    """The bounds of looks given as (information, time), in order; histories that were asked for are remembered."""
    history = tuple(looks)
    return tuple(_walked(history[: place + 1], alpha, spending)[0] for place in range(len(history)))


def boundary(looks: Sequence[tuple[float, float]], alpha: float, spending: Spending) -> Boundary:
    """The state after looks given as (information, time)."""
    return _walked(tuple(looks), alpha, spending)[1] if looks else Boundary.start(alpha, spending)


def repeated_interval(delta: float, se: float, bound: Bound, df: float = math.inf) -> tuple[float, float]:
    """The confidence interval that holds at all looks at once; infinite where the look may spend nothing.

    Args:
        delta: the difference at this look.
        se: its standard error.
        bound: of this look.
        df: degrees of freedom of `se`, see `Bound.critical`.
    """
    half = bound.critical(df) * se
    return delta - half, delta + half


@lru_cache(maxsize=KEPT)
def _walked(
    looks: tuple[tuple[float, float], ...], alpha: float, spending: Spending
) -> tuple[Bound, Boundary]:
    before = boundary(looks[:-1], alpha, spending)
    return before.look(*looks[-1])


def _bound(nodes: np.ndarray, mass: np.ndarray, root: float, deviation: float, target: float) -> float:
    """Solve for the z beyond which `target` of the paths arrive.

    The logarithm of that share is concave in z, as densities cut to an interval stay log-concave, so Newton's
    method from the far side comes down to the root without passing it.
    """
    import numpy as np
    from scipy.special import log_ndtr, ndtri

    if target <= 0:
        return math.inf
    z = -float(ndtri(target / 2))
    wanted = math.log(target)
    starts = np.concatenate((nodes, -nodes))
    weights = np.log(np.maximum(np.concatenate((mass, mass)), 1e-300))
    for _ in range(100):
        away = (z * root - starts) / deviation
        logs = weights + log_ndtr(-away)
        highest = logs.max()
        tail = np.exp(logs - highest).sum()
        slope = (
            np.exp(weights - 0.5 * away * away - highest).sum() / math.sqrt(2 * math.pi) * root / deviation
        )
        move = (highest + math.log(tail) - wanted) * tail / slope
        z += float(move)
        if abs(move) < 1e-12 * max(1.0, z):
            break
    return z


def _density(edge: float, deviation: float) -> int:
    """So many nodes on [0, edge] that a normal kernel of this deviation is integrated to rounding."""
    return 16 * math.ceil((20 + 2 * edge / deviation) / 16)


@lru_cache(maxsize=64)
def _legendre(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss–Legendre nodes and weights on [0, 1]."""
    import numpy as np

    places, weights = np.polynomial.legendre.leggauss(number)
    return (places + 1) / 2, weights / 2
