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


@pytest.fixture
def running(ports):
    return registry.create(*ports, {**DEFINITION, "traffic_split": 0.1}, start=True, **WHO)


@pytest.mark.parametrize(
    "changes",
    [
        {"traffic_split": 0.5},
        {"prompt_a_version": "v0"},
        {"prompt_b_version": "v3"},
        {"holdout": 0.1},
        {
            "arms": [
                {"name": "A", "prompt_version": "v1", "share": 0.8},
                {"name": "B", "prompt_version": "v2", "share": 0.1},
                {"name": "C", "prompt_version": "v3", "share": 0.1},
            ]
        },
    ],
)
def test_another_split_prompt_or_holdout_opens_a_phase(ports, running, changes):
    changed = registry.change(*ports, "e", changes, **WHO)
    assert (changed.value.phase, changed.version) == (2, 2)
    assert ports[0].get("e") == changed
    assert {name: changed.value.as_dict()[name] for name in changes if name != "arms"} == {
        name: value for name, value in changes.items() if name != "arms"
    }
    last = ports[1].read("experiment:e")[-1].value
    assert (last.kind, last.body["definition"]["phase"]) == ("phase_opened", 2)
    assert registry.change(*ports, "e", changes, **WHO) == changed
    assert kinds(ports[1]) == ["created", "started", "phase_opened"]


def test_what_compares_nothing_else_opens_no_phase(ports, running):
    changed = registry.change(*ports, "e", {"overrides": {"vera": "B"}, "description": "why"}, **WHO)
    assert (changed.value.phase, changed.value.overrides["vera"]) == (1, "B")
    assert kinds(ports[1])[-1] == "changed"


def test_a_draft_is_changed_within_its_first_phase(ports):
    registry.create(*ports, DEFINITION, start=False, **WHO)
    assert registry.change(*ports, "e", {"traffic_split": 0.2}, **WHO).value.phase == 1


def test_a_prompt_of_an_experiment_with_arms_is_its_arms_too(ports):
    arms = [
        {"name": "A", "prompt_version": "v1", "share": 0.6},
        {"name": "B", "prompt_version": "v2", "share": 0.2},
        {"name": "C", "prompt_version": "v3", "share": 0.2},
    ]
    registry.create(*ports, {**DEFINITION, "arms": arms}, start=True, **WHO)
    changed = registry.change(*ports, "e", {"prompt_b_version": "v9"}, **WHO).value
    assert [arm.prompt_version for arm in changed.all_arms()] == ["v1", "v9", "v3"]
    assert changed.phase == 2
    with pytest.raises(InvalidInput, match="shares replace it"):
        registry.change(*ports, "e", {"traffic_split": 0.2}, **WHO)
    with pytest.raises(InvalidExperiment, match="taken away"):
        registry.change(
            *ports, "e", {"arms": [*arms[:1], {**arms[2], "share": 0.4}]} | {"prompt_b_version": "v3"}, **WHO
        )
    assert ports[0].get("e").version == 2


def test_what_may_not_change_does_not(ports, running):
    for changes in (
        {"status": "draft"},
        {"winner": "B"},
        {"phase": 7},
        {"created_at": 1_794_000_000.0},
        {"colour": 1},
    ):
        with pytest.raises(InvalidInput, match="cannot be changed"):
            registry.change(*ports, "e", changes, **WHO)
    with pytest.raises(InvalidExperiment):
        registry.change(*ports, "e", {"traffic_split": 2}, **WHO)
    with pytest.raises(ExperimentNotFound):
        registry.change(*ports, "nobody", {"traffic_split": 0.2}, **WHO)
    registry.stop(*ports, "e", winner="B", **WHO)
    with pytest.raises(InvalidInput, match="it is concluded"):
        registry.change(*ports, "e", {"traffic_split": 0.2}, **WHO)
    assert kinds(ports[1]) == ["created", "started", "stopped"]
