from __future__ import annotations

from datetime import date

import pytest

from kenshin.errors import ExperimentNotFound, NotFound
from kenshin.experiments import api, night
from kenshin.experiments.collect import first_day

DEFINITION = {"experiment_id": "exp", "prompt_a_version": "v1", "prompt_b_version": "v2"}


def test_definitions_live_in_the_current_registry(runtime):
    assert api.create_experiment(DEFINITION).value.status == "draft"
    assert api.start_experiment("exp").value.status == "running"
    assert [each.value.experiment_id for each in api.list_experiments()] == ["exp"]
    assert api.stop_experiment("exp", winner="A").version == 3
    assert api.show_experiment("exp").value.winner == "A"
    assert [entry.value.kind for entry in runtime.ledger.read("experiment:exp")] == [
        "created",
        "started",
        "stopped",
    ]


@pytest.mark.parametrize(
    "ask", [api.show_experiment, api.start_experiment, api.stop_experiment, api.latest_report]
)
def test_an_unknown_experiment_is_said_to_be_unknown(runtime, ask):
    with pytest.raises(ExperimentNotFound):
        ask("nobody")


def run_night(runtime, zone, day):
    items = night.plan(runtime.experiments, experiment_id="exp", through_day=day, tasks=1, zone=zone)
    night.collect_shards(runtime.experiments, runtime.observations, runtime.lake, items[0], zone=zone)
    night.reduce_shards(runtime.experiments, runtime.lake, items[0], zone=zone)
    return night.analyse(
        runtime.experiments,
        runtime.ledger,
        runtime.lake,
        runtime.recorder,
        items[0],
        zone=zone,
        at=runtime.clock(),
    )


def test_reports_by_day_and_the_newest(runtime, zone):
    api.create_experiment({**DEFINITION, "created_at": 1794000000.0}, start=True)
    with pytest.raises(NotFound, match="no report yet"):
        api.latest_report("exp")
    for day in (date(2026, 11, 10), date(2026, 11, 9)):
        run_night(runtime, zone, day)
    assert api.latest_report("exp").day == date(2026, 11, 10)
    assert api.report("exp", date(2026, 11, 9)).day == date(2026, 11, 9)
    with pytest.raises(NotFound, match="no report of this day"):
        api.report("exp", date(2026, 11, 8))


def test_imported_history_is_counted_by_the_next_night(runtime, zone, tmp_path):
    """Also where earlier nights have found these days empty, or the experiment did not reach back to them."""
    api.create_experiment({**DEFINITION, "created_at": 1793900000.0}, start=True)
    assert first_day(api.show_experiment("exp").value, zone) == date(2026, 11, 6)
    assert run_night(runtime, zone, date(2026, 11, 14))["sample_a"] == 0
    lines = [f"s{day},A,2026-11-{day:02}T12:00:00+09:00,0.5" for day in range(1, 15)]
    path = tmp_path / "history.csv"
    path.write_text("session_id,arm,observed_at,quality_score\n" + "\n".join(lines))
    result = api.import_observations("exp", path, rejects=tmp_path / "rejects.jsonl")
    assert (result.stored, result.rejected) == (14, 0)
    assert first_day(api.show_experiment("exp").value, zone) == date(2026, 11, 1)
    assert run_night(runtime, zone, date(2026, 11, 14))["sample_a"] == 14
    assert runtime.ledger.read("experiment:exp")[-1].value.kind == "backdated"
