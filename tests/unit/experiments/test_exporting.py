from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pyarrow.parquet as pq
import pytest
from contract.experiment_doubles import CrampedObservations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kenshin.errors import InvalidInput, NotFound
from kenshin.experiments import api, exporting, writing
from kenshin.experiments.aggregate import reduce
from kenshin.experiments.collect import collect, observations_of
from kenshin.experiments.columns import ColumnMap
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.exporting import Export
from kenshin.experiments.importing import import_file
from kenshin.experiments.observation import SHARDS

FIRST = date(2026, 11, 1)
LAST = date(2026, 11, 3)
ENDINGS = ["csv", "jsonl", "parquet"]
OTHER = ColumnMap({"experiment_id": ""})
"""Whose observations they were is left out."""


def observations(seen):
    """Every field in every state, and texts that a format might trip over."""
    nasty = ['a,"b"\n\r\nc', " s ", "セッション１", "'=1+1", "null", "0012", "\u2028", "x" * 256]
    made = [seen(f"n-{number}", session, intent=session) for number, session in enumerate(nasty)]
    made += [
        seen("f-1", "s", "B", day=1, quality_score=None, latency_ms=0.1 + 0.2, trace_id="t"),
        seen("f-2", "s", "B", day=1, quality_score=1e-300, metrics={"cost": 1 / 3, "b.c": -0.0}),
        seen("f-3", "t", day=2, quality_score=1.0, covariates={"before": 1e300}, latency_ms=0.0),
    ]
    return made + [seen(f"m-{number}", f"s-{number % 7}", "AB"[number % 2], day=2) for number in range(60)]


def everything(store, name="exp"):
    return [
        each
        for day in (FIRST, FIRST + timedelta(days=1), LAST)
        for shard in range(SHARDS)
        for each in observations_of(store, name, day, shard)
    ]


def put(store, batch):
    while batch:
        batch = store.write(batch).unprocessed
    return store


@pytest.fixture
def store(seen):
    return put(CrampedObservations(), observations(seen))


@pytest.fixture
def export(store, runtime, experiment):
    def make(of=store, first=FIRST, last=LAST, **rest):
        return Export(experiment, of, runtime.lake, first, last, **rest)

    return make


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_exported_and_imported_under_another_experiment_is_the_same(
    export, store, experiment, zone, tmp_path, ending
):
    path = tmp_path / f"export.{ending}"
    told = []
    result = export().to_file(path, progress=lambda done, total: told.append((done, total)))
    assert result.rows == len(everything(store)) == 71
    assert told[-1] == (48, 48)
    assert all(before < after for before, after in pairwise(told))
    again = CrampedObservations()
    other = Experiment("other", "v1", "v2", created_at=experiment.created_at)
    imported = import_file(
        path,
        other,
        again,
        zone=zone,
        recorded_at=datetime(2026, 11, 20, tzinfo=UTC),
        rejects=tmp_path / "rejects.jsonl",
        columns=OTHER,
    )
    assert (imported.stored, imported.rejected) == (71, 0)
    assert imported.ignored_columns == ("experiment_id",)
    without = [
        [
            {name: value for name, value in fields(each).items() if name != "experiment_id"}
            for each in everything(there, name)
        ]
        for there, name in ((store, "exp"), (again, "other"))
    ]
    assert without[0] == without[1]


def rows_of(path):
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.open()]
    return pq.read_table(path).to_pylist()


def fields(each):
    return {name: getattr(each, name) for name in each.__slots__}


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_export_of_the_same_rows_is_the_same_bytes(export, store, seen, tmp_path, ending):
    shuffled = put(CrampedObservations(), observations(seen)[::-1])
    export().to_file(tmp_path / f"one.{ending}")
    export(of=shuffled).to_file(tmp_path / f"two.{ending}")
    assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"two.{ending}").read_bytes()


@pytest.mark.parametrize("batch", [1, 3])
def test_no_table_is_larger_than_a_batch(export, monkeypatch, batch):
    whole = export().to_pandas()
    monkeypatch.setattr(exporting, "BATCH_ROWS", batch)
    assert max(table.num_rows for table in export().tables()) == batch
    pd.testing.assert_frame_equal(export().to_pandas(), whole)


def test_days_are_kept_to(export):
    assert set(export(last=FIRST).to_pandas()["day"]) == {FIRST}
    assert len(export(first=LAST).to_pandas()) == 61
    with pytest.raises(InvalidInput, match="before the first"):
        export(first=LAST, last=FIRST)


@pytest.mark.parametrize("ending", ENDINGS)
def test_days_without_observations_give_a_file_without_rows(export, tmp_path, ending):
    path = tmp_path / f"none.{ending}"
    assert export(of=CrampedObservations()).to_file(path).rows == 0
    assert rows_of(path) == []
    assert list(export(of=CrampedObservations()).to_pandas().columns)[:2] == [
        "observation_id",
        "experiment_id",
    ]


def test_a_data_frame_has_a_column_for_each_figure(export):
    frame = export().to_pandas().set_index("observation_id")
    assert frame.loc["f-2", "metrics.cost"] == 1 / 3
    assert frame.loc["f-3", "covariates.before"] == 1e300
    assert frame["metrics.cost"].count() == 1
    assert str(frame["metrics.b.c"].dtype) == "float64"
    assert frame.loc["f-1", "observed_at"] == pd.Timestamp("2026-11-02T12:00:00+09:00")
    assert not {"metrics", "covariates"} & set(frame.columns)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
FIGURE = st.floats(allow_nan=False, allow_infinity=False)
FIGURES = st.dictionaries(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True), FIGURE, max_size=3
)
ROWS = st.lists(
    st.tuples(TEXT, st.none() | TEXT, st.none() | TEXT, st.none() | st.floats(0, 1), FIGURES, FIGURES),
    max_size=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(ROWS, st.sampled_from(ENDINGS))
def test_any_observation_comes_back_from_a_file(seen, runtime, experiment, zone, tmp_path, rows, ending):
    made = [
        seen(f"o-{number}", session, intent=intent, trace_id=trace, quality_score=score)
        for number, (session, intent, trace, score, _, _) in enumerate(rows)
    ]
    made = [
        replace(each, metrics=safe(metrics), covariates=safe(covariates))
        for each, (*_, metrics, covariates) in zip(made, rows, strict=True)
    ]
    path = tmp_path / f"any.{ending}"
    Export(experiment, put(CrampedObservations(), made), runtime.lake, FIRST, FIRST).to_file(path)
    if not made:
        return
    again = CrampedObservations()
    at, rejects = datetime(2026, 11, 20, tzinfo=UTC), tmp_path / "rejects.jsonl"
    import_file(path, experiment, again, zone=zone, recorded_at=at, rejects=rejects)
    assert sorted(everything(again), key=lambda each: each.observation_id) == made


def safe(figures):
    return {name: value for name, value in figures.items() if ".." not in name}


def test_small_tables_are_gathered_to_row_groups(export, tmp_path, monkeypatch):
    export().to_file(tmp_path / "one.parquet")
    monkeypatch.setattr(writing, "GROUP_ROWS", 10)
    export().to_file(tmp_path / "many.parquet")
    assert pq.read_metadata(tmp_path / "one.parquet").num_row_groups == 1
    assert 1 < pq.read_metadata(tmp_path / "many.parquet").num_row_groups <= 7
    assert rows_of(tmp_path / "many.parquet") == rows_of(tmp_path / "one.parquet")


class Breaks(CrampedObservations):
    """Has a first day, and fails on the second."""

    def read(self, experiment_id, day, shard, *, page=None):
        if day > FIRST:
            raise RuntimeError("gone")
        return super().read(experiment_id, day, shard, page=page)


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_export_that_breaks_off_leaves_what_was_there(export, seen, tmp_path, ending):
    path = tmp_path / f"export.{ending}"
    path.write_text("before")
    with pytest.raises(RuntimeError):
        export(of=put(Breaks(), observations(seen))).to_file(path)
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir() if "export" in each.name] == [path.name]


def test_a_place_that_cannot_be_written_and_an_unknown_format_are_refused(export, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot be written"):
        export().to_file(tmp_path / "file" / "export.csv")
    with pytest.raises(InvalidInput, match=r"\.csv, \.jsonl, \.parquet"):
        export().to_file(tmp_path / "export.xlsx")


@pytest.mark.parametrize("ending", ENDINGS)
def test_sessions_are_what_the_nights_counted(runtime, seen, zone, tmp_path, ending):
    definition = {"experiment_id": "exp", "prompt_a_version": "v1", "prompt_b_version": "v2"}
    api.create_experiment(
        {**definition, "created_at": datetime(2026, 11, 1, tzinfo=UTC).timestamp()}, start=True
    )
    batch = observations(seen)
    put(runtime.observations, batch)
    export = api.export_observations("exp", last_day=LAST, what="sessions")
    with pytest.raises(NotFound, match="no night"):
        export.to_file(tmp_path / f"sessions.{ending}")
    assert list(tmp_path.glob("sessions*")) == []
    for shard in range(SHARDS):
        collect(
            runtime.observations, runtime.lake, export.experiment, shard=shard, through_day=LAST, zone=zone
        )
        reduce(runtime.lake, export.experiment, shard=shard, through_day=LAST, zone=zone)
    result = export.to_file(tmp_path / f"sessions.{ending}")
    rows = rows_of(tmp_path / f"sessions.{ending}")
    assert result.rows == len(rows)
    counted = [row for row in rows if row["metric"] == "observations"]
    assert sum(int(row["n"]) for row in counted) == len(batch)
    assert {row["session_id"] for row in counted} == {each.session_id for each in batch}
    scores = [float(row["sum"]) for row in rows if row["metric"] == "quality_score"]
    assert sum(scores) == pytest.approx(sum(each.quality_score or 0 for each in batch))
    assert {str(row["day"]) for row in rows} == {"2026-11-01", "2026-11-02", "2026-11-03"}
    assert len(export.to_pandas()) == len(rows)


def test_the_days_are_the_experiments_unless_given(runtime):
    definition = {"experiment_id": "exp", "prompt_a_version": "v1", "prompt_b_version": "v2"}
    api.create_experiment(
        {**definition, "created_at": datetime(2026, 11, 1, tzinfo=UTC).timestamp()}, start=True
    )
    export = api.export_observations("exp")
    assert (export.first_day, export.last_day) == (FIRST, date(2026, 11, 15))
