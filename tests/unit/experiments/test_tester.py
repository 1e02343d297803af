"""The proof of concept's class and functions, on the stores, and bound to the current runtime."""

from __future__ import annotations

import pytest

import kenshin
from kenshin.errors import Conflict, ExperimentNotFound, InvalidObservation
from kenshin.experiments import PromptABTester, analyze, assign_group, get_prompt_version, record_observation
from kenshin.experiments import tester as pure


@pytest.fixture
def tester(runtime, zone):
    return pure.PromptABTester(
        runtime.experiments, runtime.observations, runtime.ledger, clock=runtime.clock, zone=zone
    )


def test_the_story_of_the_proof_of_concept(tester, seen, runtime):
    made = tester.create_experiment("exp", "v1", "v2", 0.5)
    assert (made.status, made.created_at) == ("running", runtime.clock().timestamp())
    for number in range(200):
        session = f"s-{number}"
        arm = tester.assign_group("exp", session)
        assert tester.get_prompt_version("exp", session) == {"A": "v1", "B": "v2"}[arm]
        tester.record_observation(seen(str(number), session, arm, day=14, quality_score=(number % 10) / 10))
    found = tester.analyze("exp")
    assert found["sample_a"] + found["sample_b"] == 200
    assert found["recommendation"] == "Not significant — continue experiment or declare tie"


def test_unknown_experiments_and_foreign_observations_are_refused(tester, seen):
    for ask in (lambda: tester.assign_group("no", "s"), lambda: tester.analyze("no")):
        with pytest.raises(ExperimentNotFound) as caught:
            ask()
        assert caught.value.as_dict()["error"] == "Experiment not found"
    with pytest.raises(ExperimentNotFound):
        tester.record_observation(seen("o", "s"))
    tester.create_experiment("exp", "v1", "v2")
    with pytest.raises(InvalidObservation, match="the arms are A, B"):
        tester.record_observation(seen("o", "s", "C"))
    with pytest.raises(InvalidObservation, match="surrogate"):
        tester.record_observation(seen("o", "s", intent="\ud800"))
    with pytest.raises(Conflict):
        tester.create_experiment("exp", "v1", "v2")
    assert tester.analyze("exp")["status"] == "insufficient_data"


def test_recording_again_changes_nothing(tester, seen):
    tester.create_experiment("exp", "v1", "v2")
    for _ in range(3):
        tester.record_observation(seen("o", "s", day=14))
    assert tester.analyze("exp")["sample_a"] == 1


def test_the_public_names_work_on_the_current_runtime(runtime, seen):
    PromptABTester().create_experiment("exp", "v1", "v2", 1.0)
    assert kenshin.assign_group("exp", "s") == assign_group("exp", "s") == "B"
    assert get_prompt_version("exp", "s") == "v2"
    record_observation(seen("o", "s", "B", day=14))
    assert analyze("exp")["sample_b"] == 1
