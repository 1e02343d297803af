"""Definitions: what a process knows of the registry, kept in memory and refreshed in the background.

A request asks memory alone. Until the registry has been read for the first time the cache is cold: it knows nothing
and says so, instead of letting the request wait. A registry that cannot be reached leaves what was known in force.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from random import Random

from kenshin.errors import ExperimentNotFound
from kenshin.experiments.assignment import (
    Assignment,
    assigner,
    assignment,
    decider,
    prompt_version,
    versioner,
)
from kenshin.experiments.experiment import CONTROL, Experiment
from kenshin.experiments.store import ExperimentStore
from kenshin.lifetime import watch
from kenshin.ports import Versioned
from kenshin.refresher import Refresher

INTERVAL_S = 5.0
"""So often the registry is read, in seconds, so that is how old a definition may be."""


class Definitions:
    """The registry's definitions in memory, for one process.

    The thread that reads the registry starts with the first question. A forked child keeps what its parent knew and
    starts a thread of its own.

    Args:
        registry: opens the registry; called by the background thread.
        interval_s: pause between two readings, in seconds.
        rng: draws the jitter.
    """

    arms: Mapping[str, Callable[[str], str]]
    """A function from sessions to arms for each experiment that runs: the short way for a request path."""

    _versions: Mapping[str, Callable[[str], str]]
    _deciders: Mapping[str, Callable[[str], Assignment]]

    def __init__(
        self,
        registry: Callable[[], ExperimentStore],
        *,
        interval_s: float = INTERVAL_S,
        rng: Random | None = None,
    ) -> None:
        self.cold_answers = 0
        self.refresher = Refresher(
            self._load,
            what="The registry of experiments",
            name="kenshin-definitions",
            interval_s=interval_s,
            rng=rng,
        )
        self._registry = registry
        self._known: dict[str, Versioned[Experiment]] = {}
        self._learned: dict[str, Versioned[Experiment]] = {}
        self._begin()
        watch(self)

    @property
    def warm(self) -> bool:
        """Whether the registry has been read at least once."""
        return self._read.is_set()

    def get(self, experiment_id: str) -> Experiment | None:
        """The definition as this process knows it; None from a cold cache.

        Raises:
            ExperimentNotFound: the registry has been read, and does not know it.
        """
        if not self.refresher.started:
            self._start()
        found = self._known.get(experiment_id)
        if found is not None:
            return found.value
        if not self.warm:
            self.cold_answers += 1
            return None
        raise ExperimentNotFound(
            value=experiment_id,
            reason="the registry does not know it",
            mend=f"Create it first; a new one is known everywhere within {self.refresher.interval_s:g} seconds.",
        )

    def assign_group(self, experiment_id: str, session_id: str, default: str | None = None) -> str:
        """The session's arm; see `kenshin.experiments.api.assign_group`."""
        try:
            arm = self.arms[experiment_id]
        except KeyError:
            return self._group(experiment_id, session_id, default)
        return arm(session_id)

    def get_prompt_version(
        self, experiment_id: str, session_id: str, default: str | None = None
    ) -> str | None:
        """The session's prompt version; see `kenshin.experiments.api.get_prompt_version`."""
        try:
            version = self._versions[experiment_id]
        except KeyError:
            pass
        else:
            return version(session_id)
        found = self.get(experiment_id)
        if found is None or (default is not None and found.status in ("draft", "cancelled")):
            return default
        return prompt_version(found, session_id)

    def assignment(self, experiment_id: str, session_id: str) -> Assignment:
        """What the session gets, and why; see `kenshin.experiments.api.get_assignment`."""
        try:
            decide = self._deciders[experiment_id]
        except KeyError:
            pass
        else:
            return decide(session_id)
        found = self.get(experiment_id)
        if found is None:
            return Assignment(arm=CONTROL, prompt_version=None, phase=0, reason="unknown")
        return assignment(found, session_id)

    def learn(self, changed: Versioned[Experiment]) -> None:
        """Know at once of a definition that this process has written itself."""
        with self._lock:
            self._learned[changed.value.experiment_id] = changed
            self._publish([*self._known.values(), changed])

    def prime(self, deadline_s: float) -> bool:
        """Begin to read the registry, and wait until it has been read once; answers whether it has.

        Args:
            deadline_s: wait no longer than so many seconds.
        """
        if not self.refresher.started:
            self._start()
        return self._read.wait(deadline_s)

    def close(self) -> None:
        """Stop refreshing; what is known stays."""
        self.refresher.close()

    def after_fork(self) -> None:
        """In the child: what was known stays; the next question starts a thread of its own."""
        warm = self.warm
        self._begin()
        if warm:
            self._read.set()

    def _group(self, experiment_id: str, session_id: str, default: str | None) -> str:
        found = self.get(experiment_id)
        if found is not None and found.status == "running":
            return assigner(found)(session_id)
        if default is None or (found is not None and found.status == "concluded"):
            return CONTROL
        return default

    def _publish(self, definitions: Iterable[Versioned[Experiment]]) -> None:
        newest: dict[str, Versioned[Experiment]] = {}
        for each in definitions:
            name = each.value.experiment_id
            if name not in newest or newest[name].version < each.version:
                newest[name] = each
        self._known = newest
        # Without a thread the short way stays closed, so that the next question takes the long one and starts it.
        if self.refresher.started:
            self._open_the_short_way()

    def _open_the_short_way(self) -> None:
        running = [each.value for each in self._known.values() if each.value.status == "running"]
        arms = {each.experiment_id: assigner(each) for each in running}
        self._versions = {each.experiment_id: versioner(each) for each in running}
        self._deciders = {each.experiment_id: decider(each) for each in running}
        # Last: who has seen a new arm finds the new version and phase, too.
        self.arms = arms

    def _load(self) -> None:
        with self._lock:
            self._learned.clear()
        listed = self._registry().list()
        with self._lock:
            # What was learnt while the list was on its way may be newer than the list.
            self._publish([*listed, *self._learned.values()])
        self._read.set()

    def _begin(self) -> None:
        self.arms = {}
        self._versions = {}
        self._deciders = {}
        self._lock = threading.Lock()
        self._read = threading.Event()

    def _start(self) -> None:
        self.refresher.start()
        with self._lock:
            self._open_the_short_way()
