from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.experiments.assignment import assign, bucket, prompt_version
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
