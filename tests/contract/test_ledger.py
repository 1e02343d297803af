"""Every ledger does this."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from kenshin.backends.local.ledger import SCHEMA, SqliteLedger
from kenshin.backends.local.sqlite import Database
from kenshin.errors import Conflict
from kenshin.ledger import LedgerEntry
from kenshin.ports import Versioned


def entry(key: str, *, subject: str = "experiment:x", **body) -> LedgerEntry:
    return LedgerEntry(subject, key, "look", datetime(2026, 11, 5, 1, 2, 3, 4, tzinfo=UTC), "night", body)


@pytest.fixture
def ledger(tmp_path):
    return SqliteLedger(Database(tmp_path / "ledger.db", SCHEMA))


def test_entries_come_back_in_order_numbered_from_one(ledger):
    entries = [entry("b", p=0.04, words="日本語", none=None), entry("a"), entry("c", nested={"x": [1, 2]})]
    for number, each in enumerate(entries, 1):
        assert ledger.append(each) == Versioned(each, number)
    assert ledger.read("experiment:x") == [Versioned(each, number) for number, each in enumerate(entries, 1)]
    assert [each.version for each in ledger.read("experiment:x", since=2)] == [3]
    assert ledger.read("experiment:y") == []


def test_the_same_event_told_twice_is_the_first_one(ledger):
    ledger.append(entry("look:1", p=0.04))
    again = ledger.append(entry("look:1", p=0.99), after=7)
    assert (again.version, again.value.body) == (1, {"p": 0.04})
    assert len(ledger.read("experiment:x")) == 1


def test_subjects_are_numbered_apart(ledger):
    ledger.append(entry("one"))
    assert ledger.append(entry("one", subject="experiment:y")).version == 1


def test_after_asks_for_the_last_number(ledger):
    assert ledger.append(entry("one"), after=0).version == 1
    for stale in (0, 2):
        with pytest.raises(Conflict):
            ledger.append(entry("two"), after=stale)
    assert ledger.append(entry("two"), after=1).version == 2


def test_writers_at_the_same_time_get_numbers_of_their_own(tmp_path):
    def work(name):
        ledger = SqliteLedger(Database(tmp_path / "shared.db", SCHEMA))
        for number in range(20):
            ledger.append(entry(f"{name}-{number}"))
        ledger.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = SqliteLedger(Database(tmp_path / "shared.db", SCHEMA)).read("experiment:x")
    assert [each.version for each in found] == list(range(1, 81))
