from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from contract.experiment_doubles import CrampedObservations, FullObservations
from contract.observation_doubles import SwitchedObservations

import kenshin
from kenshin.errors import BackendUnavailable, InvalidObservation, KenshinError
from kenshin.experiments import api
from kenshin.experiments.observation import SHARDS, observation
from kenshin.experiments.observing import observed
from kenshin.experiments.recording import ObservationRecorder

NOW = datetime(2026, 11, 1, 3, tzinfo=UTC)


@pytest.fixture
def recorder_of(tmp_path, zone):
    made = []

    def make(store, *, folder="spill", **options):
        options = {"fsync": False, "interval_s": 0.01, "backoff_s": 0.02, "backoff_most_s": 0.05, **options}
        recorder = ObservationRecorder(store, tmp_path / folder, lambda: NOW, zone=zone, **options)
        made.append((recorder, store))
        return recorder

    yield make
    for recorder, store in made:
        if isinstance(store, SwitchedObservations):
            store.release.set()
        recorder.close()


@pytest.fixture
def broken_folder(tmp_path):
    (tmp_path / "spill").write_text("a file is in its place")


def lawful(stats):
    """Every observation is in exactly one place."""
    assert stats.recorded + stats.adopted == (
        stats.stored + stats.duplicates + stats.rejections + stats.dropped + stats.waiting
    )
    return stats


def named(each, name):
    return replace(each, observation_id=name)


def eventually(holds, seconds=10.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


@pytest.mark.parametrize("carry", ["background", "on_flush", "at_once"])
def test_what_is_recorded_is_stored_and_counted(recorder_of, seen, carry):
    store = SwitchedObservations()
    recorder = recorder_of(store, carry=carry)
    for number in range(1200):
        recorder.record(seen(f"{number:04}", f"s-{number}"))
    recorder.record(seen("0000", "s-0"))
    assert recorder.flush() == 0
    stats = lawful(recorder.stats())
    assert (stats.recorded, stats.stored, stats.duplicates) == (1201, 1200, 1)
    assert store.names == [f"{number:04}" for number in range(1200)]


def test_the_background_needs_no_flush(recorder_of, seen):
    store = SwitchedObservations()
    recorder = recorder_of(store)
    recorder.record(seen("one", "s"))
    eventually(lambda: store.names == ["one"])


@pytest.mark.parametrize("mode", ["fails", "lies"])
def test_a_minute_without_store_loses_and_doubles_nothing(recorder_of, seen, mode):
    """500 observations a second under a fake clock, the store down from second 5 to second 65."""
    now = 0.0
    store = SwitchedObservations()
    recorder = recorder_of(
        store,
        carry="on_flush",
        seconds=lambda: now,
        backoff_s=0.25,
        backoff_most_s=10.0,
        spill_limit_bytes=1 << 26,
    )
    each = seen("0", "s")
    for step in range(350):
        now = step * 0.2
        store.mode = mode if 5 <= now < 65 else "works"
        for number in range(step * 100, step * 100 + 100):
            recorder.record(named(each, f"{number:05}"))
        with recorder._shipping:
            recorder._ship(probe=False)
        lawful(recorder.stats())
        if 6 < now < 65:
            assert recorder.stats().queued == 0
    assert recorder.flush() == 0
    stats = lawful(recorder.stats())
    assert store.names == [f"{number:05}" for number in range(35_000)]
    assert stats.spilled == stats.replayed >= 29_000
    assert stats.dropped == stats.rejections == 0
    assert store.calls < 600


@pytest.mark.parametrize(("seconds", "rate"), [(5, 500), pytest.param(60, 500, marks=pytest.mark.slow)])
@pytest.mark.parametrize("mode", ["fails", "hangs"])
def test_a_store_that_is_down_under_load(recorder_of, seen, mode, seconds, rate, capsys):
    """Real threads: down for `seconds` under 500 observations a second, from four threads."""
    store = SwitchedObservations(mode)
    recorder = recorder_of(store, capacity=5_000, patience_s=0.5, interval_s=0.2, backoff_s=0.25)
    each = seen("0", "s")
    end = time.monotonic() + seconds

    def client(first):
        number = 0
        while time.monotonic() < end:
            recorder.record(named(each, f"{first}-{number:06}"))
            number += 1
            time.sleep(max(0.0, end - seconds + number * 4 / rate - time.monotonic()))

    clients = [threading.Thread(target=client, args=(first,)) for first in range(4)]
    most = 0
    for thread in clients:
        thread.start()
    while any(thread.is_alive() for thread in clients):
        most = max(most, recorder.stats().queued)
        time.sleep(0.05)
    assert store.names == []
    store.mode = "works"
    store.release.set()
    assert recorder.flush(60) == 0
    stats = lawful(recorder.stats())
    with capsys.disabled():
        print(f"\nstore {mode} for {seconds} s: {stats.recorded} recorded, {stats.spilled} spilled, "
              f"at most {most} in memory, {stats.stored} stored")  # fmt: skip
    assert stats.recorded == stats.stored == len(store.names) == len(set(store.names))
    assert stats.recorded >= 0.8 * seconds * rate
    assert stats.duplicates == stats.dropped == stats.rejections == 0
    # What waits for the guard, and one batch in hand.
    assert most <= rate * (0.5 + 2 * 0.2 + 0.5) + 500


def test_a_store_with_little_room_gets_everything(recorder_of, seen):
    store = CrampedObservations()
    recorder = recorder_of(store, batch_size=100)
    for number in range(300):
        recorder.record(seen(f"{number:03}", f"s-{number}"))
    eventually(lambda: recorder.flush() == 0)
    stats = lawful(recorder.stats())
    assert (stats.stored, stats.duplicates) == (300, 0)
    day = seen("x", "s").day
    found = []
    for shard in range(SHARDS):
        page = None
        while True:
            answer = store.read("exp", day, shard, page=page)
            found.extend(each.observation_id for each in answer.items)
            if (page := answer.next) is None:
                break
    assert sorted(found) == [f"{number:03}" for number in range(300)]


def test_a_store_without_room_is_down(recorder_of, seen):
    recorder = recorder_of(FullObservations())
    for number in range(10):
        recorder.record(seen(str(number), "s"))
    assert recorder.flush(1) == 10
    stats = lawful(recorder.stats())
    assert (stats.stored, stats.spilled, stats.on_disk) == (0, 10, 10)


def test_one_that_the_store_cannot_digest_takes_no_other_with_it(recorder_of, seen):
    store = SwitchedObservations()
    recorder = recorder_of(store, carry="on_flush")
    for number in range(5):
        recorder.record(seen(str(number), "s", prompt_version="indigestible" if number == 2 else "v1"))
    assert recorder.flush() == 0
    assert store.names == ["0", "1", "3", "4"]
    assert lawful(recorder.stats()).rejected == {"OverflowError": 1}


def test_a_store_that_digests_nothing_is_down_and_nothing_is_refused(recorder_of, seen):
    store = SwitchedObservations()
    recorder = recorder_of(store, carry="on_flush")
    for number in range(5):
        recorder.record(seen(str(number), "s", prompt_version="indigestible"))
    for _ in range(5):
        assert recorder.flush() == 5
    assert recorder.stats().rejections == 0
    recorder.record(seen("good", "s"))
    recorder.flush()
    assert recorder.flush() == 0
    assert store.names == ["good"]
    assert lawful(recorder.stats()).rejections == 5


def test_the_next_process_sends_what_a_closed_one_left(recorder_of, seen):
    store = SwitchedObservations("fails")
    recorder = recorder_of(store)
    for number in range(700):
        recorder.record(seen(f"{number:03}", f"s-{number}"))
    recorder.close()
    assert lawful(recorder.stats()).on_disk == 700
    store.mode = "works"
    heir = recorder_of(store)
    assert heir.flush() == 0
    stats = lawful(heir.stats())
    assert (stats.adopted, stats.replayed, stats.stored, stats.recorded) == (700, 700, 700, 0)


def test_a_spilled_observation_keeps_id_day_and_instants(recorder_of, seen):
    store = SwitchedObservations("fails")
    recorder = recorder_of(store, carry="on_flush")
    sent = seen("o", "s", latency_ms=12.5, metrics={"cost": 0.1}, covariates={"before": 1.0}, intent="faq")
    recorder.record(sent)
    assert recorder.flush() == 1
    store.mode = "works"
    assert recorder.flush() == 0
    assert list(store.held.values()) == [sent]


def test_closing_while_the_store_hangs_keeps_what_it_has_in_hand(recorder_of, seen, tmp_path):
    store = SwitchedObservations("hangs")
    recorder = recorder_of(store, exit_deadline_s=0.2)
    for number in range(50):
        recorder.record(seen(str(number), "s"))
    begun = time.monotonic()
    recorder.close()
    assert time.monotonic() - begun < 3
    assert lawful(recorder.stats()).on_disk == 50
    heir = recorder_of(SwitchedObservations())
    assert heir.flush() == 0
    assert heir.stats().stored == 50


def test_a_bad_observation_is_counted_and_never_raised(recorder_of, seen, experiment):
    store = SwitchedObservations()
    recorder = recorder_of(store, find={"exp": experiment}.get)
    recorder.record("no observation")
    recorder.record(seen("1", "s", "C"))
    recorder.record(seen("2", "s", phase=9))
    recorder.record(seen("3", "s", intent=7))
    recorder.record(seen("4", "s"))
    fields = {"experiment_id": "exp", "session_id": "s", "group": "A", "prompt_version": "v1"}
    recorder.observe(**fields, quality_score=2.0)
    recorder.observe(**fields, timestamp=float("nan"))
    recorder.observe(**fields, unheard_of=1)
    recorder.observe(session_id="s")
    assert recorder.flush() == 0
    stats = lawful(recorder.stats())
    assert store.names == ["4"]
    assert (stats.recorded, stats.rejections) == (9, 8)
    assert stats.rejected["the arms are A, B"] == stats.rejected["a score lies from 0 to 1"] == 1
    assert len(stats.latest) == 8
    assert any("unheard_of" in words for words in stats.latest)


def test_reasons_and_words_are_bounded(recorder_of):
    recorder = recorder_of(SwitchedObservations(), carry="on_flush")
    for number in range(200):
        recorder._carrier.refuse(KenshinError(value="x" * 10_000, reason=f"reason {number}", mend=""))
    stats = recorder.stats()
    assert (len(stats.rejected), stats.rejections, len(stats.latest)) == (51, 200, 100)
    assert max(map(len, stats.latest)) <= 500


def test_strict_raises_what_is_counted_otherwise(recorder_of, seen, experiment):
    recorder = recorder_of(SwitchedObservations(), strict=True, find={"exp": experiment}.get)
    with pytest.raises(InvalidObservation, match="the arms are A, B"):
        recorder.record(seen("1", "s", "C"))
    with pytest.raises(InvalidObservation, match="a score lies"):
        recorder.observe(
            experiment_id="exp", session_id="s", group="A", prompt_version="v1", quality_score=2.0
        )
    with pytest.raises(InvalidObservation, match="session_id"):
        recorder.observe(experiment_id="exp")
    recorder.close()
    with pytest.raises(BackendUnavailable):
        recorder.record(seen("2", "s"))


def test_an_older_definition_costs_no_observation(recorder_of, seen, experiment):
    """The registry has moved to another phase since the recorder read it."""
    definitions = {"exp": experiment}
    reads = []

    def find(name):
        reads.append(name)
        return definitions.get(name)

    store = SwitchedObservations()
    recorder = recorder_of(store, carry="on_flush", find=find)
    recorder.record(seen("1", "s"))
    recorder.flush()
    definitions["exp"] = experiment.changed(phase=2)
    for number in range(2, 40):
        recorder.record(seen(str(number), "s", phase=2))
    recorder.flush()
    assert lawful(recorder.stats()).stored == 39
    assert len(reads) == 2


def test_an_unreachable_registry_costs_no_observation(recorder_of, seen):
    def find(name):
        raise BackendUnavailable(value=name, reason="gone", mend="wait")

    store = SwitchedObservations("fails")
    recorder = recorder_of(store, find=find)
    recorder.record(seen("1", "s", "Z"))
    for _ in range(3):
        assert recorder.flush() == 1
    store.mode = "works"
    assert recorder.flush() == 0
    stats = lawful(recorder.stats())
    assert (stats.stored, stats.unadmitted) == (1, 1)


@pytest.mark.usefixtures("broken_folder")
def test_without_store_and_disk_requests_go_on_and_drops_are_counted(recorder_of, seen):
    store = SwitchedObservations("fails")
    recorder = recorder_of(store, capacity=100, batch_size=10)
    begun = time.monotonic()
    for number in range(5_000):
        recorder.record(seen(f"{number:04}", "s"))
    assert time.monotonic() - begun < 5
    # Two numbers are read without a lock, so a batch that is put back just then lets one more in.
    assert recorder.flush(0.5) <= 105
    stats = lawful(recorder.stats())
    assert stats.dropped >= 5_000 - 105
    assert (stats.spilled, stats.stored) == (0, 0)
    store.mode = "works"
    assert recorder.flush() == 0
    stats = lawful(recorder.stats())
    assert stats.stored == 5_000 - stats.dropped == len(store.names) > 0


@pytest.mark.usefixtures("broken_folder")
def test_closing_without_store_and_disk_counts_what_is_lost(recorder_of, seen):
    recorder = recorder_of(SwitchedObservations("fails"))
    for number in range(20):
        recorder.record(seen(str(number), "s"))
    recorder.close()
    recorder.record(seen("late", "s"))
    stats = lawful(recorder.stats())
    assert (stats.dropped, stats.waiting) == (21, 0)


def test_observations_of_the_seeds_fields(recorder_of, experiment):
    store = SwitchedObservations()
    recorder = recorder_of(store, carry="on_flush", find={"exp": experiment.changed(phase=3)}.get)
    fields = {
        "session_id": "s",
        "experiment_id": "exp",
        "group": "B",
        "prompt_version": "v2",
        "quality_score": 0.7,
        "latency_ms": 120.0,
    }
    recorder.observe(**fields, phase=3)
    recorder.observe(**fields, phase=3)
    recorder.flush()
    recorder.observe(**fields, timestamp=NOW.timestamp())
    recorder.observe(**fields, timestamp=NOW, metrics={"cost": 0.2})
    recorder.observe(**fields, timestamp=NOW.timestamp())
    assert recorder.flush() == 0
    held = list(store.held.values())
    assert {(each.arm, each.phase, each.observed_at, str(each.day)) for each in held} == {
        ("B", 3, NOW, "2026-11-01")
    }
    stats = lawful(recorder.stats())
    assert (stats.recorded, stats.stored, stats.duplicates) == (5, 4, 1)


def test_the_public_function_takes_both_forms_and_analyze_sees_them(runtime, seen):
    api.create_experiment(
        {"experiment_id": "exp", "prompt_a_version": "v1", "prompt_b_version": "v2"}, start=True
    )
    kenshin.record_observation(seen("one", "s", day=14))
    kenshin.record_observation(
        session_id="t", experiment_id="exp", group="B", prompt_version="v2", quality_score=0.5, latency_ms=9.0
    )
    kenshin.record_observation(session_id="t")
    found = kenshin.analyze("exp")
    assert (found["sample_a"], found["sample_b"]) == (1, 1)
    assert lawful(api.observation_stats()).rejections == 1
    assert not (runtime.settings.home / "spill").exists()


def test_both_ways_to_an_observation_make_the_same(zone, seen):
    """The short way of a request, and the one of imports."""
    fields = {"experiment_id": "exp", "session_id": "s", "prompt_version": "v1", "quality_score": 0.5}
    rest = {"latency_ms": 9.0, "metrics": {"cost": 0.1}, "intent": "faq", "phase": 2}
    made = observation(
        **fields, **rest, arm="A", observation_id="o", observed_at=NOW, recorded_at=NOW, zone=zone
    )
    at_tokyo = NOW.astimezone(zone)
    short = observed(at_tokyo, zone, str, lambda name: 2, **fields, group="A", observation_id="o", **{
        name: value for name, value in rest.items() if name != "phase"
    })  # fmt: skip
    assert short == made
    assert short.observed_at.tzinfo is short.recorded_at.tzinfo is UTC
    named_by_content = observed(NOW, zone, str, lambda name: 2, **fields, group="A", timestamp=NOW, **rest)
    assert replace(named_by_content, observation_id="o") == made
