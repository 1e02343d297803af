from __future__ import annotations

import hashlib
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.errors import InvalidExperiment
from kenshin.experiments.assignment import (
    _bound,
    assign,
    assigner,
    assignment,
    bucket,
    decider,
    held_out,
    prompt_version,
    versioner,
)
from kenshin.experiments.experiment import Arm, Experiment

THREE = Experiment(
    "three",
    "v1",
    "v2",
    arms=(Arm("A", "v1", 0.5), Arm("B", "v2", 0.2), Arm("C", "v3", 0.3)),
    created_at=1_794_000_000.0,
)


def poc_group(experiment_id, session_id, split):
    """The rule of the proof of concept, written down again."""
    first_digits = hashlib.sha256(f"{experiment_id}:{session_id}".encode()).hexdigest()[:8]
    return "B" if int(first_digits, 16) / 0xFFFFFFFF < split else "A"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.floats(0, 1))
def test_two_arms_are_those_of_the_proof_of_concept(session, split):
    assert assign(Experiment("exp-1", "a", "b", split), session) == poc_group("exp-1", session, split)


def test_shares_come_true():
    arms = Counter(assign(THREE, f"session-{number}") for number in range(20_000))
    assert arms["A"] == pytest.approx(10_000, abs=300)
    assert arms["B"] == pytest.approx(4_000, abs=250)
    assert arms["C"] == pytest.approx(6_000, abs=250)


@given(st.text())
def test_several_arms_take_consecutive_intervals_and_control_what_remains(session):
    place = bucket("three", session)
    assert 0 <= place <= 1
    assert assign(THREE, session) == ("B" if place < 0.2 else "C" if place < 0.5 else "A")


def test_splits_of_nothing_and_of_all():
    sessions = [str(number) for number in range(200)]
    assert {assign(Experiment("e", "a", "b", 0.0), each) for each in sessions} == {"A"}
    assert {assign(Experiment("e", "a", "b", 1.0), each) for each in sessions} == {"B"}


@pytest.mark.parametrize("status", ["draft", "concluded", "cancelled"])
def test_an_experiment_that_is_not_running_answers_control(status):
    experiment = Experiment("e", "old", "new", 1.0, status=status)
    assert assign(experiment, "s") == "A"
    assert prompt_version(experiment, "s") == "old"


def test_a_concluded_experiment_gives_the_winners_prompt_to_everybody():
    experiment = THREE.changed(status="concluded", winner="C")
    assert {assign(experiment, str(n)) for n in range(50)} == {"A"}
    assert {prompt_version(experiment, str(n)) for n in range(50)} == {"v3"}


def test_the_prompt_is_the_arms():
    assert {assign(THREE, str(n)): prompt_version(THREE, str(n)) for n in range(200)} == {
        "A": "v1",
        "B": "v2",
        "C": "v3",
    }


SHARES = st.floats(0, 1) | st.integers(0, 0xFFFFFFFF).map(lambda number: number / 0xFFFFFFFF)


@given(st.text(), SHARES, SHARES, st.floats(0, 0.9))
def test_the_fast_way_gives_the_same_arms(session, some, more, holdout):
    """For two arms and for three, with testers and a holdout or without, for any text that a session id may be."""
    low, high = sorted((some, more))
    three = (Arm("A", "v1", 1 - high), Arm("B", "v2", low), Arm("C", "v3", high - low))
    plain = Experiment("exp", "v1", "v2", some)
    for experiment in (
        plain,
        plain.changed(arms=three),
        plain.changed(holdout=holdout, overrides={"tester": "B"}),
        plain.changed(arms=three, holdout=holdout, overrides={"tester": "C"}),
        plain.changed(status="draft", overrides={"tester": "B"}),
        plain.changed(status="cancelled"),
        plain.changed(status="concluded", winner="B", arms=three),
    ):
        for each in (session, "tester"):
            assert assigner(experiment)(each) == assign(experiment, each)
            assert versioner(experiment)(each) == prompt_version(experiment, each)
            assert decider(experiment)(each) == assignment(experiment, each)


@given(SHARES | st.floats(1, 1.0000001), st.integers(-3, 3), st.binary(min_size=28, max_size=28))
def test_comparing_bytes_is_dividing(end, offset, rest):
    """Around the end of an interval, where rounding could tell the two apart."""
    number = min(max(int(end * 0xFFFFFFFF) + offset, 0), 0xFFFFFFFF)
    assert (number.to_bytes(4, "big") + rest < _bound(end)) == (number / 0xFFFFFFFF < end)


def test_session_ids_that_are_numbers_are_written_out_as_they_were():
    experiment = Experiment("exp-1", "a", "b", 0.5)
    assert [assigner(experiment)(number) for number in range(50)] == [
        poc_group("exp-1", number, 0.5) for number in range(50)
    ]


@given(st.text(), SHARES, SHARES)
def test_a_split_that_grows_takes_nobody_from_the_candidate(session, some, more):
    low, high = sorted((some, more))
    if assign(Experiment("exp", "a", "b", low), session) == "B":
        assert assign(Experiment("exp", "a", "b", high), session) == "B"


@given(st.text(), st.floats(0, 0.8))
def test_a_last_candidate_that_grows_takes_from_control_alone(session, share):
    before = assign(THREE, session)
    wider = THREE.changed(
        arms=(Arm("A", "v1", 0.8 - share), Arm("B", "v2", 0.2), Arm("C", "v3", share)), status="running"
    )
    if share >= 0.3 and before != "A":
        assert assign(wider, session) == before
    if before == "B":
        assert assign(wider, session) == "B"


def chi_square(table):
    """Pearson's statistic of a table of counts, written down again."""
    rows = [sum(row) for row in table]
    columns = [sum(column) for column in zip(*table, strict=True)]
    total = sum(rows)
    return sum(
        (count - rows[i] * columns[j] / total) ** 2 / (rows[i] * columns[j] / total)
        for i, row in enumerate(table)
        for j, count in enumerate(row)
    )


SESSIONS = [f"session-{number}" for number in range(30_000)]


def test_the_same_sessions_are_held_out_of_every_experiment():
    small = [Experiment(name, "a", "b", 0.5, holdout=0.05) for name in ("one", "two")]
    large = Experiment("three", "a", "b", 0.1, holdout=0.2)
    out = [{each for each in SESSIONS if held_out(experiment, each)} for experiment in (*small, large)]
    assert out[0] == out[1] < out[2]
    assert len(out[0]) == pytest.approx(1_500, abs=150)
    assert len(out[2]) == pytest.approx(6_000, abs=280)
    assert {assign(large, each) for each in out[2]} == {"A"}


@pytest.mark.parametrize("name", ["one", "two", "three", "greeting-tone"])
def test_who_is_held_out_says_nothing_of_the_arm(name):
    """3.84 and 6.63 are the 5 % and 1 % points; these sessions and ids are fixed, so the figures are too."""
    experiment = Experiment(name, "a", "b", 0.5)
    table = [[0, 0], [0, 0]]
    for each in SESSIONS:
        out = held_out(experiment.changed(holdout=0.1), each)
        table[out][assign(experiment, each) == "B"] += 1
    assert chi_square(table) < 6.63


def test_two_experiments_divide_the_sessions_independently():
    table = [[0, 0], [0, 0]]
    one, two = (Experiment(name, "a", "b", 0.5) for name in ("one", "two"))
    for each in SESSIONS:
        table[assign(one, each) == "B"][assign(two, each) == "B"] += 1
    assert chi_square(table) < 6.63


def test_the_independence_test_would_see_a_salt_that_is_shared():
    experiment = Experiment("one", "a", "b", 0.5)
    table = [[0, 0], [0, 0]]
    for each in SESSIONS:
        place = bucket("one", each)
        table[place < 0.1][assign(experiment, each) == "B"] += 1
    assert chi_square(table) > 1000


@pytest.mark.parametrize(
    ("changes", "session", "expected"),
    [
        ({}, "s", ("B", "new", "bucket", True)),
        ({"overrides": {"s": "A"}}, "s", ("A", "old", "override", False)),
        ({"overrides": {"s": "B"}, "holdout": 0.999999}, "s", ("B", "new", "override", False)),
        ({"holdout": 0.999999}, "s", ("A", "old", "holdout", False)),
        ({"status": "draft", "overrides": {"s": "B"}}, "s", ("A", "old", "not running", False)),
        ({"status": "cancelled"}, "s", ("A", "old", "not running", False)),
        ({"status": "concluded", "winner": "B"}, "s", ("A", "new", "concluded", False)),
    ],
)
def test_only_a_session_that_was_assigned_by_its_bucket_takes_part(changes, session, expected):
    found = assignment(Experiment("e", "old", "new", 1.0, phase=3, **changes), session)
    assert (found.arm, found.prompt_version, found.reason, found.exposed) == expected
    assert found.phase == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"overrides": {"s": "C"}},
        {"overrides": {"": "B"}},
        {"overrides": {"s" * 257: "B"}},
        {"overrides": ["s"]},
        {"holdout": 1},
        {"holdout": -0.1},
        {"holdout": True},
        {"holdout": float("nan")},
    ],
)
def test_broken_overrides_and_holdouts_are_refused(changes):
    with pytest.raises(InvalidExperiment):
        Experiment("e", "a", "b", **changes)


def test_a_definition_with_overrides_is_a_value_that_cannot_change():
    given_arms = {"s": "B"}
    experiment = Experiment("e", "a", "b", overrides=given_arms)
    given_arms["t"] = "A"
    assert experiment.overrides == {"s": "B"}
    assert hash(experiment) == hash(Experiment("e", "a", "b", overrides={"s": "B"}))
    with pytest.raises(TypeError):
        experiment.overrides["t"] = "A"
    assert Experiment.from_dict(json.loads(json.dumps(experiment.as_dict()))) == experiment
