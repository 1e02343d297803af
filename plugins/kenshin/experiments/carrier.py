"""The carrier: takes observations to the store, or to the spill while the store is down, and back again.

It has no thread of its own and holds nothing back: whoever calls it decides when.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from kenshin.errors import BackendUnavailable, InvalidInput, InvalidName, InvalidObservation, KenshinError
from kenshin.experiments.gate import Gate
from kenshin.experiments.observation import ABObservation
from kenshin.experiments.segment import Chunk
from kenshin.experiments.spill import Spill
from kenshin.experiments.store import ObservationStore
from kenshin.experiments.tally import Tally

logger = logging.getLogger(__name__)

VALUE_FAULTS = (
    InvalidObservation,
    InvalidInput,
    InvalidName,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
)
"""What a store raises when a value is at fault; anything else means that the store is down."""


class Carrier:
    """One call of `store` or `replay` at a time; `put_away` may come from anywhere.

    Args:
        store: where observations go.
        gate: admits them just before.
        spill: where they wait.
        tally: counts.
        seconds: a clock that never goes back, in seconds.
        backoff: how long the store is left alone after it failed, doubled with each further failure, and at most how
            long; in seconds.
    """

    _chunk: Chunk | None
    _rest: Sequence[ABObservation]

    def __init__(
        self,
        store: ObservationStore,
        gate: Gate,
        spill: Spill,
        tally: Tally,
        *,
        seconds: Callable[[], float],
        backoff: tuple[float, float],
    ) -> None:
        self.tally = tally
        self._store = store
        self._gate = gate
        self._spill = spill
        self._seconds = seconds
        self._backoff_s, self._backoff_most_s = backoff
        self._disk_well = True
        self._begin()

    @property
    def due(self) -> bool:
        """Whether the store may be asked now: it works, or it has been left alone for long enough."""
        return self._seconds() >= self._next_try

    @property
    def on_disk(self) -> int:
        """How many observations wait on disk."""
        settled = 0 if self._chunk is None else len(self._chunk.observations) - len(self._rest)
        return self._left_behind + self._spill.pending - settled

    def store(self, batch: Sequence[ABObservation]) -> Sequence[ABObservation]:
        """Admit and store a batch; answers what the store could not take, and then leaves it alone for a while."""
        since = self._seconds()
        admitted = []
        strangers: set[str] = set()
        for each in batch:
            try:
                known = self._gate.admit(each, since=since)
            except Exception as error:
                self.refuse(error)
            else:
                admitted.append(each)
                if not known:
                    strangers.add(each.observation_id)
        left = self._write(admitted)
        if strangers:
            self.tally.add(unadmitted=len(strangers.difference(each.observation_id for each in left)))
        return left

    def put_away(self, batch: Sequence[ABObservation]) -> Sequence[ABObservation]:
        """Spill a batch; answers what the disk could not take."""
        try:
            done = self._spill.append(batch)
        except Exception as error:
            if len(batch) == 1:
                self.refuse(error)
                return ()
            return [left for each in batch for left in self.put_away([each])]
        self.tally.add(spilled=done)
        if (done == len(batch)) != self._disk_well:
            self._disk_well = done == len(batch)
            logger.log(
                logging.INFO if self._disk_well else logging.WARNING,
                "The spill of observations %s",
                "works again"
                if self._disk_well
                else "takes no more: the disk is full, read-only or at its limit",
            )
        return batch[done:]

    def replay(self, limit: int) -> bool:
        """Store some of what was spilled; answers whether it is worth asking again at once."""
        if self._chunk is None:
            try:
                self._chunk = self._spill.read(limit)
            except FileNotFoundError:
                self.tally.add(dropped=self._spill.give_up())
                return True
            except OSError as error:
                self._failed(error)
                return False
            if self._chunk is None:
                return False
            self._rest = self._chunk.observations
        self._rest = self.store(self._rest)
        if self._rest or self._chunk is None:
            return False
        chunk, self._chunk = self._chunk, None
        missing = self._spill.settle(chunk)
        self.tally.add(
            replayed=len(chunk.observations), torn=chunk.torn + chunk.broken, dropped=chunk.broken + missing
        )
        return True

    def adopt(self) -> None:
        """Take over what dead processes left."""
        self.tally.add(adopted=self._spill.adopt())

    def refuse(self, error: Exception) -> None:
        """Count an observation that is refused for good."""
        reason = error.reason if isinstance(error, KenshinError) else type(error).__name__
        self.tally.reject(reason, str(error))

    def forget(self, tally: Tally) -> None:
        """In the child of a fork: begin anew, the spill stays with the parent."""
        self.tally = tally
        self._spill.forget()
        self._begin()

    def close(self) -> None:
        """Let go of the spill; what waits there waits for a living process."""
        left_behind = self.on_disk
        self._spill.close()
        self._begin()
        self._left_behind = left_behind

    def _begin(self) -> None:
        self._chunk = None
        self._rest = ()
        self._left_behind = 0
        self._failures = 0
        self._next_try = float("-inf")
        self._suspects: frozenset[str] = frozenset()
        self._vouched = False

    def _write(self, left: Sequence[ABObservation]) -> Sequence[ABObservation]:
        while left:
            try:
                result = self._store.write(left)
            except BackendUnavailable as error:
                self._failed(error)
                return left
            except VALUE_FAULTS:
                return self._write_apart(left)
            except Exception as error:
                self._failed(error)
                return left
            self.tally.add(stored=result.stored, duplicates=result.duplicates)
            for each in result.rejected:
                self.tally.reject(each.reason, f"{each.observation.observation_id}: {each.reason}")
            if len(result.unprocessed) == len(left):
                self._failed("it has no room just now")
                return left
            self._worked()
            left = result.unprocessed
        return ()

    def _write_apart(self, batch: Sequence[ABObservation]) -> Sequence[ABObservation]:
        """One observation a call, so that one that the store cannot digest takes no other with it.

        It is refused only where the store is seen to take others: a store that fails on everything is down, whatever
        it raises.
        """
        faults: list[tuple[ABObservation, Exception]] = []
        left: list[ABObservation] = []
        taken = False
        for place, each in enumerate(batch):
            try:
                result = self._store.write([each])
            except VALUE_FAULTS as fault:
                faults.append((each, fault))
                continue
            except Exception:
                left.extend(batch[place:])
                break
            self.tally.add(stored=result.stored, duplicates=result.duplicates)
            for refused in result.rejected:
                self.tally.reject(refused.reason, f"{each.observation_id}: {refused.reason}")
            left.extend(result.unprocessed)
            taken = taken or not result.unprocessed
        names = frozenset(each.observation_id for each, _ in faults)
        if taken or (self._vouched and names <= self._suspects):
            for _, error in faults:
                self.refuse(error)
        else:
            left.extend(each for each, _ in faults)
            self._suspects = names
            self._vouched = False
        if left:
            self._failed(str(faults[0][1]) if faults else "it takes only a part")
        else:
            self._worked()
        return left

    def _worked(self) -> None:
        if self._failures:
            logger.info("The observation store works again")
        self._failures = 0
        self._next_try = float("-inf")
        self._vouched = True

    def _failed(self, error: object) -> None:
        if not self._failures:
            logger.warning("The observation store is down, observations wait on disk: %s", error)
        pause = min(self._backoff_s * 2 ** min(self._failures, 30), self._backoff_most_s)
        self._failures += 1
        self._next_try = self._seconds() + pause
