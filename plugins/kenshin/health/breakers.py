"""The breakers of a process, one for each model and region, and what is set by hand for all processes.

A request never waits for the registry: a thread reads the overrides in the background, and one that cannot be read
leaves what was known in force.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random

from kenshin.documents import Documents
from kenshin.health.breaker import CircuitBreaker, Listener, Override
from kenshin.health.overrides import overrides_in, place_of
from kenshin.health.policy import BreakerPolicy
from kenshin.lifetime import watch
from kenshin.refresher import Refresher
from kenshin.signals.bedrock import model_name

INTERVAL_S = 5.0
"""So often the overrides are read, in seconds."""


class Breakers:
    """Breakers by model and region, each made at its first call.

    The thread that reads overrides starts with the first breaker.

    Args:
        policy: of every breaker.
        by_model: of some models, by id.
        documents: opens where the overrides are; called by the background thread. None: there are none.
        listeners: hear of every breaker's changes.
        clock: monotonic seconds.
        rng: draws the jitter of breakers and pauses.
        interval_s: pause between two readings, in seconds.
    """

    def __init__(
        self,
        policy: BreakerPolicy | None = None,
        *,
        by_model: Mapping[str, BreakerPolicy] | None = None,
        documents: Callable[[], Documents] | None = None,
        listeners: Iterable[Listener] = (),
        clock: Callable[[], float] = time.monotonic,
        rng: Random | None = None,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self.policy = policy or BreakerPolicy()
        self._by_model = {model_name(model): each for model, each in (by_model or {}).items()}
        self._documents = documents
        self._listeners = tuple(listeners)
        self._clock = clock
        self._rng = rng or Random()  # noqa: S311
        self._refresher = Refresher(
            self._load,
            what="Overrides of breakers",
            name="kenshin-breakers",
            interval_s=interval_s,
            rng=self._rng,
        )
        self._by_call: dict[tuple[str, str | None], CircuitBreaker] = {}
        self._by_place: dict[str, CircuitBreaker] = {}
        self._overrides: Mapping[str, Override] = {}
        self._begin()
        watch(self)

    def of(self, model_id: str, region: str | None = None) -> CircuitBreaker:
        """The breaker of a model in a region; all ids with the same last segment share it."""
        try:
            return self._by_call[model_id, region]
        except KeyError:
            return self._made(model_id, region)

    def known(self) -> Sequence[CircuitBreaker]:
        """All breakers of this process."""
        return list(self._by_place.values())

    def refresh(self) -> bool:
        """Read the overrides in this thread; answers whether that succeeded. It never raises."""
        return self._refresher.refresh()

    def close(self) -> None:
        """Stop reading overrides; the breakers go on."""
        self._refresher.close()

    def after_fork(self) -> None:
        """In the child: read in a thread of its own, which the next call starts."""
        self._by_call.clear()
        self._begin()
        self._rng = Random()  # noqa: S311 - or all children would draw the same pauses

    def _made(self, model_id: str, region: str | None) -> CircuitBreaker:
        place = place_of(model_id, region)
        with self._lock:
            breaker = self._by_place.get(place)
            if breaker is None:
                breaker = CircuitBreaker(
                    place,
                    self._by_model.get(model_name(model_id), self.policy),
                    clock=self._clock,
                    rng=self._rng,
                    listeners=self._listeners,
                )
                breaker.override(self._override_of(place))
                self._by_place[place] = breaker
            self._by_call[model_id, region] = breaker
        if self._documents is not None and not self._refresher.started:
            self._refresher.start()
        return breaker

    def _override_of(self, place: str) -> Override | None:
        exact = self._overrides.get(place)
        return exact if exact is not None else self._overrides.get(place.partition("@")[0])

    def _load(self) -> None:
        if self._documents is None:
            return
        read = {each.place: each.mode for each in overrides_in(self._documents())}
        with self._lock:
            self._overrides = read
            held = list(self._by_place.values())
        for breaker in held:
            breaker.override(self._override_of(breaker.name))

    def _begin(self) -> None:
        # Re-entrant: a listener that hears of a new breaker's override may ask for another one.
        self._lock = threading.RLock()
