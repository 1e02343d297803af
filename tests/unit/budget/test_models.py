from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kenshin.budget.models import ASSUMED_WINDOW, DEFAULT_MODEL, Models, model_name
from kenshin.errors import SettingError, UnknownModel


@pytest.mark.parametrize(
    ("model_id", "name"),
    [
        (DEFAULT_MODEL, "claude-3-5-sonnet"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku"),
        ("anthropic.claude-3-haiku-20240307-v1:0:48k", "claude-3-haiku"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("apac.anthropic.claude-sonnet-4-20250514-v1:0", "claude-sonnet-4"),
        ("jp.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5"),
        ("global.anthropic.claude-opus-4-5-20251101-v1:0", "claude-opus-4-5"),
        ("eu.amazon.nova-lite-v1:0", "nova-lite"),
        ("meta.llama3-1-70b-instruct-v1:0", "llama3-1-70b-instruct"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet"),
        ("claude-opus-4-1-20250805", "claude-opus-4-1"),
        (f"arn:aws:bedrock:ap-northeast-1::foundation-model/{DEFAULT_MODEL}", "claude-3-5-sonnet"),
        ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0", "nova-pro"),
    ],
)
def test_a_model_is_found_under_any_of_its_ids(model_id: str, name: str) -> None:
    found = Models.load().find(model_id, strict=True)
    assert (found.name, found.known) == (name, True)


def test_families_follow_the_generation() -> None:
    models = Models.load()
    assert models.find(DEFAULT_MODEL).family == "claude-3"
    assert models.find("anthropic.claude-sonnet-4-6").family == "claude-3"
    assert models.find("anthropic.claude-opus-4-7").family == "claude-4.7"
    assert models.find("amazon.nova-micro-v1:0").family == "other"


@pytest.mark.parametrize(
    ("model_id", "family"), [("acme.marvel-v1:0", "other"), ("us.anthropic.claude-epic-9-v1:0", "claude-4.7")]
)
def test_an_unknown_model_is_assumed_and_says_so(model_id: str, family: str) -> None:
    found = Models.load().find(model_id)
    assert (found.window, found.family, found.known) == (ASSUMED_WINDOW, family, False)
    with pytest.raises(UnknownModel, match="KENSHIN_MODELS"):
        Models.load().find(model_id, strict=True)


@pytest.mark.parametrize("model_id", [None, "", "  ", 7])
def test_an_id_that_is_no_text_is_refused(model_id: Any) -> None:
    with pytest.raises(UnknownModel):
        Models.load().find(model_id)


def test_a_users_file_adds_and_wins(tmp_path: Path) -> None:
    own = tmp_path / "models.json"
    entries = [
        {"name": "marvel", "window": 32_000, "family": "other", "input_price": 0.5},
        {"name": "nova-lite", "window": 1_000, "family": "other"},
    ]
    own.write_text(json.dumps({"models": entries}), encoding="utf-8")
    models = Models.load(own)
    assert models.find("acme.marvel-v1:0", strict=True).input_price == 0.5
    assert models.find("amazon.nova-lite-v1:0").window == 1_000
    assert Models.load().find("amazon.nova-lite-v1:0").window == 300_000


ACCOUNT = "arn:aws:bedrock:us-east-1:123456789012:"


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        (f"{ACCOUNT}application-inference-profile/Ab3dEf", f"{ACCOUNT}application-inference-profile/Ab3dEf"),
        ("Ab3dEf", f"{ACCOUNT}application-inference-profile/Ab3dEf"),
        (f"{ACCOUNT}provisioned-model/x9", f"{ACCOUNT}provisioned-model/x9"),
        ("Marvel", "acme.marvel-v1:0"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "us.anthropic.claude-3-haiku-20240307-v1:0"),
    ],
)
def test_a_user_may_name_a_model_by_any_of_its_ids(tmp_path: Path, name: str, asked: str) -> None:
    own = tmp_path / "models.json"
    own.write_text(json.dumps({"models": [{"name": name, "window": 9_000, "family": "claude-3"}]}))
    found = Models.load(own).find(asked, strict=True)
    assert (found.name, found.window, found.known) == (name, 9_000, True)


def test_prices_of_claude_models_are_told_and_an_answer_costs_more_than_a_prompt() -> None:
    for model in Models.load():
        told = model.input_price is not None and model.output_price is not None
        assert told == (model.provider == "anthropic" and model.name != "claude-haiku-5-5")
        assert not told or 0 < model.input_price < model.output_price


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"models": 3}',
        '{"models": [{"name": "x"}]}',
        '{"models": [{"name": "x", "window": 0, "family": "other"}]}',
        '{"models": [{"name": "x", "window": true, "family": "other"}]}',
        '{"models": [{"name": " ", "window": 9, "family": "other"}]}',
        '{"models": [{"name": "x", "window": 1' + "0" * 400 + ', "family": "other"}]}',
        '{"models": [{"name": "x", "window": 9, "family": "other", "input_price": "free"}]}',
        '{"models": [{"name": "x", "window": 9, "family": "other", "output_price": NaN}]}',
        '{"models": [{"name": "x", "window": 9, "family": "other", "tier": 3}]}',
        '{"models": [{"name": "x", "window": 9, "family": "gpt"}]}',
        '{"models": [{"name": "x", "window": 9, "family": "other", "known": false}]}',
        '{"models": [{"name": "x", "window": 9, "family": "other", "practical_ratio": 2}]}',
    ],
)
def test_a_file_that_means_nothing_is_refused(tmp_path: Path, content: str) -> None:
    own = tmp_path / "models.json"
    own.write_text(content, encoding="utf-8")
    with pytest.raises(SettingError, match=r"models\.json"):
        Models.load(own)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="KENSHIN_MODELS"):
        Models.load(tmp_path / "none.json")


def test_names_lose_what_versions_add() -> None:
    assert model_name("us.anthropic.claude-3-5-sonnet-20241022-v2:0") == "anthropic.claude-3-5-sonnet"
