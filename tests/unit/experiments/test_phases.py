"""Phases: an experiment whose prompt or split changes while it runs, from assignment to the night."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kenshin.experiments import api, night
from kenshin.experiments.collect import observations_of
from kenshin.experiments.observation import SHARDS, observation
from kenshin.experiments.sufficient import ALL_SEGMENTS, OBSERVATIONS, Cell, of_observations

SESSIONS = [f"s{number}" for number in range(60)]


@pytest.fixture
def started(runtime):
    api.prime(10)
    at = runtime.clock() - timedelta(days=1)
    definition = {"experiment_id": "exp", "prompt_a_version": "v1", "prompt_b_version": "v2"}
    return api.create_experiment({**definition, "created_at": at.timestamp()}, start=True)


def scored(runtime, zone, session_id, assigned, name):
    at = runtime.clock()
    return observation(
        observation_id=f"{name}-{session_id}",
        experiment_id="exp",
        session_id=session_id,
        arm=assigned.arm,
        prompt_version=assigned.prompt_version,
        phase=assigned.phase,
        observed_at=at,
        recorded_at=at,
        zone=zone,
        quality_score=0.5,
    )


def test_each_phase_is_counted_with_the_prompt_that_it_had(runtime, zone, started):
    before = {each: api.get_assignment("exp", each) for each in SESSIONS}
    for each in SESSIONS[:40]:
        api.record_observation(scored(runtime, zone, each, before[each], "first"))
    changed = api.change_experiment("exp", {"prompt_b_version": "v3", "traffic_split": 0.8}).value
    after = {each: api.get_assignment("exp", each) for each in SESSIONS}
    for each in SESSIONS:
        api.record_observation(scored(runtime, zone, each, after[each], "second"))
    for each in SESSIONS[40:]:
        api.record_observation(scored(runtime, zone, each, before[each], "late"))
    assert api.flush_observations(30) == 0

    assert {(each.phase, each.prompt_version) for each in before.values()} == {(1, "v1"), (1, "v2")}
    assert {(each.phase, each.prompt_version) for each in after.values()} == {(2, "v1"), (2, "v3")}
    assert [each for each in SESSIONS if (before[each].arm, after[each].arm) == ("B", "A")] == []
    day = runtime.clock().astimezone(zone).date()
    found = of_observations(
        each for shard in range(SHARDS) for each in observations_of(runtime.observations, "exp", day, shard)
    )
    assert found.phases() == (1, 2)
    for phase, assigned in ((1, before), (2, after)):
        for arm in changed.arm_names():
            counted = found.cells[Cell(arm, phase, ALL_SEGMENTS, OBSERVATIONS)].n
            assert counted == [each.arm for each in assigned.values()].count(arm)
    assert found.crossing_sessions == sum(before[each].arm != after[each].arm for each in SESSIONS) > 0

    [item] = night.plan(runtime.experiments, experiment_id="exp", through_day=day, tasks=1, zone=zone)
    night.collect_shards(runtime.experiments, runtime.observations, runtime.lake, item, zone=zone)
    night.reduce_shards(runtime.experiments, runtime.lake, item, zone=zone)
    told = night.analyse(
        runtime.experiments,
        runtime.ledger,
        runtime.lake,
        runtime.recorder,
        item,
        zone=zone,
        at=runtime.clock(),
    )
    assert told["sample_a"] + told["sample_b"] == 120


def test_the_phase_in_force_has_one_prompt_an_arm(runtime, zone, started):
    before = api.get_assignment("exp", "s0")
    api.change_experiment("exp", {f"prompt_{before.arm.lower()}_version": "v9"})
    api.record_observation(scored(runtime, zone, "s0", before, "late"))
    api.record_observation(
        scored(runtime, zone, "s0", type(before)(before.arm, before.prompt_version, 2, "bucket"), "x")
    )
    api.record_observation(scored(runtime, zone, "s0", type(before)(before.arm, "v9", 3, "bucket"), "y"))
    api.flush_observations(30)
    stats = api.observation_stats()
    assert (stats.stored, sum(stats.rejected.values())) == (1, 2)
    assert any("v9" in reason for reason in stats.rejected)
    assert any("phase 2" in reason for reason in stats.rejected)
