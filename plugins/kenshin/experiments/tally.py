"""The tally of a recorder: what became of every observation, exact under threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

REASONS = 50
"""So many different reasons are counted apart; later ones are counted together."""

LATEST = 100
"""So many of the latest refusals are kept in words."""

OTHER_REASONS = "other reasons"


@dataclass(frozen=True, slots=True)
class RecorderStats:
    """A recorder's counters since its process started or forked.

    ``recorded + adopted == stored + duplicates + rejections + dropped + waiting``, at every moment at which nothing is
    between two of these places, and always after `flush`.

    Args:
        recorded: calls, whatever became of them.
        stored: new in the store.
        duplicates: in the store already, so nothing changed.
        rejected: refused for good, by reason.
        spilled: written to disk since the store could not take them.
        replayed: settled from disk, those of dead processes included.
        adopted: found in the segments of dead processes.
        dropped: lost, since neither the store nor memory nor the disk had room, or after closing.
        torn: lines that a kill had cut off, or that came back damaged from disk.
        unadmitted: stored without admission, since their experiment is not known.
        queued: in memory now.
        on_disk: spilled or adopted, and not settled yet.
        latest: the latest refusals in words.
    """

    recorded: int
    stored: int
    duplicates: int
    rejected: Mapping[str, int]
    spilled: int
    replayed: int
    adopted: int
    dropped: int
    torn: int
    unadmitted: int
    queued: int
    on_disk: int
    latest: tuple[str, ...] = ()

    @property
    def rejections(self) -> int:
        """All rejected, whatever the reason."""
        return sum(self.rejected.values())

    @property
    def waiting(self) -> int:
        """Not settled yet, in memory or on disk."""
        return self.queued + self.on_disk


class Tally:
    """Counts under a lock that no caller of `record` needs unless something is wrong."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._counts: dict[str, int] = {}
        self._reasons: dict[str, int] = {}
        self._latest: deque[str] = deque(maxlen=LATEST)

    def add(self, **counts: int) -> None:
        """Raise counters by name."""
        with self.lock:
            for name, count in counts.items():
                self._counts[name] = self._counts.get(name, 0) + count

    def reject(self, reason: str, detail: str) -> None:
        """Count a refusal, and keep it in words."""
        with self.lock:
            if reason not in self._reasons and len(self._reasons) >= REASONS:
                reason = OTHER_REASONS
            self._reasons[reason] = self._reasons.get(reason, 0) + 1
            self._latest.append(detail[:500])

    def stats(self, *, queued: int, in_flight: int, on_disk: int) -> RecorderStats:
        """The counters as they are; call it with the lock held, so that they belong to one moment."""
        counts = self._counts
        return RecorderStats(
            recorded=counts.get("taken", 0) + queued,
            stored=counts.get("stored", 0),
            duplicates=counts.get("duplicates", 0),
            rejected=MappingProxyType(dict(self._reasons)),
            spilled=counts.get("spilled", 0),
            replayed=counts.get("replayed", 0),
            adopted=counts.get("adopted", 0),
            dropped=counts.get("dropped", 0),
            torn=counts.get("torn", 0),
            unadmitted=counts.get("unadmitted", 0),
            queued=queued + in_flight,
            on_disk=on_disk,
            latest=tuple(self._latest),
        )
