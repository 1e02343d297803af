from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from contract.experiment_doubles import CrampedObservations, FullObservations
from hypothesis import given, settings
from hypothesis import strategies as st

from kenshin.errors import BackendUnavailable, InvalidInput
from kenshin.experiments.collect import observations_of, to_table
from kenshin.experiments.columns import ColumnMap
from kenshin.experiments.conversion import BadRow, Converter
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.importing import import_file
from kenshin.experiments.observation import SHARDS
from kenshin.experiments.reading import Chunk
from kenshin.experiments.shortcut import Shortcut

AT = datetime(2026, 11, 14, tzinfo=UTC)
NOON = 1793934000.0
"""2026-11-06 12:00 in Tokyo, in seconds since the epoch."""

GOOD = {
    "session_id": "s-1",
    "group": "B",
    "prompt_version": "v2",
    "quality_score": 0.75,
    "latency_ms": 12.5,
    "timestamp": NOON,
    "intent": "faq",
    "metrics.cost": 0.25,
    "covariates.before": 3.0,
}


@pytest.fixture
def load(experiment, zone, tmp_path):
    """Imports a file into a store, by default one that takes 25 at a time."""

    def run(path, store=None, **options):
        return import_file(
            path,
            options.pop("of", experiment),
            CrampedObservations() if store is None else store,
            zone=zone,
            recorded_at=AT,
            rejects=tmp_path / "rejects.jsonl",
            **options,
        )

    return run


@pytest.fixture
def rejects(tmp_path):
    def read():
        path = tmp_path / "rejects.jsonl"
        if not path.exists():
            return None
        return [json.loads(line)["rejected"] for line in path.read_text().splitlines()]

    return read


@pytest.fixture(params=["csv", "jsonl", "parquet"])
def save(request, tmp_path):
    """Writes rows in one of the formats."""

    def write(rows):
        path = tmp_path / f"rows.{request.param}"
        if request.param == "csv":
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
                writer.writeheader()
                writer.writerows(rows)
        elif request.param == "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            names = dict.fromkeys(name for row in rows for name in row)
            pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), path)
        return path

    return write


def everything(store, experiment, day):
    return [each for s in range(SHARDS) for each in observations_of(store, experiment.experiment_id, day, s)]


def test_rows_of_every_format_become_observations(save, load, rejects, experiment, zone):
    store = CrampedObservations()
    told = []
    path = save([GOOD, {**GOOD, "session_id": "s-2", "group": "A", "prompt_version": "v1"}])
    result = load(path, store, progress=lambda done, total: told.append((done, total)))
    assert (result.read, result.stored, result.duplicates, result.rejected) == (2, 2, 0, 0)
    assert result.rejects_path is None
    assert rejects() is None
    assert told == [(2, 2)]
    made = {each.session_id: each for each in everything(store, experiment, result.days[0])}
    one = made["s-1"]
    assert one.observed_at == datetime(2026, 11, 6, 3, tzinfo=UTC)
    assert (one.arm, one.group, one.prompt_version, one.intent) == ("B", "B", "v2", "faq")
    assert (one.quality_score, one.latency_ms) == (0.75, 12.5)
    assert (one.metrics, one.covariates) == ({"cost": 0.25}, {"before": 3.0})
    assert one.recorded_at == AT
    assert made["s-2"].arm == "A"


def test_importing_again_stores_nothing_twice(save, load):
    store = CrampedObservations()
    path = save([{**GOOD, "session_id": f"s-{number}"} for number in range(60)])
    assert load(path, store).stored == 60
    again = load(path, store)
    assert (again.stored, again.duplicates, again.read) == (0, 60, 60)


BAD = [
    ({"quality_score": 1.5}, "quality_score", "a score lies from 0 to 1"),
    ({"quality_score": -0.1}, "quality_score", "a score lies from 0 to 1"),
    ({"latency_ms": -1.0}, "latency_ms", "from 0"),
    ({"group": "C"}, "arm", "the arms are A, B"),
    ({"group": "A"}, "prompt_version", "arm A has 'v1'"),
    ({"prompt_version": "v9"}, "prompt_version", "arm B has 'v2'"),
    ({"experiment_id": "other"}, "experiment_id", "not 'exp'"),
    ({"session_id": "x" * 300}, "session_id", "256"),
    ({"timestamp": NOON * 1000}, "observed_at", "neither seconds|future"),
    ({"timestamp": 12.0}, "observed_at", "days before the experiment's first day"),
    ({"timestamp": NOON + 30 * 86400}, "observed_at", "future"),
    ({"phase": 2.0}, "phase", "phase 1"),
    ({"phase": 1.5}, "phase", "whole number"),
    ({"metrics.cost": float("inf")}, "metrics.cost", "finite"),
]


@pytest.mark.parametrize(("bad", "column", "reason"), BAD, ids=[f"{next(iter(b))}-{c}" for b, c, _ in BAD])
def test_one_bad_row_goes_to_the_reject_file_and_the_rest_is_kept(save, load, rejects, bad, column, reason):
    rows = [{**GOOD, **dict.fromkeys(bad), "session_id": f"s-{number}"} for number in range(40)]
    for row in rows:
        row.update({name: GOOD[name] for name in bad if name in GOOD and name != "session_id"})
    rows[17] = {**rows[17], **bad}
    result = load(save(rows))
    assert (result.read, result.stored, result.rejected) == (40, 39, 1)
    [line] = rejects()
    assert list(line) == ["row", "column", "value", "reason"]
    assert (line["row"], line["column"]) == (18, column)
    assert any(words in line["reason"] for words in reason.split("|")), line


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("0,5", "cells"),
        ("good", "not a number"),
        ('"0.5"x', "not readable as CSV"),
        ("nan", "a score lies from 0 to 1"),
        ("\udcff", "not UTF-8"),
    ],
)
def test_broken_cells_of_csv_are_rejects(load, rejects, tmp_path, cell, reason):
    path = tmp_path / "rows.csv"
    text = f"session_id,group,timestamp,quality_score\ns,A,{NOON},0.5\n\ns,A,{NOON},{cell}\nt,A,{NOON},0.5\n"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    result = load(path)
    assert (result.read, result.stored) == (3, 2)
    [line] = rejects()
    assert line["row"] == 2
    assert reason in line["reason"]


@pytest.mark.parametrize("line", ["{", "[1]", "null", '{"session_id": "s"}', "\x80", '{"a": ' * 5000])
def test_broken_lines_of_json_are_rejects(load, rejects, tmp_path, line):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(f"{json.dumps(GOOD)}\n{line}\n".encode("latin-1"))
    assert load(path).stored == 1
    assert [each["row"] for each in rejects()] == [2]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-11-06T12:00:00", "no time zone"),
        ("yesterday", "neither seconds"),
        ("true", "neither seconds"),
        ("0001-01-01T00:00:00+09:00", "outside the years"),
        ("9999-12-31T23:00:00-09:00", "outside the years"),
        ("9999-12-31T23:00:00Z", "future"),
        ("", "missing"),
    ],
)
def test_instants_that_mean_nothing_are_rejects(load, rejects, tmp_path, text, reason):
    path = tmp_path / "rows.csv"
    path.write_text(
        "session_id,arm,observed_at,quality_score\n"
        f"s,A,{text},0.5\nt,A,2026-11-06T12:00:00+09:00,0.5\nu,A,2026-11-06T03:00:00Z,\n"
    )
    assert load(path).stored == 2
    assert reason in rejects()[0]["reason"]


def test_when_a_row_was_recorded_must_be_an_instant_too(load, rejects, tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{**GOOD, "recorded_at": at} for at in ("0001-01-01T00:00:00+09:00", "2026-11-07T00:00:00+09:00")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert load(path).stored == 1
    assert [(each["row"], each["column"]) for each in rejects()] == [(1, "recorded_at")]


def test_an_export_of_the_lake_can_be_imported_as_it_is(load, seen, experiment, tmp_path):
    made = [
        seen("1", "s", intent="faq", latency_ms=3.0, metrics={"cost": 1.0}, covariates={"before": 2.0}),
        seen("2", "t", "B", quality_score=None),
    ]
    pq.write_table(to_table(made), tmp_path / "export.parquet")
    store = CrampedObservations()
    assert load(tmp_path / "export.parquet", store).rejected == 0
    assert sorted(everything(store, experiment, made[0].day), key=lambda each: each.observation_id) == made


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("rows.xlsx", b"PK", "unknown format '.xlsx'"),
        ("rows.csv", b"", "no row in it can be read"),
        ("rows.csv", b"session_id,arm,quality_score\ns,A,1\n", "observed_at"),
        ("rows.csv", b"session_id,arm,group,timestamp,quality_score\ns,A,A,1,1\n", "same as column arm"),
        ("rows.csv", b"session_id,session_id\ns,s\n", "twice"),
        ("rows.csv", b"session_id,arm,timestamp,quality_score,metrics.a b\ns,A,1,1,1\n", "figure's name"),
        ("rows.jsonl", b'{"session_id": "s"}\n', "arm"),
        ("rows.jsonl", b"{\n[\n", "no row in it can be read"),
        ("rows.parquet", b"PAR1nonsensePAR1", "not readable as Parquet"),
        ("missing.csv", None, "cannot be opened"),
    ],
)
def test_a_file_that_cannot_be_used_writes_nothing(load, rejects, tmp_path, name, content, words):
    store = CrampedObservations()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=words) as caught:
        load(tmp_path / name, store)
    assert name in str(caught.value.value)
    assert caught.value.mend
    assert store.largest_call == 0
    assert rejects() is None


def test_a_file_that_breaks_off_far_inside_writes_nothing(load, rejects, tmp_path):
    """A quotation that never ends swallows the rest of the file."""
    path = tmp_path / "rows.csv"
    lines = [f"s-{number},A,{NOON},0.5" for number in range(20_000)]
    lines[12_000] = f'"s,A,{NOON},0.5'
    path.write_text("session_id,group,timestamp,quality_score\n" + "\n".join(lines))
    store = CrampedObservations()
    with pytest.raises(InvalidInput, match="row 12001") as caught:
        load(path, store)
    assert "line 12002" in caught.value.reason
    assert store.largest_call == 0
    assert rejects() is None


def test_a_truncated_parquet_file_writes_nothing(load, tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({name: [value] * 50_000 for name, value in GOOD.items()}), path)
    whole = bytearray(path.read_bytes())
    whole[40:400] = b"\xff" * 360
    path.write_bytes(whole)
    store = CrampedObservations()
    with pytest.raises(InvalidInput, match="Parquet"):
        load(path, store)
    assert store.largest_call == 0


def test_instants_beyond_python_in_parquet_are_rejects(load, rejects, tmp_path):
    path = tmp_path / "rows.parquet"
    times = pa.array([int(NOON * 1e6), 2**62], pa.timestamp("us", tz="UTC"))
    table = {"session_id": ["s", "t"], "arm": ["A", "A"], "observed_at": times, "quality_score": [0.5, 0.5]}
    pq.write_table(pa.table(table), path)
    assert load(path).stored == 1
    assert [(each["row"], each["column"]) for each in rejects()] == [(2, "observed_at")]


def test_a_row_of_an_earlier_phase_names_its_prompt(load, rejects, experiment, tmp_path):
    """The arm's prompt of today may not be the one that answered then."""
    head = "session_id,arm,observed_at,quality_score,phase,prompt_version\n"
    rows = [
        "s-1,B,1793934000,0.5,1,v0",
        "s-2,B,1793934000,0.5,1,",
        "s-3,B,1793934000,0.5,2,",
        "s-4,B,1793934000,0.5,,",
    ]
    path = tmp_path / "rows.csv"
    path.write_text(head + "\n".join(rows))
    assert load(path, of=experiment.changed(phase=2)).stored == 3
    [refused] = rejects()
    assert (refused["row"], refused["column"]) == (2, "prompt_version")
    assert "phase 1" in refused["reason"]


def test_what_the_store_refuses_is_a_reject_too(load, rejects, tmp_path):
    rows = [GOOD, {**GOOD, "session_id": "big", "intent": "x" * 500_000}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = load(tmp_path / "rows.jsonl")
    assert (result.stored, result.rejected) == (1, 1)
    assert [(each["row"], each["reason"]) for each in rejects()] == [(2, "larger than 400 KB")]


def test_a_store_without_room_is_said_to_have_none(load, rejects, save):
    with pytest.raises(BackendUnavailable, match="no room"):
        load(save([GOOD, {**GOOD, "quality_score": 7.0}]), FullObservations())
    assert rejects() is None


def test_no_temporary_file_is_left(load, save, tmp_path):
    load(save([GOOD, {**GOOD, "quality_score": 7.0}]))
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]


def test_columns_that_mean_nothing_are_named(load, save):
    assert load(save([{**GOOD, "colour": "red", "day": "2026-11-06"}])).ignored_columns == ("colour",)


def test_any_number_of_figures_may_be_in_lines_of_json(load, experiment, tmp_path):
    path = tmp_path / "rows.jsonl"
    figures = [{f"metrics.m{first + n}": float(n) for n in range(300)} for first in range(0, 1500, 300)]
    rows = [{**GOOD, "session_id": f"s-{n}", **each} for n, each in enumerate([*figures, *figures])]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    store = CrampedObservations()
    made = everything(store, experiment, load(path, store).days[0])
    assert len(made) == 10
    for each in made:
        row = rows[int(each.session_id[2:])]
        assert each.metrics == {name[8:]: value for name, value in row.items() if name.startswith("metrics.")}


def test_days_are_told(load, save):
    result = load(save([{**GOOD, "timestamp": NOON + 86400 * day} for day in (3, 0, 3)]))
    assert [str(day) for day in result.days] == ["2026-11-06", "2026-11-09"]
    assert result.days[1] - result.days[0] == timedelta(days=3)


FOREIGN = {
    "ts": NOON,
    "user": "s-1",
    "variant": "control",
    "rating": "good",
    "usd": 0.25,
    "arm": "x",
    "phase": 9,
}
MAPPED = ColumnMap(
    {"observed_at": "ts", "session_id": "user", "arm": "variant", "quality_score": "rating", "phase": ""}
    | {"metrics.cost": "usd"},
    {"arm": {"control": "A", "test": "B"}, "quality_score": {"good": 1, "bad": 0}},
)


def test_another_tools_file_is_read_by_a_map(save, load, rejects, experiment):
    rows = [FOREIGN, {**FOREIGN, "variant": "test", "rating": "bad"}, {**FOREIGN, "variant": "third"}]
    store = CrampedObservations()
    result = load(save(rows), store, columns=MAPPED)
    assert (result.stored, result.rejected, result.ignored_columns) == (2, 1, ("arm", "phase"))
    made = everything(store, experiment, result.days[0])
    assert {(each.arm, each.quality_score, each.metrics["cost"]) for each in made} == {
        ("A", 1, 0.25),
        ("B", 0, 0.25),
    }
    [line] = rejects()
    assert (line["row"], line["column"], line["value"]) == (3, "arm", "third")


def test_a_mapped_column_that_is_not_there_is_refused_before_anything_is_written(save, load):
    store = CrampedObservations()
    with pytest.raises(InvalidInput, match="'arm' is mapped to is missing") as caught:
        load(
            save([{name: cell for name, cell in FOREIGN.items() if name != "variant"}]), store, columns=MAPPED
        )
    assert "ts" in caught.value.mend
    assert store.largest_call == 0


SPOILT = [
    ({"quality_score": "1.7"}, "quality_score", "a score lies from 0 to 1"),
    ({"quality_score": "good"}, "quality_score", "not a number"),
    ({"arm": "C"}, "arm", "the arms are A, B"),
    ({"observed_at": "2027-01-01T00:00:00Z"}, "observed_at", "lies in the future"),
    ({"observed_at": ""}, "observed_at", "it is missing"),
    ({"latency_ms": "-1"}, "latency_ms", "a finite number of milliseconds from 0"),
    ({"session_id": "x" * 257}, "session_id", "needs 1 to 256 characters"),
]


def spoil(path, count):
    """A CSV file in which every hundredth row is bad; answers for each such row the column and the reason."""
    expected = {}
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["session_id", "arm", "observed_at", "quality_score", "latency_ms"])
        writer.writeheader()
        for number in range(1, count + 1):
            row = {
                "session_id": f"s-{number}",
                "arm": "AB"[number % 2],
                "observed_at": "2026-11-06T12:00:00+09:00",
                "quality_score": "0.5",
                "latency_ms": "12.5",
            }
            if (number * 37) % 100 == 0:
                bad, *why = SPOILT[len(expected) % len(SPOILT)]
                row.update(bad)
                expected[number] = why
            writer.writerow(row)
    return expected


@pytest.mark.parametrize("count", [10_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_the_reject_file_has_exactly_the_bad_rows_with_reasons(runtime, experiment, zone, tmp_path, count):
    expected = spoil(tmp_path / "rows.csv", count)
    result = import_file(
        tmp_path / "rows.csv",
        experiment,
        runtime.observations,
        zone=zone,
        recorded_at=AT,
        rejects=tmp_path / "rejects.jsonl",
    )
    assert (result.read, result.stored, result.rejected) == (count, count * 99 // 100, count // 100)
    assert len(expected) == count // 100
    lines = [json.loads(line)["rejected"] for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [line["row"] for line in lines] == list(expected)
    for line in lines:
        column, reason = expected[line["row"]]
        assert line["column"] == column
        assert reason in line["reason"]


def test_a_mended_reject_file_can_be_imported_as_it_is(save, load, rejects, experiment, tmp_path):
    rows = [{**GOOD, "session_id": f"s-{number}", "quality_score": 0.5 + number} for number in range(2)]
    store = CrampedObservations()
    result = load(save(rows), store)
    assert (result.stored, result.reasons) == (1, {"quality_score: a score lies from 0 to 1": 1})
    [line] = [json.loads(text) for text in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert line["session_id"] == "s-1"
    (tmp_path / "mended.jsonl").write_text(json.dumps({**line, "quality_score": 0.25}))
    again = load(tmp_path / "mended.jsonl", store)
    assert (again.stored, again.rejected, again.ignored_columns) == (1, 0, ())
    made = {each.session_id: each for each in everything(store, experiment, result.days[0])}
    assert (made["s-1"].quality_score, made["s-1"].metrics) == (0.25, {"cost": 0.25})


def test_a_row_that_cannot_be_read_is_kept_as_text(load, rejects, tmp_path):
    (tmp_path / "rows.csv").write_text(
        f'session_id,arm,timestamp,quality_score\ns,A,{NOON},0,5\nt,A,{NOON},"1"x\nu,A,{NOON},1\n'
    )
    load(tmp_path / "rows.csv")
    assert [each["text"] for each in rejects()] == [f"s,A,{NOON},0,5", f't,A,{NOON},"1"x']


CELLS = {
    "session_id": ["s-1", "s-2", 7, "", None, "x" * 257, "tester", True, "é"],
    "arm": ["A", "B", "C", "", None],
    "observed_at": [
        NOON,
        str(NOON),
        "2026-11-06T12:00:00+09:00",
        "2026-11-06T12:00:00",
        "2027-01-01T00:00:00Z",
        "",
        None,
        True,
    ],
    "quality_score": [0, 0.5, "0.5", "1.5", "good", None, "", float("nan"), True],
    "latency_ms": [12.5, "12", -1, None, 10**400],
    "phase": [1, 2, "2", 1.5, 0, 3, None, ""],
    "prompt_version": ["v1", "v2", "v0", None, ""],
    "intent": ["faq", "", None, 3],
    "observation_id": ["o-1", "o-2", None, ""],
    "experiment_id": ["exp", "other", None],
    "recorded_at": ["2026-11-07T00:00:00Z", "2026-11-07T00:00:00", None],
    "metrics": [{"cost": 1.0}, '{"cost": 2, "tokens": null}', "x", "", None, {"a b": 1}],
    "metrics.cost": [1, "0.25", "inf", None, "x"],
    "covariates.before": [3.0, None, "nan"],
}
ROWS = st.lists(
    st.fixed_dictionaries({}, optional={name: st.sampled_from(cells) for name, cells in CELLS.items()}),
    min_size=1,
    max_size=30,
)


@given(rows=ROWS, mapped=st.booleans())
@settings(max_examples=200, deadline=None)
def test_the_short_way_and_the_row_by_row_way_agree(rows, mapped):
    """What the shortcut makes is what `Converter` makes of the row; what it doubts it leaves alone."""
    zone = ZoneInfo("Asia/Tokyo")
    experiment = Experiment(
        "exp",
        "v1",
        "v2",
        created_at=NOON,
        phase=2,
        overrides={"tester": "A"},
        unit="session",
        left_out="nothing",
    )
    columns = ColumnMap(values={"arm": {"C": "B"}, "quality_score": {"good": 1}} if mapped else {})
    names = list(dict.fromkeys(name for row in rows for name in row))
    chunk = Chunk(
        range(1, len(rows) + 1), {name: [row.get(name) for row in rows] for name in names}, (), rows
    )
    of_rows, of_columns = (
        Converter(experiment, zone=zone, recorded_at=AT, columns=columns) for _ in range(2)
    )
    for index, quick in enumerate(Shortcut(of_columns).observations(chunk)):
        try:
            slow = of_rows.observation(chunk.row(index))
        except BadRow:
            slow = None
        if quick is not None:
            assert quick == slow


def test_plain_rows_take_the_short_way(experiment, zone):
    columns = {name: [cell] * 50 for name, cell in GOOD.items()}
    made = Shortcut(Converter(experiment, zone=zone, recorded_at=AT)).observations(
        Chunk(range(1, 51), columns)
    )
    assert None not in made
