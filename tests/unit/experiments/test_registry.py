from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from kenshin.errors import Conflict, ExperimentNotFound, InvalidExperiment, InvalidInput
from kenshin.experiments import registry

AT = datetime(2026, 11, 5, tzinfo=UTC)
DEFINITION = {"experiment_id": "e", "prompt_a_version": "v1", "prompt_b_version": "v2"}
WHO = {"at": AT, "by": "vera"}


@pytest.fixture
def ports(runtime):
    return runtime.experiments, runtime.ledger


def kinds(ledger):
    return [entry.value.kind for entry in ledger.read("experiment:e")]


def test_a_life_from_draft_to_winner_is_in_the_ledger(ports):
    store, ledger = ports
    draft = registry.create(*ports, DEFINITION, start=False, **WHO)
    assert (draft.value.status, draft.value.created_at, draft.version) == ("draft", AT.timestamp(), 1)
    running = registry.start(*ports, "e", **WHO)
    assert (running.value.status, running.version) == ("running", 2)
    over = registry.stop(*ports, "e", winner="B", **WHO)
    assert (over.value.status, over.value.winner) == ("concluded", "B")
    assert over.value.concluded_at == AT.timestamp()
    assert store.get("e") == over
    assert kinds(ledger) == ["created", "started", "stopped"]
    last = ledger.read("experiment:e")[-1].value
    assert (last.by, last.body["definition"]["winner"]) == ("vera", "B")


def test_starting_at_once(ports):
    made = registry.create(*ports, {**DEFINITION, "created_at": 1.5e9}, start=True, **WHO)
    assert (made.value.status, made.value.created_at) == ("running", 1.5e9)
    assert kinds(ports[1]) == ["created", "started"]


def test_stopping_without_a_winner_cancels(ports):
    registry.create(*ports, DEFINITION, start=False, **WHO)
    assert registry.stop(*ports, "e", winner=None, **WHO).value.status == "cancelled"


@pytest.mark.parametrize(
    "extra",
    [{"winner": "A"}, {"concluded_at": 1.0}, {"status": "concluded"}, {"nonsense": 1}, {"traffic_split": 2}],
)
def test_a_broken_definition_writes_nothing(ports, extra):
    with pytest.raises(InvalidExperiment):
        registry.create(*ports, {**DEFINITION, **extra}, start=True, **WHO)
    assert ports[0].list() == []
    assert kinds(ports[1]) == []


def test_an_experiment_is_created_once(ports):
    registry.create(*ports, DEFINITION, start=False, **WHO)
    with pytest.raises(Conflict):
        registry.create(*ports, DEFINITION, start=False, **WHO)
    assert kinds(ports[1]) == ["created"]


def test_what_cannot_happen_is_refused(ports):
    with pytest.raises(ExperimentNotFound):
        registry.start(*ports, "e", **WHO)
    registry.create(*ports, DEFINITION, start=False, **WHO)
    with pytest.raises(InvalidInput, match="never ran"):
        registry.stop(*ports, "e", winner="B", **WHO)
    registry.start(*ports, "e", **WHO)
    with pytest.raises(InvalidInput, match="only a draft"):
        registry.start(*ports, "e", **WHO)
    with pytest.raises(InvalidExperiment, match="arms are A, B"):
        registry.stop(*ports, "e", winner="C", **WHO)
    registry.stop(*ports, "e", winner="A", **WHO)
    with pytest.raises(InvalidInput, match="concluded already"):
        registry.stop(*ports, "e", winner="A", **WHO)
    assert kinds(ports[1]) == ["created", "started", "stopped"]


def test_backdating_only_moves_back(ports, zone):
    registry.create(*ports, DEFINITION, start=True, **WHO)
    same = registry.backdate(*ports, "e", date(2026, 11, 5), zone=zone, **WHO)
    assert same.version == 1
    moved = registry.backdate(*ports, "e", date(2026, 10, 1), zone=zone, **WHO)
    assert datetime.fromtimestamp(moved.value.created_at, zone) == datetime(2026, 10, 1, tzinfo=zone)
    assert kinds(ports[1])[-1] == "backdated"
