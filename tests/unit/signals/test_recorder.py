from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

from kenshin.signals.memory import MemorySink
from kenshin.signals.recorder import Recorder


class Broken(MemorySink):
    def write(self, records):
        raise RuntimeError("gone")


class Stuck(MemorySink):
    def __init__(self):
        super().__init__()
        self.release = threading.Event()

    def write(self, records):
        self.release.wait(10)
        return super().write(records)


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


def test_a_broken_sink_costs_its_records_and_leaves_the_others_alone(drift_record):
    sink = MemorySink()
    recorder = Recorder([Broken(), sink])
    recorder.record(drift_record())
    assert recorder.flush() == 1
    assert len(sink.records) == 1
    recorder.close()


def test_a_full_queue_drops_and_counts_and_never_blocks(drift_record):
    sink = Stuck()
    recorder = Recorder([sink], capacity=10, interval_s=0.01)
    start = time.monotonic()
    for _ in range(1000):
        recorder.record(drift_record())
    assert time.monotonic() - start < 2
    sink.release.set()
    recorder.flush()
    assert recorder.dropped > 0
    assert recorder.dropped + len(sink.records) == 1000
    recorder.close()


def test_after_closing_records_are_counted_as_dropped(drift_record):
    recorder = Recorder([MemorySink()])
    recorder.close()
    recorder.record(drift_record())
    assert recorder.dropped == 1


def test_the_end_of_the_process_and_a_fork_lose_and_double_nothing(tmp_path):
    script = """
import os
from datetime import UTC, datetime
from kenshin.current import current
from kenshin.signals.records import DriftMeasured

def record(number):
    return DriftMeasured(datetime.now(UTC), "i", "2026-01-01", "observed", 1, number, 0, 0.0, False)

current().recorder.record(record(1))
if os.fork() == 0:
    current().recorder.record(record(2))
    raise SystemExit
os.wait()
"""
    environment = {**os.environ, "KENSHIN_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    lines = [line for file in tmp_path.rglob("*.jsonl") for line in file.read_text().splitlines()]
    assert len(lines) == 2
