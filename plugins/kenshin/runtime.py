"""Composition root: turns settings into ports. Nobody else imports settings or backends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from kenshin import names
from kenshin.backends import Opening, known_schemes, open_port
from kenshin.clients import Boto3Clients, Clients
from kenshin.errors import ExperimentNotFound, SettingError
from kenshin.settings import DEFAULT_INDEX, Settings
from kenshin.urls import PortURL

if TYPE_CHECKING:
    from kenshin.budget.calibration import Calibration
    from kenshin.budget.loading import WeightsLoader
    from kenshin.budget.models import Models
    from kenshin.budget.observing import UsageObserver
    from kenshin.budget.usage_log import UsageLog
    from kenshin.documents import Documents
    from kenshin.drift.embedder import Embedder, EmbeddingCache
    from kenshin.drift.index import VectorIndex
    from kenshin.experiments.definitions import Definitions
    from kenshin.experiments.experiment import Experiment
    from kenshin.experiments.recording import ObservationRecorder
    from kenshin.experiments.store import ExperimentStore, ObservationStore
    from kenshin.health.breakers import Breakers
    from kenshin.lake import Lake
    from kenshin.ledger import Ledger
    from kenshin.signals.context import CallListener
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
        self._making: dict[tuple[str, str], threading.RLock] = {}
        self._lock = threading.Lock()

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
    def documents(self) -> Documents:
        """Small versioned documents; they live with the registry."""
        return cast("Documents", self._open("documents", self.settings.experiments))

    @property
    def observations(self) -> ObservationStore:
        """The observation store."""
        return cast("ObservationStore", self._open("observations", self.settings.observations))

    @property
    def observation_recorder(self) -> ObservationRecorder:
        """What takes observations to the store in the background; see docs/observations.md."""
        return cast("ObservationRecorder", self._kept("observation_recorder", self._new_observation_recorder))

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
        return cast("Recorder", self._kept("recorder", self._new_recorder))

    @property
    def models(self) -> Models:
        """The registry of models: the package's, and what the user's file adds."""
        return cast("Models", self._kept("models", self._load_models))

    @property
    def token_calibration(self) -> Calibration:
        """What this process knows of reported usage: the registry's weights, and what it has observed itself."""
        return self.weights_loader.calibration

    @property
    def weights_loader(self) -> WeightsLoader:
        """What supplies the calibration with the registry's weights, in the background."""
        return cast("WeightsLoader", self._kept("weights_loader", self._new_weights_loader))

    @property
    def usage_log(self) -> UsageLog:
        """Recorded usage, read back from the first sink of ``KENSHIN_SIGNALS`` that can be.

        Raises:
            SettingError: no sink can be read back.
        """
        for url in self.settings.signals:
            if url.scheme in known_schemes("usage_log") and url.path != "stdout":
                return cast("UsageLog", self._open("usage_log", url))
        raise SettingError(
            value=",".join(url.raw for url in self.settings.signals),
            reason="usage that was recorded there cannot be read back",
            mend="Name a folder of EMF files that this machine sees: KENSHIN_SIGNALS=emf:///folder.",
        )

    @property
    def usage_observer(self) -> UsageObserver:
        """What takes reported usage to the calibration and to the recorder."""
        return cast("UsageObserver", self._kept("usage_observer", self._new_usage_observer))

    @property
    def call_listeners(self) -> tuple[CallListener, ...]:
        """Who hears of each finished model call: one capability's news for another, none of which know each other."""
        return (self.usage_observer.heard,)

    @property
    def breakers(self) -> Breakers:
        """The breakers of this process, under the overrides that are set with the registry."""
        from kenshin.health.breakers import Breakers

        return cast("Breakers", self._kept("breakers", lambda: Breakers(documents=lambda: self.documents)))

    def _kept(self, name: str, make: Callable[[], Any], url: str = "") -> Any:
        """What was made before under a name and URL, or is made now; what others make meanwhile is not waited for."""
        key = (name, url)
        made = self._opened.get(key)
        if made is None:
            with self._lock:
                making = self._making.setdefault(key, threading.RLock())
            with making:
                made = self._opened.get(key)
                if made is None:
                    made = make()
                    with self._lock:
                        self._opened[key] = made
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

    def _new_observation_recorder(self) -> ObservationRecorder:
        from kenshin.experiments.recording import ObservationRecorder

        return ObservationRecorder(
            self.observations,
            self.settings.home / "spill",
            self.clock,
            zone=self.settings.zone,
            find=self._experiment,
            known=self._known,
        )

    def _new_recorder(self) -> Recorder:
        from kenshin.signals.content import ContentPolicy
        from kenshin.signals.recorder import Recorder

        return Recorder(
            [open_port("signals", url, self._opening) for url in self.settings.signals],
            synchronous=self.settings.signals_mode == "sync",
            policy=ContentPolicy(self.settings.capture_content, self.settings.content_limit),
            clock=self.clock,
        )

    def _load_models(self) -> Models:
        from kenshin.budget.models import Models

        return Models.load(self.settings.models)

    def _new_weights_loader(self) -> WeightsLoader:
        from kenshin.budget.calibration import Calibration
        from kenshin.budget.loading import WeightsLoader

        loader = WeightsLoader(lambda: self.documents, Calibration())
        loader.start()
        return loader

    def _new_usage_observer(self) -> UsageObserver:
        from kenshin.budget.observing import UsageObserver

        return UsageObserver(self.models, self.token_calibration, lambda: self.recorder, self.clock)

    def _known(self, experiment_id: str) -> Experiment | None:
        try:
            return self.definitions.get(experiment_id)
        except ExperimentNotFound:
            return None

    def _experiment(self, experiment_id: str) -> Experiment | None:
        found = self.experiments.get(experiment_id)
        return None if found is None else found.value

    def _open(self, port: str, url: PortURL) -> Any:
        return self._kept(port, lambda: open_port(port, url, self._opening), url.raw)
