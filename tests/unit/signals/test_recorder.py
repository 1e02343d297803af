from __future__ import annotations

import asyncio
import threading
import time

import pytest

from kenshin.signals.content import ContentPolicy
from kenshin.signals.memory import MemorySink
from kenshin.signals.recorder import Recorder
from kenshin.signals.records import RecordsLost


class Broken(MemorySink):
    def __init__(self):
        super().__init__()
        self.broken = True

    def write(self, records):
        if self.broken:
            raise RuntimeError("gone")
        return super().write(records)


class Stuck(MemorySink):
    def __init__(self):
        super().__init__()
        self.release = threading.Event()

    def write(self, records):
        self.release.wait(10)
        return super().write(records)


def numbers(sink: MemorySink) -> list[int]:
    return [record.drifted_count for record in sink.records if not isinstance(record, RecordsLost)]


def told(sink: MemorySink) -> dict[str, int]:
    found: dict[str, int] = {}
    for record in sink.records:
        if isinstance(record, RecordsLost):
            found[record.reason] = found.get(record.reason, 0) + record.lost
    return found


def test_records_reach_every_sink_in_order(drift_record):
    sinks = [MemorySink(), MemorySink()]
    recorder = Recorder(sinks)
    records = [drift_record(drifted_count=number) for number in range(1200)]
    for record in records:
        recorder.record(record)
    assert recorder.flush() == 0
    assert [sink.records for sink in sinks] == [records, records]
    recorder.close()


def test_the_background_thread_carries_records_out_by_itself(drift_record):
    sink = MemorySink()
    recorder = Recorder([sink], interval_s=0.01)
    recorder.record(drift_record())
    end = time.monotonic() + 5
    while not sink.records and time.monotonic() < end:
        time.sleep(0.01)
    assert len(sink.records) == 1
    recorder.close()


def test_a_queue_half_full_does_not_wait_for_the_interval(drift_record):
    sink = MemorySink()
    recorder = Recorder([sink], capacity=100, interval_s=60)
    for number in range(55):
        recorder.record(drift_record(drifted_count=number))
    end = time.monotonic() + 5
    while len(sink.records) < 50 and time.monotonic() < end:
        time.sleep(0.01)
    assert len(sink.records) >= 50
    recorder.close()


def test_a_broken_sink_costs_its_records_and_leaves_the_others_alone(drift_record):
    sink = MemorySink()
    recorder = Recorder([Broken(), sink])
    recorder.record(drift_record())
    assert recorder.flush() == 1
    assert [stats.lost for stats in recorder.stats()] == [{"sink": 1}, {}]
    assert len(sink.records) == 1
    recorder.close()


def test_a_sink_that_works_again_is_told_what_it_misses(drift_record):
    sink = Broken()
    recorder = Recorder([sink])
    for number in range(3):
        recorder.record(drift_record(drifted_count=number))
        recorder.flush()
    sink.broken = False
    recorder.record(drift_record(drifted_count=3))
    assert recorder.flush() == 3
    recorder.flush()
    assert numbers(sink) == [3]
    assert told(sink) == {"sink": 3}
    recorder.close()


def test_a_slow_sink_holds_up_neither_callers_nor_other_sinks(drift_record):
    slow, quick = Stuck(), MemorySink()
    recorder = Recorder([slow, quick], capacity=2000, interval_s=0.01, exit_deadline_s=0.05)
    for number in range(1500):
        recorder.record(drift_record(drifted_count=number))
    begun = time.monotonic()
    recorder.flush(0.2)
    assert time.monotonic() - begun < 2
    assert numbers(quick) == list(range(1500))
    assert slow.records == []
    slow.release.set()
    recorder.flush()
    assert numbers(slow) == list(range(1500))
    recorder.close()


def test_a_full_queue_drops_and_counts_and_never_blocks(drift_record):
    sink = Stuck()
    recorder = Recorder([sink], capacity=10, interval_s=0.01)
    start = time.monotonic()
    for number in range(1000):
        recorder.record(drift_record(drifted_count=number))
    assert time.monotonic() - start < 2
    sink.release.set()
    recorder.flush()
    assert recorder.dropped > 0
    assert recorder.dropped + len(numbers(sink)) == 1000
    assert told(sink) == {"queue_full": recorder.dropped}
    recorder.close()


def test_closing_within_its_deadline_counts_what_a_stuck_sink_left(drift_record, caplog):
    sink = Stuck()
    recorder = Recorder([sink], interval_s=0.01, exit_deadline_s=0.1)
    for _ in range(20):
        recorder.record(drift_record())
    begun = time.monotonic()
    recorder.close()
    assert time.monotonic() - begun < 2
    assert "20 records did not reach Stuck" in caplog.text
    sink.release.set()


def test_after_closing_records_are_counted_as_dropped(drift_record):
    recorder = Recorder([MemorySink()])
    recorder.close()
    recorder.record(drift_record())
    recorder.record(drift_record())
    recorder.close()
    assert recorder.dropped == 2
    assert recorder.stats()[0].lost == {"closed": 2}
    assert recorder.flush() == 2


def test_nothing_is_lost_silently_when_threads_record_while_it_closes(drift_record):
    for _ in range(20):
        sink = MemorySink()
        recorder = Recorder([sink], interval_s=0.001)
        begin = threading.Barrier(5)

        def work(begin=begin, recorder=recorder):
            begin.wait()
            for number in range(200):
                recorder.record(drift_record(drifted_count=number))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        begin.wait()
        recorder.close()
        for thread in threads:
            thread.join()
        assert len(numbers(sink)) + recorder.dropped == 800


def test_the_synchronous_mode_carries_before_it_returns_and_starts_no_thread(drift_record):
    sink = MemorySink()
    recorder = Recorder([sink], synchronous=True)
    before = threading.active_count()
    for number in range(3):
        recorder.record(drift_record(drifted_count=number))
        assert numbers(sink) == list(range(number + 1))
    assert threading.active_count() == before
    assert recorder.flush() == 0
    recorder.close()


def test_the_synchronous_mode_raises_nothing_and_tells_what_was_lost(drift_record):
    sink = Broken()
    recorder = Recorder([sink], synchronous=True)
    recorder.record(drift_record())
    sink.broken = False
    recorder.record(drift_record(drifted_count=2))
    assert numbers(sink) == [2]
    assert told(sink) == {"sink": 1}
    recorder.close()


def test_a_sink_that_records_itself_is_no_deadlock(drift_record):
    class Talkative(MemorySink):
        def write(self, records):
            if len(self.records) < 3:
                self.records.extend(records)
                recorder.record(drift_record(drifted_count=99))
                return 0
            return super().write(records)

    sink = Talkative()
    recorder = Recorder([sink], synchronous=True)
    recorder.record(drift_record())
    assert len(sink.records) >= 3
    recorder.close()


def test_content_reaches_a_sink_only_by_the_policy(call_record):
    for policy, expected in ((None, None), (ContentPolicy(capture=True, limit=9), {"prompt": "[email] …"})):
        sink = MemorySink()
        recorder = Recorder([sink], policy=policy)
        recorder.record(call_record(content={"prompt": "joe@example.com likes manga"}))
        recorder.flush()
        assert sink.records[0].content == expected
        recorder.close()


def test_a_record_whose_content_cannot_be_read_costs_itself_alone(call_record):
    class Hostile:
        def __str__(self):
            raise RuntimeError

    sink = MemorySink()
    recorder = Recorder([sink], policy=ContentPolicy(capture=True), interval_s=60)
    recorder.record(call_record(content={"prompt": Hostile()}))
    recorder.record(call_record())
    assert recorder.flush() == 1
    assert len([each for each in sink.records if not isinstance(each, RecordsLost)]) == 1
    recorder.close()


def test_a_clock_that_steps_back_changes_neither_flushing_nor_what_is_told(drift_record, monkeypatch):
    sink = MemorySink()
    recorder = Recorder([sink], interval_s=0.01)
    past = time.time() - 86_400
    monkeypatch.setattr(time, "time", lambda: past)
    for number in range(10):
        recorder.record(drift_record(drifted_count=number))
    assert recorder.flush(5) == 0
    assert numbers(sink) == list(range(10))
    recorder.close()


def test_a_thousand_tasks_lose_double_and_mix_nothing(call_record):
    sink = MemorySink()
    recorder = Recorder([sink], interval_s=0.01)

    async def request(number: int) -> None:
        for step in range(5):
            recorder.record(call_record(request_id=f"{number}-{step}", trace_id=f"{number}"))
            await asyncio.sleep(0)

    async def everything() -> None:
        await asyncio.gather(*(request(number) for number in range(1000)))

    asyncio.run(everything())
    assert recorder.flush(20) == 0
    ids = [record.request_id for record in sink.records]
    assert len(ids) == len(set(ids)) == 5000
    assert all(record.request_id.startswith(f"{record.trace_id}-") for record in sink.records)
    steps = [record.request_id for record in sink.records if record.trace_id == "500"]
    assert steps == [f"500-{step}" for step in range(5)]
    recorder.close()


@pytest.mark.parametrize("synchronous", [False, True])
def test_threads_lose_and_double_nothing(drift_record, synchronous):
    sink = MemorySink()
    recorder = Recorder([sink], synchronous=synchronous, interval_s=0.001)

    def work(worker: int) -> None:
        for number in range(500):
            recorder.record(drift_record(drifted_count=worker * 500 + number))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert recorder.flush(20) == 0
    assert sorted(numbers(sink)) == list(range(4000))
    recorder.close()


def test_without_sinks_records_go_nowhere(drift_record):
    recorder = Recorder([])
    recorder.record(drift_record())
    assert recorder.flush() == 0
    recorder.close()
