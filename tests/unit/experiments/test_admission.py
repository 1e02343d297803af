from __future__ import annotations

import pytest

from kenshin.errors import InvalidObservation
from kenshin.experiments.admission import admit


def test_what_belongs_is_answered_as_it_is(experiment, seen):
    each = seen("o", "s", "B")
    assert admit(each, experiment) is each


@pytest.mark.parametrize(
    ("arm", "rest", "words"),
    [
        ("C", {}, "the arms are A, B"),
        ("A", {"phase": 2}, "phase 1"),
        ("A", {"prompt_version": "v9"}, "arm A has 'v1'"),
    ],
)
def test_what_does_not_belong_is_refused_with_value_reason_and_mend(experiment, seen, arm, rest, words):
    with pytest.raises(InvalidObservation, match=words) as caught:
        admit(seen("o", "s", arm, **rest), experiment)
    assert caught.value.mend


def test_another_experiments_observation_is_refused(experiment, seen):
    with pytest.raises(InvalidObservation, match="other"):
        admit(seen("o", "s"), experiment.changed(experiment_id="other"))


def test_an_earlier_phase_may_have_had_another_prompt(experiment, seen):
    assert admit(seen("o", "s", phase=1, prompt_version="v0"), experiment.changed(phase=2))


def test_sessions_that_take_no_part_are_refused(experiment, seen):
    with pytest.raises(InvalidObservation, match="tester"):
        admit(seen("o", "vera", "B"), experiment.changed(overrides={"vera": "B"}))
    with pytest.raises(InvalidObservation, match="held out"):
        admit(seen("o", "s"), experiment.changed(holdout=0.999999))
    assert admit(seen("o", "s"), experiment.changed(holdout=0.01, overrides={"vera": "B"}))


def test_an_earlier_phase_may_have_held_out_nobody(experiment, seen):
    assert admit(seen("o", "s", phase=1), experiment.changed(phase=2, holdout=0.999999))
