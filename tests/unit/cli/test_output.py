from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kenshin.cli import output
from kenshin.cli.output import say, show_facts, show_rows
from kenshin.cli.reports import LOOKS

ID = "arn:aws:bedrock:ap-northeast-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0"
LOOK = {
    "look": 1,
    "day": "2026-11-10",
    "arm": "B",
    "sessions": 1234,
    "estimate": 0.023456,
    "ci_low": -0.012345,
    "ci_high": 0.098765,
    "z": 1.2345,
    "boundary": 4.3326,
    "alpha_spent": 0.000123,
    "decision": "continue",
}


def shown(capsys, rows, **told):
    show_rows(rows, as_json=False, **{"title": "Rows", "empty": "Nothing.", **told})
    return capsys.readouterr().out


@pytest.mark.usefixtures("terminal")
def test_the_widest_table_shows_every_column_on_a_terminal(capsys):
    text = shown(capsys, [LOOK, {**LOOK, "look": 2, "decision": "promote"}], columns=LOOKS)
    assert max(map(len, text.splitlines())) <= 80
    blocks = text.strip().split("\n\n")[1:]
    assert [len(block.splitlines()) for block in blocks] == [len(LOOKS)] * 2
    assert all(heading in blocks[0] for heading in LOOKS.values())
    assert "alpha spent  0.000123" in blocks[0]
    assert "decision     promote" in blocks[1]


def test_a_table_that_is_piped_is_as_wide_as_it_needs(capsys):
    lines = shown(capsys, [LOOK, LOOK], columns=LOOKS).splitlines()
    assert lines[2].split() == " ".join(LOOKS.values()).split()
    assert lines[4].split()[-2:] == ["0.000123", "continue"]
    assert len({len(line) for line in lines[2:6]}) == 1


@pytest.mark.usefixtures("terminal")
def test_headings_and_long_texts_break_between_words(capsys):
    rows = [{"document": "d" * 40, "times that it was seen": 3, "why": "so it is, " * 9}]
    lines = shown(capsys, rows).splitlines()
    assert max(map(len, lines)) <= 80
    assert "d" * 40 in " ".join(lines)
    assert sum("so it is" in line for line in lines) > 1
    assert any("times" in line and "seen" not in line for line in lines)


WORDS = st.lists(st.text("abcdef1-/:", min_size=1, max_size=50), min_size=1, max_size=6).map(" ".join)


@given(rows=st.lists(st.lists(WORDS, min_size=3, max_size=3), min_size=1, max_size=3), tty=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_word_is_ever_broken(capsys, monkeypatch, rows, tty):
    monkeypatch.setattr(output.console, "_force_terminal", tty)
    monkeypatch.setattr(output.console, "_width", 80)
    made = [dict(zip(("one", "two words", "three"), row, strict=True)) for row in rows]
    printed = shown(capsys, made).split()
    assert {word for row in rows for cell in row for word in cell.split()} <= set(printed)
    assert {"one", "words", "three"} <= set(printed)


@pytest.mark.usefixtures("terminal")
def test_the_title_stands_above_however_narrow_the_table(capsys):
    title = "Dry run: nothing comes into force"
    assert shown(capsys, [{"a": 1}], title=title).startswith(f"{title}\n\na\n")
    show_facts({"a": 1}, as_json=False, title=title)
    assert capsys.readouterr().out.splitlines() == [title, "", "a  1", ""]


def test_no_rows_and_nothing_to_say_print_nothing(capsys):
    assert shown(capsys, [], empty="") == ""


@pytest.mark.usefixtures("terminal")
def test_hints_are_not_broken(capsys):
    hint = f"{'Nothing was found there. ' * 3}See: kenshin drift backfill -h"
    assert shown(capsys, [], empty=hint) == f"{hint}\n"
    say(hint)
    assert capsys.readouterr().err == f"{hint}\n"
    show_facts({"model": ID}, as_json=False, title="Fact")
    assert f"model  {ID}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "value",
    [datetime(2026, 11, 22, 15, 0, 9, 5, tzinfo=UTC), "2026-11-23T00:00:09+09:00", "2026-11-22T15:00Z"],
)
def test_an_instant_is_for_people_in_a_table_and_iso_in_json(capsys, value):
    assert "2026-11-22 15:00 UTC" in shown(capsys, [{"at": value}])
    show_rows([{"at": value}], as_json=True, title="", empty="")
    (row,) = json.loads(capsys.readouterr().out)
    assert datetime.fromisoformat(row["at"]) == (
        value if isinstance(value, datetime) else datetime.fromisoformat(value)
    )


def test_what_is_empty_inside_a_value_is_left_out(capsys):
    policy = {
        "alpha": 0.05,
        "guardrails": [],
        "minimal_effect": None,
        "winsorise": {},
        "cuped": False,
        "promotion": {"approvers": [], "auto_roll_back": False},
        "empty": {"approvers": []},
        "guarded": [{"metric": "cost", "margin_relative": 0.05}],
        "tags": ["new", "big"],
    }
    show_facts({"policy": policy}, as_json=False, title="Experiment")
    assert capsys.readouterr().out.splitlines()[2] == (
        "policy  alpha 0.05, cuped no, promotion (auto roll back no), "
        "guarded (metric cost, margin relative 0.05), tags new and big"
    )
