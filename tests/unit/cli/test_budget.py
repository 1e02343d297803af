from __future__ import annotations

import io
import json
import math
import sys
from datetime import timedelta

import pytest

import kenshin as library
from kenshin.budget.models import DEFAULT_MODEL
from kenshin.budget.weights import KEY
from kenshin.days import day_of

SENTENCE = "The order was shipped to Osaka on Monday. "


@pytest.fixture
def event(tmp_path):
    def write(**keys):
        path = tmp_path / "event.json"
        path.write_text(json.dumps(keys), encoding="utf-8")
        return path

    return write


def test_a_prompt_is_checked_as_words_and_as_json(kenshin, event):
    path = event(user_message="何日で届きますか", model_id=DEFAULT_MODEL)
    body = kenshin("budget", "check", path, "--json").json
    assert (body["status"], body["model"], body["script"]) == ("normal", "claude-3-5-sonnet", "japanese")
    shown = " ".join(kenshin("budget", "check", path).out.split())
    assert f"tokens {body['total_tokens']} of 5000" in shown
    assert "japanese, not corrected by usage" in shown


def test_standard_input_is_read_and_options_win(kenshin, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"user_message": "hello", "max_tokens": 9}'))
    body = kenshin("budget", "check", "-", "--model", "acme.coyote-v1:0", "--max-tokens", "70", "--json").json
    assert (body["model"], body["known_model"], body["sections"]["output_reserve"]) == (
        "acme.coyote",
        False,
        70,
    )


@pytest.mark.parametrize(("repeats", "code"), [(10, 0), (270, 3), (400, 4)])
def test_the_exit_code_tells_the_status_where_it_is_asked_to(kenshin, event, repeats, code):
    path = event(rag_context=SENTENCE * repeats)
    assert kenshin("budget", "check", path, "--strict").code == code
    assert kenshin("budget", "check", path).code == 0


@pytest.mark.parametrize("text", ["{", "[1]", '{"user_message": 7}', '{"max_tokens": "many"}'])
def test_a_file_that_is_no_event_is_refused(kenshin, tmp_path, text):
    path = tmp_path / "event.json"
    path.write_text(text)
    answer = kenshin("budget", "check", path)
    assert answer.code == 2
    assert "mend:" in answer.err


def test_standard_input_without_json_is_told_what_to_pipe(kenshin, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("notjson"))
    mend = kenshin("budget", "check", "-", "--json").json["mend"]
    assert mend.startswith("Pipe a JSON object, e.g. {")
    example = json.loads(mend.removeprefix("Pipe a JSON object, e.g. ").removesuffix("."))
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(example)))
    assert kenshin("budget", "check", "-").code == 0


def test_a_missing_file_is_refused(kenshin, tmp_path):
    assert kenshin("budget", "check", tmp_path / "nothing.json").code == 2


def test_a_prompt_is_made_to_fit_and_written_again(kenshin, event, tmp_path):
    history = [
        {"role": ("user", "assistant")[at % 2], "content": f"{at}: {SENTENCE * 3}"} for at in range(300)
    ]
    path, out = (
        event(conversation_history=history, user_message="Where is it?", max_tokens=900),
        tmp_path / "out.json",
    )
    body = kenshin("budget", "fit", path, "--out", out, "--json").json
    assert (body["action"], body["before"]["status"], body["after"]["status"]) == (
        "trimmed",
        "critical",
        "normal",
    )
    written = json.loads(out.read_text())
    assert written["conversation_history"] == body["prompt"]["conversation_history"]
    assert (written["max_tokens"], written["user_message"]) == (900, "Where is it?")
    assert kenshin("budget", "check", out, "--json").json["status"] == "normal"
    assert "Trimmed: " in kenshin("budget", "fit", path).out
    assert "Nothing had to go" in kenshin("budget", "fit", out).out


def test_a_prompt_that_cannot_fit_is_refused(kenshin, event):
    answer = kenshin("budget", "fit", event(user_message=SENTENCE * 900))
    assert (answer.code, "Context budget exceeded" in answer.err) == (2, True)
    assert "--model" in answer.err
    assert "FitPolicy" not in answer.err


def test_before_the_first_fit_the_packages_numbers_are_in_force(kenshin):
    assert "Nothing was fitted yet" in kenshin("budget", "calibration").out
    assert kenshin("budget", "calibration", "--json").json["version"] is None


@pytest.fixture
def usage(runtime):
    """Eighty calls of today, a half above their estimates."""
    for number in range(80):
        checked = library.check_budget(user_message=SENTENCE * (number + 5))
        actual = round(checked.measured.tokens * (1.5 + 0.01 * (number % 3 - 1)))
        library.observe_usage(DEFAULT_MODEL, checked, {"inputTokens": actual})
    return day_of(runtime.clock(), runtime.settings.zone)


def test_recorded_usage_is_fitted_and_shown(kenshin, usage):
    told = kenshin("budget", "calibrate", "--through", usage, "--days", "2", "--json").json
    assert (told["calls"], told["accepted"], told["version"], told["changed"]) == (80, 1, 1, True)
    body = kenshin("budget", "calibration", "--json").json
    (row,) = body["corrections"]
    assert (body["version"], body["through_day"]) == (1, usage.isoformat())
    assert row["shift"] == pytest.approx(math.log(1.5), abs=0.01)
    assert "claude-3-5-sonnet" in kenshin("budget", "calibration").out
    again = kenshin("budget", "calibrate", "--through", usage)
    assert "median error" in " ".join(again.out.split())


def test_without_usage_calibrate_begins_with_its_title(kenshin):
    answer = kenshin("budget", "calibrate")
    assert answer.out.startswith("Calibration through ")
    assert "No usage was recorded" in answer.err


def test_a_dry_run_puts_nothing_in_force(kenshin, usage):
    assert kenshin("budget", "calibrate", "--through", usage, "--dry-run", "--json").json["accepted"] == 1
    told = " ".join(kenshin("budget", "calibrate", "--through", usage, "--dry-run").out.split())
    assert "a dry run: nothing comes into force" in told
    assert "median error" in told
    assert kenshin("budget", "calibration", "--json").json["version"] is None


def test_a_reset_drops_what_was_fitted_and_the_next_fit_starts_afresh(kenshin, usage, runtime):
    assert kenshin("budget", "reset", "--yes", "--json").json == {"version": None, "changed": False}
    kenshin("budget", "calibrate", "--through", usage)
    assert kenshin("budget", "reset", "--json").code == 2
    assert kenshin("budget", "reset", "--yes", "--json").json == {"version": 2, "changed": True}
    assert kenshin("budget", "calibration", "--json").json["corrections"] == []
    assert [entry.value.kind for entry in runtime.ledger.read(KEY)] == ["calibration", "reset"]
    assert kenshin("budget", "calibrate", "--through", usage, "--json").json["version"] == 3


def test_a_document_that_is_none_can_be_dropped(kenshin, runtime):
    runtime.documents.put(KEY, {"corrections": "none"}, expected=None)
    answer = kenshin("budget", "calibration")
    assert (answer.code, "kenshin budget reset" in " ".join(answer.err.split())) == (2, True)
    assert kenshin("budget", "reset", "--yes").code == 0
    assert kenshin("budget", "calibration").code == 0


def test_without_usage_it_says_what_to_do(kenshin, runtime):
    before = day_of(runtime.clock(), runtime.settings.zone) - timedelta(days=40)
    assert "observe_usage" in kenshin("budget", "calibrate", "--through", before).err


def test_a_day_that_is_none_is_refused(kenshin):
    assert kenshin("budget", "calibrate", "--through", "yesterday").code == 2


def test_models_are_listed_with_their_budgets(kenshin):
    rows = {row["name"]: row for row in kenshin("budget", "models", "--json").json}
    assert (rows["claude-3-5-sonnet"]["window"], rows["claude-3-5-sonnet"]["limit"]) == (200_000, 5_000)
    assert "claude-3-5-sonnet" in kenshin("budget", "models").out


def test_help_names_every_command(kenshin):
    shown = kenshin("budget", "--help").out
    assert all(name in shown for name in ("check", "fit", "calibration", "calibrate", "reset", "models"))
