"""What every reader in the background does."""

from __future__ import annotations

import gc
import logging
import os
import threading
import time

import pytest

from kenshin.refresher import Refresher


class Reader:
    """Reads a store that can be made to fail."""

    def __init__(self, **options) -> None:
        self.failing = False
        self.readers: list[str] = []
        self.refresher = Refresher(
            self.read, what="The shelf", name="kenshin-shelf", **{"interval_s": 0.01, **options}
        )

    def read(self) -> None:
        self.readers.append(threading.current_thread().name)
        if self.failing:
            raise OSError("out of reach")


def eventually(holds, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def reader():
    made = Reader()
    yield made
    made.refresher.close()


def test_it_reads_again_and_again_in_its_own_thread(reader):
    assert not reader.refresher.started
    reader.refresher.start()
    eventually(lambda: reader.refresher.refreshes >= 3)
    assert set(reader.readers) == {"kenshin-shelf"}


def test_many_starts_make_one_thread(reader):
    threads = [threading.Thread(target=reader.refresher.start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(thread is reader.refresher._thread for thread in threading.enumerate()) == 1


def test_a_failure_is_logged_once_and_its_end_too(reader, caplog):
    caplog.set_level(logging.WARNING)
    reader.failing = True
    assert [reader.refresher.refresh() for _ in range(3)] == [False, False, False]
    reader.failing = False
    assert reader.refresher.refresh()
    assert (reader.refresher.failures, reader.refresher.refreshes) == (3, 1)
    assert [record.getMessage() for record in caplog.records] == [
        "The shelf cannot be read; what was known stays in force (OSError: out of reach)",
        "The shelf can be read again.",
    ]


def test_the_first_reading_can_wait():
    reader = Reader(delay_s=60.0)
    reader.refresher.start()
    time.sleep(0.05)
    assert reader.readers == []
    reader.refresher.close()


def test_closing_ends_the_thread_for_good(reader):
    reader.refresher.start()
    thread = reader.refresher._thread
    reader.refresher.close()
    assert thread is not None
    assert not thread.is_alive()
    read = len(reader.readers)
    reader.refresher.start()
    time.sleep(0.05)
    assert len(reader.readers) == read


def test_what_nobody_holds_is_not_read():
    reader = Reader()
    reader.refresher.start()
    thread, refresher = reader.refresher._thread, reader.refresher
    del reader
    gc.collect()
    eventually(lambda: not thread.is_alive())
    assert not refresher.refresh()


def test_pauses_are_spread():
    reader = Reader(interval_s=5.0)
    pauses = [reader.refresher._pause_s() for _ in range(200)]
    assert 4.0 <= min(pauses) < 4.4 < 5.6 < max(pauses) <= 6.0


def test_a_child_reads_in_a_thread_of_its_own(reader):
    reader.refresher.start()
    eventually(lambda: reader.readers)
    child = os.fork()
    if child == 0:
        read = len(reader.readers)
        began = reader.refresher.started
        reader.refresher.start()
        end = time.monotonic() + 10
        while len(reader.readers) == read and time.monotonic() < end:
            time.sleep(0.005)
        os._exit(0 if not began and len(reader.readers) > read else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
