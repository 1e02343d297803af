"""Composition root: turns settings into ports. Nobody else imports settings or backends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from kenshin import names
from kenshin.backends import Opening, open_port
from kenshin.clients import Boto3Clients, Clients
from kenshin.errors import ExperimentNotFound
from kenshin.settings import DEFAULT_INDEX, Settings
from kenshin.urls import PortURL

if TYPE_CHECKING:
    from kenshin.budget.calibration import Calibration
    from kenshin.budget.models import Models
    from kenshin.drift.embedder import Embedder, EmbeddingCache
    from kenshin.drift.index import VectorIndex
    from kenshin.experiments.definitions import Definitions
    from kenshin.experiments.experiment import Experiment
    from kenshin.experiments.recording import ObservationRecorder
    from kenshin.experiments.store import ExperimentStore, ObservationStore
    from kenshin.lake import Lake
    from kenshin.ledger import Ledger
    from kenshin.signals.recorder import Recorder


def utc_now() -> datetime:
    """The clock of a runtime unless another is given."""
    return datetime.now(UTC)


class Runtime:
    """The ports of one configuration, each opened on first use and kept.

    Args:
        settings: what to open.
        clients: how AWS clients are made.
        clock: answers the present instant, aware, in UTC.
    """

    def __init__(
        self, settings: Settings, *, clients: Clients | None = None, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.settings = settings
        self.clock = clock
        self._opening = Opening(
            settings.home, clients or Boto3Clients(), clock, settings.namespace, settings.dimension_cap
        )
        self._opened: dict[tuple[str, str], Any] = {}
        self._lock = threading.RLock()

    @classmethod
    def from_env(cls, *, clients: Clients | None = None) -> Runtime:
        """The runtime that the environment describes."""
        return cls(Settings.from_env(), clients=clients)

    @property
    def experiments(self) -> ExperimentStore:
        """The registry of experiments."""
        return cast("ExperimentStore", self._open("experiments", self.settings.experiments))

    @cached_property
    def definitions(self) -> Definitions:
        """What this process knows of the registry without asking it."""
        from kenshin.experiments.definitions import Definitions

        return cast("Definitions", self._kept("definitions", lambda: Definitions(lambda: self.experiments)))

    @property
    def ledger(self) -> Ledger:
        """The ledger; it lives with the registry."""
        return cast("Ledger", self._open("ledger", self.settings.experiments))

    @property
    def observations(self) -> ObservationStore:
        """The observation store."""
        return cast("ObservationStore", self._open("observations", self.settings.observations))

    @property
    def observation_recorder(self) -> ObservationRecorder:
        """What takes observations to the store in the background; see docs/observations.md."""
        key = ("observation_recorder", "")
        recorder = self._opened.get(key)
        if recorder is None:
            from kenshin.experiments.recording import ObservationRecorder

            with self._lock:
                if key not in self._opened:
                    self._opened[key] = ObservationRecorder(
                        self.observations,
                        self.settings.home / "spill",
                        self.clock,
                        zone=self.settings.zone,
                        find=self._experiment,
                        known=self._known,
                    )
                recorder = self._opened[key]
        return cast("ObservationRecorder", recorder)

    @property
    def lake(self) -> Lake:
        """Snapshots, history and reports."""
        return cast("Lake", self._open("lake", self.settings.lake))

    @property
    def embedder(self) -> Embedder:
        """The current embedding model."""
        return cast("Embedder", self._open("embedder", self.settings.embedder))

    def embedder_at(self, url: str) -> Embedder:
        """An embedding model beside the current one."""
        return cast("Embedder", self._open("embedder", PortURL.parse(url)))

    @property
    def embeddings(self) -> EmbeddingCache:
        """Texts embedded before, under ``KENSHIN_HOME``."""
        base = self.settings.home.as_uri().removeprefix("file://")
        return cast(
            "EmbeddingCache", self._open("embeddings", PortURL.parse(f"sqlite://{base}/embeddings.db"))
        )

    def index(self, name: str | None = None) -> VectorIndex:
        """A vector index at the configured place; without a name, the one that the URL names."""
        url = self.settings.index
        if name is not None:
            query = {**url.params, "index": names.checked(name, what="an index")}
            url = PortURL(
                f"{url.raw.partition('?')[0]}?index={name}", url.scheme, url.authority, url.path, query
            )
        return cast("VectorIndex", self._open("index", url))

    @property
    def index_name(self) -> str:
        """The index that the configured URL names."""
        return self.settings.index.params.get("index", DEFAULT_INDEX)

    @property
    def recorder(self) -> Recorder:
        """Where records leave the process."""
        from kenshin.signals.content import ContentPolicy
        from kenshin.signals.recorder import Recorder

        with self._lock:
            recorder = self._opened.get(("recorder", ""))
            if recorder is None:
                sinks = [open_port("signals", url, self._opening) for url in self.settings.signals]
                recorder = self._opened[("recorder", "")] = Recorder(
                    sinks,
                    synchronous=self.settings.signals_mode == "sync",
                    policy=ContentPolicy(self.settings.capture_content, self.settings.content_limit),
                    clock=self.clock,
                )
            return cast("Recorder", recorder)

    @property
    def models(self) -> Models:
        """The registry of models: the package's, and what the user's file adds."""
        from kenshin.budget.models import Models

        return cast("Models", self._kept("models", lambda: Models.load(self.settings.models)))

    @property
    def token_calibration(self) -> Calibration:
        """What this process has learnt from reported usage."""
        from kenshin.budget.calibration import Calibration

        return cast("Calibration", self._kept("token_calibration", Calibration))

    def _kept(self, name: str, make: Callable[[], Any]) -> Any:
        made = self._opened.get((name, ""))
        if made is None:
            with self._lock:
                made = self._opened.get((name, ""))
                if made is None:
                    made = self._opened[name, ""] = make()
        return made

    def close(self) -> None:
        """Flush the signals and close what can be closed."""
        with self._lock:
            opened, self._opened = self._opened, {}
            opened.pop(("definitions", ""), None)
            definitions = self.__dict__.pop("definitions", None)
        if definitions is not None:
            definitions.close()
        # The last first: the recorder of observations still needs their store.
        for port in reversed(opened.values()):
            if callable(close := getattr(port, "close", None)):
                close()

    def _known(self, experiment_id: str) -> Experiment | None:
        try:
            return self.definitions.get(experiment_id)
        except ExperimentNotFound:
            return None

    def _experiment(self, experiment_id: str) -> Experiment | None:
        found = self.experiments.get(experiment_id)
        return None if found is None else found.value

    def _open(self, port: str, url: PortURL) -> Any:
        with self._lock:
            key = (port, url.raw)
            if key not in self._opened:
                self._opened[key] = open_port(port, url, self._opening)
            return self._opened[key]
