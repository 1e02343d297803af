from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest


def csv_of(rows):
    names = [
        "observation_id",
        "session_id",
        "arm",
        "prompt_version",
        "observed_at",
        "quality_score",
        "latency_ms",
    ]
    lines = [",".join(names)] + [",".join(str(row[name]) for name in names) for row in rows]
    return "\n".join(lines) + "\n"


def rows(count):
    return [
        {
            "observation_id": f"o{number}",
            "session_id": f"s{number % 40}",
            "arm": "A" if number % 2 else "B",
            "prompt_version": "v1" if number % 2 else "v2",
            "observed_at": datetime.now(UTC).isoformat(),
            "quality_score": 0.5,
            "latency_ms": 800,
        }
        for number in range(count)
    ]


def test_a_draft_is_created_started_and_stopped(kenshin):
    made = kenshin("experiments", "create", "greeting", "--a", "v1", "--b", "v2", "--json")
    assert made.code == 0
    assert made.json["status"] == "draft"
    assert kenshin("experiments", "start", "greeting", "--json").json["status"] == "running"
    listed = kenshin("experiments", "list", "--json").json
    assert [(row["experiment_id"], row["status"]) for row in listed] == [("greeting", "running")]
    stopped = kenshin("experiments", "stop", "greeting", "--winner", "B", "--json").json
    assert (stopped["status"], stopped["winner"]) == ("concluded", "B")


def test_a_change_of_the_split_opens_a_phase_and_says_so(kenshin):
    kenshin("experiments", "create", "greeting", "--a", "v1", "--b", "v2", "--start")
    answer = kenshin("experiments", "change", "greeting", "--split", "0.2", "--b", "v3")
    assert answer.code == 0
    assert "Phase 2 is open" in answer.err.replace("\n", " ")
    changed = kenshin("experiments", "change", "greeting", "--override", "s=17=B", "--json").json
    assert (changed["phase"], changed["traffic_split"], changed["prompt_b_version"]) == (2, 0.2, "v3")
    assert changed["overrides"] == {"s=17": "B"}
    assert (
        kenshin("experiments", "change", "greeting", "--override", "s=17=", "--json").json["overrides"] == {}
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [([], "no change"), (["--split", "2"], "traffic_split"), (["--override", "s"], "SESSION=ARM")],
)
def test_a_change_that_cannot_be_is_refused(kenshin, options, said):
    kenshin("experiments", "create", "greeting", "--a", "v1", "--b", "v2", "--start")
    answer = kenshin("experiments", "change", "greeting", *options)
    assert answer.code == 2
    assert said in answer.err.replace("\n", "")


def test_stopping_without_winner_cancels(kenshin):
    kenshin("experiments", "create", "greeting", "--a", "v1", "--b", "v2", "--start")
    assert kenshin("experiments", "stop", "greeting", "--cancel", "--json").json["status"] == "cancelled"
    assert kenshin("experiments", "stop", "greeting").code == 2


def test_a_definition_may_come_from_a_file(kenshin, tmp_path):
    path = tmp_path / "definition.json"
    path.write_text(json.dumps({"experiment_id": "x", "prompt_a_version": "1", "prompt_b_version": "2"}))
    assert kenshin("experiments", "create", "--file", path, "--start", "--json").json["status"] == "running"


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ('{"experiment_id": "../x", "prompt_a_version": "1", "prompt_b_version": "2"}', "../x"),
        ('{"experiment_id": "x", "prompt_a_version": "1"}', "prompt_b_version"),
        (
            '{"experiment_id": "x", "prompt_a_version": "1", "prompt_b_version": "2", "traffic_split": 1.5}',
            "traffic_split",
        ),
        ('{"experiment_id": "x", "prompt_a_version": "1", "prompt_b_version": "2", "colour": 1}', "colour"),
        ("[]", "no JSON object"),
        ("{", "not readable as JSON"),
    ],
)
def test_a_broken_definition_is_refused_and_leaves_nothing(kenshin, tmp_path, definition, said):
    path = tmp_path / "definition.json"
    path.write_text(definition)
    answer = kenshin("experiments", "create", "--file", path)
    assert answer.code == 2
    assert said in answer.err.replace("\n", "")
    assert "mend:" in answer.err
    assert kenshin("experiments", "list", "--json").json == []


def test_an_unknown_experiment_says_so_as_text_and_as_json(kenshin):
    answer = kenshin("experiments", "show", "nobody")
    assert answer.code == 2
    assert "Experiment not found" in answer.err
    assert kenshin("experiments", "show", "nobody", "--json").json["error"] == "Experiment not found"


def test_an_import_keeps_the_good_rows_and_explains_the_bad_ones(kenshin, tmp_path):
    kenshin("experiments", "create", "greeting", "--a", "v1", "--b", "v2", "--start")
    good = rows(200)
    good[7]["quality_score"] = 1.7
    good[11]["arm"] = "C"
    path = tmp_path / "day.csv"
    path.write_text(csv_of(good))
    answer = kenshin("experiments", "import", "greeting", path, "--json")
    assert answer.code == 0
    assert (answer.json["read"], answer.json["stored"], answer.json["rejected"]) == (200, 198, 2)
    rejected = [json.loads(line) for line in (tmp_path / "day.csv.rejects.jsonl").read_text().splitlines()]
    assert {entry["rejected"]["row"] for entry in rejected} == {8, 12}
    assert all(entry["rejected"]["reason"] for entry in rejected)
    again = kenshin("experiments", "import", "greeting", path, "--json").json
    assert (again["stored"], again["already_there"]) == (0, 198)


def test_another_tools_file_is_imported_by_a_map(kenshin, tmp_path):
    kenshin("experiments", "create", "greeting", "--a", "v1", "--b", "v2", "--start")
    path = tmp_path / "other.csv"
    now = datetime.now(UTC).isoformat()
    path.write_text(f"ts,user,variant,stars,colour\n{now},s-1,control,good,red\n{now},s-2,test,bad,red\n")
    body = {"columns": {"quality_score": "stars"}, "values": {"quality_score": {"good": 1, "bad": 0}}}
    (tmp_path / "map.json").write_text(json.dumps(body))
    options = ["--map", "observed_at=ts", "--map", "session_id=user", "--map", "arm=variant"]
    options += ["--value", "arm.control=A", "--value", "arm.test=B", "--map-file", tmp_path / "map.json"]
    answer = kenshin("experiments", "import", "greeting", path, *options, "--json")
    assert answer.code == 0, answer.err
    assert (answer.json["stored"], answer.json["rejected"]) == (2, 0)
    assert answer.json["ignored_columns"] == ["colour"]
    assert "colour" in kenshin("experiments", "import", "greeting", path, *options).out


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_an_export_can_be_imported_under_another_experiment(kenshin, tmp_path, ending):
    for name in ("greeting", "farewell"):
        kenshin("experiments", "create", name, "--a", "v1", "--b", "v2", "--start")
    (tmp_path / "day.csv").write_text(csv_of(rows(100)))
    kenshin("experiments", "import", "greeting", tmp_path / "day.csv")
    path = tmp_path / f"export.{ending}"
    answer = kenshin("experiments", "export", "greeting", path, "--json")
    assert answer.code == 0, answer.err
    assert answer.json["rows"] == 100
    again = kenshin("experiments", "import", "farewell", path, "--map", "experiment_id=", "--json").json
    assert (again["stored"], again["rejected"]) == (100, 0)


def test_an_export_keeps_to_the_days_and_says_what_it_wrote(kenshin, tmp_path):
    kenshin("experiments", "create", "greeting", "--a", "v1", "--b", "v2", "--start")
    path = tmp_path / "export.csv"
    days = ["--from", "2026-11-01", "--to", "2026-11-02"]
    answer = kenshin("experiments", "export", "greeting", path, *days)
    assert answer.code == 0
    assert "2026-11-02" in answer.out
    assert len(path.read_text().splitlines()) == 1
    assert kenshin("experiments", "export", "greeting", path, "--from", "yesterday").code == 2
    assert "no night" in kenshin("experiments", "export", "greeting", path, *days, "--sessions").err


def test_an_unknown_target_of_a_map_is_refused_with_the_known_ones(kenshin, tmp_path):
    kenshin("experiments", "create", "greeting", "--a", "v1", "--b", "v2", "--start")
    (tmp_path / "day.csv").write_text(csv_of(rows(1)))
    answer = kenshin("experiments", "import", "greeting", tmp_path / "day.csv", "--map", "when=observed_at")
    assert answer.code == 2
    assert "observed_at" in answer.err
    assert "Known fields" in answer.err


def test_an_unreadable_file_stores_nothing(kenshin, tmp_path):
    kenshin("experiments", "create", "greeting", "--a", "v1", "--b", "v2", "--start")
    path = tmp_path / "day.parquet"
    path.write_bytes(b"this is no parquet")
    answer = kenshin("experiments", "import", "greeting", path)
    assert answer.code == 2
    assert "day.parquet" in answer.err.replace("\n", "")


def test_show_says_when_there_is_no_report_yet(kenshin):
    kenshin("experiments", "create", "greeting", "--a", "v1", "--b", "v2")
    answer = kenshin("experiments", "show", "greeting")
    assert answer.code == 0
    assert "No report yet" in answer.out


def test_the_definition_is_told_in_words_without_what_is_empty(kenshin):
    text = " ".join(kenshin("experiments", "create", "greeting", "--a", "v1", "--b", "v2").out.split())
    assert "spending obrien fleming, horizon nights 14" in text
    assert "promotion (answer within hours 72, on timeout keep running, auto roll back no)" in text
    assert "UTC" in text
    assert not any(word in text for word in ("winsorise", "guardrails", "minimal", "approvers", "–", "_"))


def test_the_commands_are_listed_in_the_order_of_their_use(kenshin):
    text = kenshin("experiments", "--help").out
    listed = [line.split()[1] for line in text.split("Commands")[1].splitlines() if line[2:3].isalpha()]
    assert listed[:8] == ["list", "create", "start", "import", "show", "report", "looks", "promote"]
    assert set(listed[8:]) == {"change", "stop", "ledger", "export", "simulate"}


def test_an_import_says_where_it_moved_the_beginning(kenshin, tmp_path):
    kenshin("experiments", "create", "greeting", "--a", "v1", "--b", "v2", "--start")
    path = tmp_path / "day.csv"
    old = [{**row, "observed_at": "2026-11-02T03:00:00+00:00"} for row in rows(4)]
    path.write_text(csv_of(old))
    told = kenshin("experiments", "import", "greeting", path, "--json").json
    assert told["created_at_moved_to"] == "2026-11-01T15:00:00+00:00"
    assert kenshin("experiments", "import", "greeting", path, "--json").json["created_at_moved_to"] is None
    older = [{**row, "observed_at": "2026-10-31T03:00:00+00:00"} for row in rows(2)]
    path.write_text(csv_of(older))
    shown = " ".join(kenshin("experiments", "import", "greeting", path).out.split())
    assert "created at moved to 2026-10-30 15:00 UTC" in shown


@pytest.mark.parametrize(("bad", "code"), [(3, 0), (4, 1)])
def test_an_import_of_which_nothing_is_left_ends_with_code_1(kenshin, tmp_path, bad, code):
    kenshin("experiments", "create", "greeting", "--a", "v1", "--b", "v2", "--start")
    path = tmp_path / "day.csv"
    path.write_text(csv_of([{**row, "arm": "C" if at < bad else "A"} for at, row in enumerate(rows(4))]))
    answer = kenshin("experiments", "import", "greeting", path, "--json")
    assert (answer.code, answer.json["stored"], answer.json["rejected"]) == (code, 4 - bad, bad)
