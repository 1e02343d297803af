from __future__ import annotations

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
