from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from kenshin.signals.context import trace_in_force
from kenshin.signals.traces import PromptTraced
from kenshin.tracing.pipeline import TracePipeline
from kenshin.tracing.place import place_now

AT = datetime(2026, 11, 5, 18, 0, tzinfo=UTC)


@dataclass
class Timer:
    """A timer that somebody else moves."""

    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds

    def pass_ms(self, duration: float) -> None:
        self.seconds += duration / 1000


@dataclass
class Kept:
    """What a pipeline told, and the pipeline."""

    timer: Timer = field(default_factory=Timer)
    records: list[PromptTraced] = field(default_factory=list)

    def pipeline(self, **options: object) -> TracePipeline:
        return TracePipeline(
            self.records.append, lambda: AT, **{"timer": self.timer, "otel": False, **options}
        )


@pytest.fixture(autouse=True)
def _nothing_in_force() -> Iterator[None]:
    yield
    trace_in_force.set(None)
    place_now.set(None)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def pipeline(kept: Kept) -> TracePipeline:
    return kept.pipeline()


@pytest.fixture
def real() -> Callable[[], tuple[TracePipeline, list[PromptTraced]]]:
    """A pipeline with the timer it has by default."""

    def make() -> tuple[TracePipeline, list[PromptTraced]]:
        records: list[PromptTraced] = []
        return TracePipeline(records.append, lambda: AT, otel=False), records

    return make
