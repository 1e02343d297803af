from __future__ import annotations

from datetime import UTC, datetime

import pytest

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"


@pytest.mark.parametrize(("command", "mode"), [("open", "open"), ("close", "closed")])
def test_a_breaker_is_held_shown_and_cleared(kenshin, runtime, command, mode):
    breaker = runtime.breakers.of(HAIKU, "ap-northeast-1")
    held = kenshin("health", "breakers", command, f"arn:aws:x/{HAIKU}", "--by", "vera", "--json")
    assert (held.code, held.json["model"], held.json["mode"], held.json["by"]) == (0, HAIKU, mode, "vera")
    assert runtime.breakers.refresh()
    assert breaker.overridden == mode
    assert [each["mode"] for each in kenshin("health", "breakers", "show", "--json").json] == [mode]
    assert "vera" in kenshin("health", "breakers").out
    assert kenshin("health", "breakers", "clear", HAIKU, "--json").json["cleared"]
    assert runtime.breakers.refresh()
    assert breaker.overridden is None
    assert kenshin("health", "breakers", "show").out.strip() == "No breaker is held by hand."


def test_only_in_a_region(kenshin, runtime):
    said = kenshin("health", "breakers", "open", HAIKU, "--region", "ap-northeast-1")
    assert f"{HAIKU}@ap-northeast-1 is held open" in said.err
    runtime.breakers.refresh()
    held = runtime.breakers.of(HAIKU, "ap-northeast-1")
    assert held.overridden == "open"
    assert "breakers show says where" in held.refusal().mend
    assert runtime.breakers.of(HAIKU, "us-east-1").overridden is None
    assert "was not held" in kenshin("health", "breakers", "clear", HAIKU).err
    assert (
        "decides for itself"
        in kenshin("health", "breakers", "clear", HAIKU, "--region", "ap-northeast-1").err
    )


def test_no_model_is_refused(kenshin):
    refused = kenshin("health", "breakers", "open", " ", "--json")
    assert (refused.code, refused.json["type"]) == (2, "InvalidInput")


def test_the_group_itself_answers_as_json_and_says_since_when_for_people(kenshin, runtime):
    assert kenshin("health", "breakers", "--json").json == []
    kenshin("health", "breakers", "open", HAIKU, "--by", "vera")
    (row,) = kenshin("health", "breakers", "--json").json
    assert (row["model"], row["by"]) == (HAIKU, "vera")
    at = datetime.fromisoformat(row["at"]).astimezone(UTC)
    assert f"{at:%Y-%m-%d %H:%M} UTC" in kenshin("health", "breakers").out
    misplaced = kenshin("health", "breakers", "--json", "show")
    assert (misplaced.code, "breakers show … --json" in misplaced.json["mend"]) == (2, True)


@pytest.mark.usefixtures("terminal")
def test_a_long_id_stays_whole_on_a_narrow_terminal(kenshin):
    profile = f"jp.{HAIKU}-with-a-very-long-name-of-a-profile-of-our-own"
    kenshin("health", "breakers", "open", profile, "--region", "ap-northeast-1")
    assert profile in kenshin("health", "breakers", "show").out


@pytest.mark.parametrize(("model", "known"), [(HAIKU, True), ("acme.coyote-v1:0", False)])
def test_a_model_that_nobody_knows_is_held_with_a_warning(kenshin, model, known):
    held = kenshin("health", "breakers", "open", model, "--json")
    assert (held.code, held.json["known_model"], "does not know" in held.err) == (0, known, not known)
    said = kenshin("health", "breakers", "close", model)
    assert (said.code, f"does not know {model}" in said.err) == (0, not known)
