from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import kenshin
from kenshin.budget.models import DEFAULT_MODEL
from kenshin.current import use
from kenshin.errors import UnknownModel
from kenshin.runtime import Runtime
from kenshin.settings import Settings


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    own = tmp_path / "own.json"
    own.write_text(
        '{"models": [{"name": "marvel", "window": 9000, "family": "claude-4.7"}]}', encoding="utf-8"
    )
    made = Runtime(Settings.from_env({"KENSHIN_HOME": str(tmp_path), "KENSHIN_MODELS": str(own)}))
    with use(made):
        yield made


def test_the_model_chooses_the_family(runtime: Runtime) -> None:
    text = "Unquestionably idiosyncratic phrasing"
    assert kenshin.estimate_tokens(text).family == "claude-3"
    assert kenshin.estimate_tokens(text, "marvel").family == "claude-4.7"
    with pytest.raises(UnknownModel):
        kenshin.estimate_tokens(text, "nobody-knows", strict=True)


def test_reported_usage_is_kept_under_the_models_name(runtime: Runtime) -> None:
    estimate = kenshin.estimate_tokens("How long does shipping to Osaka take?")
    kenshin.observe_usage(f"us.{DEFAULT_MODEL}", estimate, {"inputTokens": 2 * estimate})
    assert runtime.token_calibration.correction("claude-3-5-sonnet", "latin").calls == 1
