"""The recorder: takes a record in a microsecond and carries it to every sink from threads of their own.

Observability fails open: `record` does not raise, and does not block unless it is told to carry synchronously. A full
queue or a failing sink costs records, which are counted, logged, and told to the sink itself as metric `RecordsLost`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from kenshin.lifetime import watch
from kenshin.signals.content import ContentPolicy
from kenshin.signals.lane import Lane, Pace
from kenshin.signals.losses import LossReason
from kenshin.signals.record import Record
from kenshin.signals.sink import Sink

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LaneStats:
    """One sink's state: how many records are queued or on their way, and how many it misses, by reason."""

    sink: str
    waiting: int
    lost: Mapping[LossReason, int]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Recorder:
    """Bounded queues in front of sinks, one for each, so that a slow sink holds up no other.

    Args:
        sinks: where records go; each gets every record.
        synchronous: carry each record in the caller of `record`: for AWS Lambda, which freezes a process between two
            requests, and for scripts.
        capacity: how many records may wait for a sink; one more is lost to it.
        interval_s: how long a record waits at most before it is carried, in seconds.
        exit_deadline_s: how long the process waits at its end for the queues to empty, in seconds.
        policy: what of prompts and answers may leave the process; by default nothing.
        clock: answers the present instant, aware; for the records that tell of losses.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        synchronous: bool = False,
        capacity: int = 10_000,
        interval_s: float = 0.5,
        exit_deadline_s: float = 2.0,
        policy: ContentPolicy | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.sinks = tuple(sinks)
        self._exit_deadline_s = exit_deadline_s
        pace = Pace(synchronous, capacity, interval_s)
        self._lanes = tuple(Lane(sink, pace, policy or ContentPolicy(), clock) for sink in sinks)
        self._closed = False
        watch(self)

    @property
    def dropped(self) -> int:
        """How many records are lost, added up over the sinks."""
        return sum(sum(lane.lost.values()) for lane in self._lanes)

    def record(self, record: Record) -> None:
        """Hand a record to the sinks' queues."""
        for lane in self._lanes:
            lane.put(record)

    def flush(self, deadline_s: float = 5.0) -> int:
        """Have everything recorded so far carried; answers how many records are lost in all.

        Call it before a frozen or killed process would keep records to itself: at the end of a Lambda call.

        Args:
            deadline_s: return after so many seconds, whatever the sinks do; what is left stays queued.
        """
        end = time.monotonic() + max(deadline_s, 0)
        asked = [(lane, lane.ask(end)) for lane in self._lanes]
        for lane, number in asked:
            lane.wait(number, end)
        return self.dropped

    def stats(self) -> tuple[LaneStats, ...]:
        """The state of each sink, in their order."""
        return tuple(LaneStats(lane.name, lane.waiting, lane.lost) for lane in self._lanes)

    def close(self) -> None:
        """Flush within the exit deadline and let go of the sinks; later records are lost and counted."""
        if self._closed:
            return
        self.flush(self._exit_deadline_s)
        self._closed = True
        for lane in self._lanes:
            if lost := lane.close():
                logger.warning("%d records did not reach %s and are lost", lost, lane.name)

    def after_fork(self) -> None:
        """In the child: begin with empty queues; the parent carries what it had queued."""
        self._closed = False
        for lane in self._lanes:
            lane.begin()
