"""The gate before the store: admits observations by the definition of their experiment, wherever that is known."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date, datetime

from kenshin.errors import InvalidObservation
from kenshin.experiments.admission import admit
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.observation import ABObservation

logger = logging.getLogger(__name__)

DEFINITIONS = 1_000
"""So many definitions are kept at most."""


class Gate:
    """Admission with definitions that are kept for a while.

    A definition that is a little old never costs an observation: before one is refused, its experiment is read anew. An
    experiment that cannot be found or read just now admits everything: what is stored can be judged later, what is
    refused is gone.

    Args:
        find: reads a definition from the registry; None: there is none.
        clock: seconds that never go back.
        keep_s: how long a definition counts as known, in seconds.
    """

    def __init__(
        self,
        find: Callable[[str], Experiment | None],
        *,
        clock: Callable[[], float],
        keep_s: float = 30.0,
    ) -> None:
        self._find = find
        self._clock = clock
        self._keep_s = keep_s
        self._known: dict[str, tuple[float, Experiment | None]] = {}

    def known(self, experiment_id: str) -> Experiment | None:
        """The definition if it has been read already, however long ago; never any I/O."""
        found = self._known.get(experiment_id)
        return None if found is None else found[1]

    def admit(self, observation: ABObservation, *, since: float) -> bool:
        """Let an observation pass; may read the registry. Answers whether its experiment is known.

        Args:
            observation: which.
            since: when it had been recorded already; a definition read later than that is new enough to refuse it.

        Raises:
            InvalidObservation: it does not belong to its experiment, or a field has the wrong type.
        """
        _check_types(observation)
        read_at, experiment = self._known.get(observation.experiment_id) or (None, None)
        if read_at is None or self._clock() - read_at > self._keep_s:
            read_at, experiment = self._read(observation.experiment_id)
        if experiment is None:
            return False
        try:
            admit(observation, experiment)
        except InvalidObservation:
            if read_at >= since:
                raise
            _, newest = self._read(observation.experiment_id)
            if newest is not None:
                admit(observation, newest)
        return True

    def _read(self, experiment_id: str) -> tuple[float, Experiment | None]:
        before = self.known(experiment_id)
        try:
            found = self._find(experiment_id)
        except Exception as error:
            logger.warning("Experiment %r cannot be read just now: %s", experiment_id, error)
            found = before
        else:
            if found is None:
                logger.warning("Observations of experiment %r, which the registry lacks", experiment_id)
        if len(self._known) >= DEFINITIONS:
            self._known.clear()
        self._known[experiment_id] = (self._clock(), found)
        return self._known[experiment_id]


def _check_types(observation: ABObservation) -> None:
    if not isinstance(observation.day, date) or isinstance(observation.day, datetime):
        raise _refused("day", observation.day, "not a date")
    for name in ("intent", "trace_id"):
        text = getattr(observation, name)
        if text is not None and not isinstance(text, str):
            raise _refused(name, text, "not a text")


def _refused(field: str, value: object, reason: str) -> InvalidObservation:
    return InvalidObservation(value=f"{field}={value!r}", reason=reason, mend=f"Correct '{field}'.")
