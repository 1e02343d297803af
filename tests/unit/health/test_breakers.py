from __future__ import annotations

import gc
import os
import threading
import time

import pytest
from model_calls import HAIKU, SONNET, FakeDocuments

from kenshin.errors import CircuitOpen
from kenshin.health.breakers import Breakers
from kenshin.health.overrides import BreakerOverride, clear_override, set_override
from kenshin.health.policy import BreakerPolicy

ARN = f"arn:aws:bedrock:tokyo:1:inference-profile/{HAIKU}"


@pytest.fixture
def documents():
    return FakeDocuments()


@pytest.fixture
def breakers(documents):
    made = Breakers(documents=lambda: documents, interval_s=0.01)
    yield made
    made.close()


def until(happens):
    end = time.monotonic() + 10
    while not happens() and time.monotonic() < end:
        time.sleep(0.005)
    assert happens()


def test_one_for_each_model_and_region():
    breakers = Breakers()
    tokyo = breakers.of(HAIKU, "tokyo")
    assert breakers.of(ARN, "tokyo") is tokyo
    assert breakers.of(HAIKU, "osaka") is not tokyo
    assert breakers.of(SONNET, "tokyo") is not tokyo
    assert [each.name for each in breakers.known()] == [
        f"{HAIKU}@tokyo",
        f"{HAIKU}@osaka",
        f"{SONNET}@tokyo",
    ]


def test_threads_get_the_same_one():
    breakers, found = Breakers(), []
    start = threading.Barrier(8)

    def ask():
        start.wait()
        found.append(breakers.of(HAIKU, "tokyo"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1


def test_a_model_may_have_thresholds_of_its_own():
    strict = BreakerPolicy(minimum_calls=1)
    breakers = Breakers(by_model={ARN: strict})
    assert breakers.of(HAIKU, "tokyo").policy is strict
    assert breakers.of(SONNET, "tokyo").policy == BreakerPolicy()


def test_overrides_reach_breakers_that_are_there_and_that_will_be(breakers, documents):
    haiku = breakers.of(HAIKU, "tokyo")
    set_override(documents, BreakerOverride(HAIKU, "open"))
    until(lambda: haiku.overridden == "open")
    assert breakers.of(HAIKU, "osaka").overridden == "open"
    with pytest.raises(CircuitOpen):
        haiku.admit()
    clear_override(documents, HAIKU)
    until(lambda: haiku.overridden is None)


def test_the_nearer_override_wins(breakers, documents):
    set_override(documents, BreakerOverride(HAIKU, "open"))
    set_override(documents, BreakerOverride(HAIKU, "closed", "osaka"))
    assert breakers.refresh()
    assert breakers.of(HAIKU, "tokyo").overridden == "open"
    assert breakers.of(HAIKU, "osaka").overridden == "closed"


def test_a_store_that_is_gone_leaves_what_was_known(breakers, documents, caplog):
    set_override(documents, BreakerOverride(HAIKU, "open"))
    breakers.refresh()
    documents.broken = True
    assert not breakers.refresh()
    assert not breakers.refresh()
    assert breakers.of(HAIKU, "tokyo").overridden == "open"
    assert caplog.text.count("cannot be read") == 1
    documents.broken = False
    assert breakers.refresh()
    assert caplog.text.count("can be read again") == 1


def test_a_request_does_not_wait_for_the_store():
    asked, answer = threading.Event(), threading.Event()

    def slow():
        asked.set()
        answer.wait(10)
        return FakeDocuments()

    breakers = Breakers(documents=slow)
    breakers.of(HAIKU, "tokyo").admit().end("success")
    assert asked.wait(10)
    breakers.of(SONNET, "tokyo").admit().end("success")
    answer.set()
    breakers.close()


def test_without_documents_there_is_no_thread():
    before = threading.active_count()
    breakers = Breakers()
    breakers.of(HAIKU)
    assert breakers.refresh()
    assert threading.active_count() == before


def test_the_thread_ends_with_its_owner(documents):
    breakers = Breakers(documents=lambda: documents, interval_s=0.01)
    breakers.of(HAIKU)
    thread = breakers._refresher._thread
    del breakers
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_a_forked_child_reads_for_itself(breakers, documents):
    haiku = breakers.of(HAIKU, "tokyo")
    child = os.fork()
    if not child:
        done = 1
        try:
            set_override(documents, BreakerOverride(HAIKU, "open"))
            breakers.of(HAIKU, "tokyo")
            until(lambda: haiku.overridden == "open")
            done = 0
        finally:
            os._exit(done)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert haiku.overridden is None
