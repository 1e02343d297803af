"""Every observation store does this."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from contract.experiment_doubles import CrampedObservations

from kenshin.backends.local.observations import SCHEMA, SqliteObservations
from kenshin.backends.local.sqlite import Database
from kenshin.experiments.observation import observation

ZONE = ZoneInfo("Asia/Tokyo")
AT = datetime(2026, 11, 5, 1, 2, 3, 456789, tzinfo=UTC)


def seen(name: str, *, session: str = "s-1", days: int = 0, **rest):
    rest = {"quality_score": 0.5, **rest}
    return observation(
        observation_id=name,
        experiment_id=rest.pop("experiment_id", "exp"),
        session_id=session,
        arm="A",
        prompt_version="v1",
        observed_at=AT + timedelta(days=days),
        recorded_at=AT + timedelta(days=days, seconds=1),
        zone=ZONE,
        **rest,
    )


@pytest.fixture(params=["sqlite", "double"])
def store(request, tmp_path):
    if request.param == "double":
        return CrampedObservations()
    return SqliteObservations(Database(tmp_path / "observations.db", SCHEMA), page_size=7)


def write_all(store, batch):
    """Write until nothing is left, as every caller has to; answers the totals."""
    stored = duplicates = 0
    rejected, left = [], list(batch)
    for _ in range(1000):
        if not left:
            return stored, duplicates, rejected
        result = store.write(left)
        assert result.stored + result.duplicates + len(result.rejected) + len(result.unprocessed) == len(left)
        stored, duplicates = stored + result.stored, duplicates + result.duplicates
        rejected.extend(result.rejected)
        left = list(result.unprocessed)
    raise AssertionError("the store never took all")


def read_all(store, like):
    items, page, pages = [], None, 0
    while True:
        found = store.read(like.experiment_id, like.day, like.shard, page=page)
        items.extend(found.items)
        pages += 1
        if found.next is None:
            return items, pages
        page = found.next


def test_what_is_written_comes_back_whole(store):
    full = seen(
        "日本-1",
        intent="faq",
        trace_id="t" * 32,
        quality_score=1 / 3,
        latency_ms=0.1,
        metrics={"cost": 1e-300, "rating": 5.0},
        covariates={"before": -2.5},
        phase=3,
    )
    bare = seen("bare", quality_score=None)
    write_all(store, [full, bare])
    assert read_all(store, full)[0] == [bare, full]


def test_writing_again_changes_nothing_and_the_first_one_stays(store):
    first = seen("one", quality_score=0.1)
    assert write_all(store, [first]) == (1, 0, [])
    assert write_all(store, [first, seen("one", quality_score=0.9), seen("two")]) == (1, 2, [])
    assert [each.quality_score for each in read_all(store, first)[0]] == [0.1, 0.5]


def test_an_id_may_come_twice_in_one_batch(store):
    assert write_all(store, [seen("one"), seen("one")]) == (1, 1, [])


def test_pages_are_in_order_of_id_and_lose_nothing(store):
    batch = [seen(f"{number * 7919 % 100:03}") for number in range(100)]
    assert write_all(store, batch) == (100, 0, [])
    items, pages = read_all(store, batch[0])
    assert [each.observation_id for each in items] == [f"{number:03}" for number in range(100)]
    assert pages == 15


@pytest.mark.parametrize("count", [0, 1, 6, 7, 8, 14])
def test_a_last_page_says_so(store, count):
    batch = [seen(f"{number:03}") for number in range(count)]
    write_all(store, batch)
    items, pages = read_all(store, seen("like"))
    assert len(items) == count
    assert pages == max(1, -(-count // 7))


def test_partitions_are_apart(store):
    batch = [seen("x", days=0), seen("x", days=1), seen("x", session="s-2"), seen("x", experiment_id="other")]
    assert len({each.partition for each in batch}) == 4
    assert write_all(store, batch) == (4, 0, [])
    for each in batch:
        assert read_all(store, each)[0] == [each]


def test_half_a_surrogate_pair_is_refused_and_the_rest_kept(store):
    stored, _, rejected = write_all(store, [seen("good"), seen("bad", intent="\ud800"), seen("well")])
    assert stored == 2
    assert [(each.observation.observation_id, bool(each.reason)) for each in rejected] == [("bad", True)]


def test_an_empty_batch_is_no_error(store):
    assert write_all(store, []) == (0, 0, [])
    assert store.write([]).stored == 0
