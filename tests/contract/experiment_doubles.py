"""Doubles of the experiment ports that keep to the hard limits of stores in a cloud."""

from __future__ import annotations

import json
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date

from kenshin.errors import Conflict
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.observation import ABObservation
from kenshin.experiments.store import Rejected, WriteResult
from kenshin.ports import Page, Versioned

BATCH = 25
ITEM_BYTES = 400 * 1024


class ConditionalExperiments:
    """Holds JSON items; every write is conditional on the version."""

    def __init__(self) -> None:
        self._items: dict[str, tuple[int, str]] = {}

    def get(self, experiment_id: str) -> Versioned[Experiment] | None:
        item = self._items.get(experiment_id)
        return None if item is None else Versioned(Experiment.from_dict(json.loads(item[1])), item[0])

    def list(self) -> Sequence[Versioned[Experiment]]:
        found = (self.get(name) for name in sorted(self._items))
        return [each for each in found if each is not None]

    def put(self, experiment: Experiment, *, expected: int | None) -> int:
        version, _ = self._items.get(experiment.experiment_id, (None, ""))
        if version != expected:
            raise Conflict(
                value=experiment.experiment_id,
                reason=f"version is {version}, not {expected}",
                mend="Read again.",
            )
        self._items[experiment.experiment_id] = ((version or 0) + 1, json.dumps(experiment.as_dict()))
        return (version or 0) + 1


class CrampedObservations:
    """Takes 25 items a call and leaves every third of them unprocessed at first; refuses items over 400 KB."""

    page_size = 7

    def __init__(self) -> None:
        self._partitions: dict[str, dict[str, ABObservation]] = {}
        self._order: dict[str, list[str]] = {}
        self._throttled: set[tuple[str, str]] = set()
        self.largest_call = 0

    def write(self, batch: Sequence[ABObservation]) -> WriteResult:
        self.largest_call = max(self.largest_call, len(batch))
        stored = duplicates = 0
        rejected, unprocessed = [], list(batch[BATCH:])
        for place, each in enumerate(batch[:BATCH]):
            key = (each.partition, each.observation_id)
            body = json.dumps(asdict(each), default=str)
            try:
                size = len(json.dumps(json.loads(body), ensure_ascii=False).encode())
            except UnicodeEncodeError:
                rejected.append(Rejected(each, "not Unicode"))
                continue
            if size > ITEM_BYTES:
                rejected.append(Rejected(each, "larger than 400 KB"))
            elif place % 3 == 2 and key not in self._throttled:
                self._throttled.add(key)
                unprocessed.append(each)
            elif each.observation_id in self._partitions.setdefault(each.partition, {}):
                duplicates += 1
            else:
                self._partitions[each.partition][each.observation_id] = each
                insort(self._order.setdefault(each.partition, []), each.observation_id)
                stored += 1
        return WriteResult(stored, duplicates, rejected, unprocessed)

    def read(
        self, experiment_id: str, day: date, shard: int, *, page: str | None = None
    ) -> Page[ABObservation]:
        key = f"{experiment_id}#{day.isoformat()}#{shard:02}"
        order = self._order.get(key, [])
        start = 0 if page is None else bisect_right(order, page)
        names = order[start : start + self.page_size]
        more = start + self.page_size < len(order)
        return Page([self._partitions[key][name] for name in names], names[-1] if more else None)


class FullObservations(CrampedObservations):
    """Never has room."""

    def write(self, batch: Sequence[ABObservation]) -> WriteResult:
        return WriteResult(unprocessed=list(batch))
