"""Sufficient statistics of an experiment: a few numbers per arm, phase, segment and metric.

A session lies in one shard, so shards are merged by adding. A session may have several phases and segments,
so the totals are rows of their own and not sums of rows: phase 0 is all phases, segment ``*`` is all
segments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from math import fsum
from typing import NamedTuple

from kenshin.experiments.observation import ABObservation
from kenshin.experiments.stats.ratio import RatioStatistics

SCORE = "quality_score"
LATENCY = "latency_ms"
OBSERVATIONS = "observations"
"""The metric that is 1 for every observation, scored or not: its sessions are all sessions of an arm."""

ALL_PHASES = 0
ALL_SEGMENTS = "*"
_RESERVED = (SCORE, LATENCY, OBSERVATIONS)


class Cell(NamedTuple):
    """What a row of statistics is about."""

    arm: str
    phase: int
    segment: str
    metric: str


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a night knows of an experiment, or of one shard of it.

    Args:
        cells: statistics by cell.
        crossing: sessions seen in more than one arm, and in which; each observation stays in its own arm.
        days: days that were collected and reduced.
        filled_days: those of them that hold observations.
    """

    cells: Mapping[Cell, RatioStatistics] = field(default_factory=dict)
    crossing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    days: tuple[date, ...] = ()
    filled_days: tuple[date, ...] = ()

    def of(self, arm: str, metric: str, *, phase: int = ALL_PHASES) -> RatioStatistics:
        """An arm's statistics of a metric over all segments; empty where nothing was observed."""
        return self.cells.get(Cell(arm, phase, ALL_SEGMENTS, metric), RatioStatistics())

    @property
    def crossing_sessions(self) -> int:
        """How many sessions were seen in more than one arm."""
        return len(self.crossing)

    def phases(self) -> tuple[int, ...]:
        """The phases in which something was observed."""
        return tuple(sorted({cell.phase for cell in self.cells} - {ALL_PHASES}))


def metric_name(extra: str) -> str:
    """The metric of an observation's further figure; one that takes a reserved name is kept apart."""
    return f"metrics.{extra}" if extra in _RESERVED else extra


def extra_name(metric: str) -> str:
    """The further figure that gives a metric: what `metric_name` was told."""
    bare = metric.removeprefix("metrics.")
    return bare if bare in _RESERVED else metric


def segment_name(intent: str | None) -> str:
    """The segment of an intent; empty where it is unknown, and never the total's."""
    return f"({intent})" if intent == ALL_SEGMENTS else intent or ""


def of_observations(observations: Iterable[ABObservation]) -> Statistics:
    """Statistics in memory, for amounts that fit there; the night works in the lake instead."""
    values: dict[tuple[Cell, str], list[float]] = {}
    known: dict[tuple[Cell, str], list[float]] = {}
    arms: dict[str, set[str]] = {}
    days = set()
    for each in observations:
        arms.setdefault(each.session_id, set()).add(each.arm)
        days.add(each.day)
        figures = {OBSERVATIONS: 1.0, **{metric_name(name): value for name, value in each.metrics.items()}}
        if each.quality_score is not None:
            figures[SCORE] = each.quality_score
        if each.latency_ms is not None:
            figures[LATENCY] = each.latency_ms
        covariates = {
            metric: value
            for name, value in each.covariates.items()
            for metric in {name, metric_name(name)} - {OBSERVATIONS}
        }
        for phase in (each.phase, ALL_PHASES):
            for segment in (segment_name(each.intent), ALL_SEGMENTS):
                for found, into in ((figures, values), (covariates, known)):
                    for metric, value in found.items():
                        key = (Cell(each.arm, phase, segment, metric), each.session_id)
                        into.setdefault(key, []).append(value)
    sessions: dict[Cell, list[tuple[float, int]]] = {}
    means: dict[Cell, list[float | None]] = {}
    for (cell, session), observed in values.items():
        sessions.setdefault(cell, []).append((fsum(observed), len(observed)))
        seen = known.get((cell, session))
        means.setdefault(cell, []).append(fsum(seen) / len(seen) if seen else None)
    return Statistics(
        cells={
            cell: RatioStatistics.of_sessions(sessions[cell], covariates=means[cell])
            for cell in sorted(sessions)
        },
        crossing={session: tuple(sorted(seen)) for session, seen in sorted(arms.items()) if len(seen) > 1},
        days=tuple(sorted(days)),
        filled_days=tuple(sorted(days)),
    )
