"""Rates: how often worlds of a scenario end how, with their Monte-Carlo error; worlds are shared among processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from math import sqrt
from multiprocessing import get_context
from typing import Any

from kenshin.experiments.simulation.courses import Course, course
from kenshin.experiments.simulation.scenarios import Scenario

CHUNK = 50
"""Worlds of one piece of work."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of a scenario's worlds.

    Args:
        scenario: which.
        worlds: how many.
        crossed: in which a boundary was crossed: false where nothing differs, power where something does.
        error: standard error of `crossed`.
        promoted: in which a candidate was to be promoted.
        futile: which were given up.
        held: which were held on the last night.
        rolled_back: in which a candidate was to be taken back.
        mean_night: of the verdict; the horizon where there was none.
        one_look: in which one look on the last night, at the same alpha, finds a difference.
        peeked: in which a nightly look as in the proof of concept finds one.
        by_night: share of worlds with a boundary crossed by each night.
    """

    scenario: str
    worlds: int
    crossed: float
    error: float
    promoted: float
    futile: float
    held: float
    rolled_back: float
    mean_night: float
    one_look: float
    peeked: float
    by_night: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """The rates at a JSON edge."""
        return {name: getattr(self, name) for name in self.__slots__} | {"by_night": list(self.by_night)}


def simulate(
    scenarios: Sequence[Scenario],
    *,
    worlds: int,
    seed: int,
    processes: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Rates]:
    """Rates of scenarios; the same seed gives the same rates, whatever the processes.

    Args:
        scenarios: what is simulated.
        worlds: of each scenario.
        seed: of all chance.
        processes: among which the work is divided.
        progress: is told how many worlds are done, of how many.
    """
    work = [
        (place, scenario, range(first, min(first + CHUNK, worlds)), seed)
        for first in range(0, worlds, CHUNK)
        for place, scenario in enumerate(scenarios)
    ]
    found: dict[int, list[Course]] = {place: [] for place in range(len(scenarios))}
    done = 0
    for place, courses in _worked(work, processes):
        found[place] += courses
        done += len(courses)
        progress(done, worlds * len(scenarios))
    return [_rates(scenario, found[place]) for place, scenario in enumerate(scenarios)]


Work = tuple[int, Scenario, range, int]


def _worked(work: Sequence[Work], processes: int) -> Iterator[tuple[int, list[Course]]]:
    if processes == 1:
        yield from map(_run, work)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_run, work)


def _run(work: Work) -> tuple[int, list[Course]]:
    import numpy as np

    place, scenario, worlds, seed = work
    return place, [course(scenario, np.random.default_rng([seed, place, world])) for world in worlds]


def _rates(scenario: Scenario, courses: Sequence[Course]) -> Rates:
    worlds = len(courses)

    def share(holds: Callable[[Course], bool]) -> float:
        return sum(map(holds, courses)) / worlds

    crossed = share(lambda each: each.crossed)
    nights: Mapping[int, int] = Counter(each.night for each in courses if each.night and each.crossed)
    ended = [each.night or scenario.nights for each in courses]
    return Rates(
        scenario=scenario.name,
        worlds=worlds,
        crossed=crossed,
        error=sqrt(crossed * (1 - crossed) / worlds),
        promoted=share(lambda each: each.verdict == "promote"),
        futile=share(lambda each: each.rule == "futile"),
        held=share(lambda each: each.verdict == "hold"),
        rolled_back=share(lambda each: each.verdict == "roll_back"),
        mean_night=sum(ended) / worlds,
        one_look=share(lambda each: each.one_look),
        peeked=share(lambda each: each.peeked),
        by_night=tuple(
            sum(count for night, count in nights.items() if night <= last) / worlds
            for last in range(1, scenario.nights + 1)
        ),
    )
