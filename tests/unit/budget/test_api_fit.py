from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import kenshin
from kenshin.current import current, use
from kenshin.errors import ContextBudgetExceeded
from kenshin.runtime import Runtime
from kenshin.settings import Settings
from kenshin.signals.budgets import BudgetChecked
from kenshin.signals.memory import MemorySink


def long_history(turns: int) -> list[dict[str, str]]:
    said = "The order was shipped to Osaka on Monday, by the evening train. "
    return [{"role": ("user", "assistant")[at % 2], "content": f"{at}: {said}"} for at in range(turns)]


@pytest.fixture
def records(tmp_path: Path) -> Iterator[MemorySink]:
    settings = Settings.from_env(
        {"KENSHIN_HOME": str(tmp_path), "KENSHIN_SIGNALS": "memory:", "KENSHIN_SIGNALS_MODE": "sync"}
    )
    with use(Runtime(settings)) as made:
        (sink,) = made.recorder.sinks
        assert isinstance(sink, MemorySink)
        yield sink


def test_a_fitted_prompt_is_recorded_as_the_check_it_was(
    records: MemorySink, caplog: pytest.LogCaptureFixture
) -> None:
    found = kenshin.fit_budget("Be kind.", long_history(400), user_message="Where is my order?")
    assert (found.action, found.after.status) == ("trimmed", "normal")
    (record,) = records.records
    assert isinstance(record, BudgetChecked)
    assert (record.status, record.action, record.saved_tokens) == ("critical", "trimmed", found.saved_tokens)
    assert "Trimmed: " in caplog.text
    assert "Osaka" not in caplog.text


def test_a_prompt_that_cannot_fit_is_recorded_and_raised(records: MemorySink) -> None:
    with pytest.raises(ContextBudgetExceeded):
        kenshin.fit_budget(" ".join(f"rule {at}" for at in range(4_000)))
    (record,) = records.records
    assert isinstance(record, BudgetChecked)
    assert (record.status, record.action) == ("critical", "none")


def test_a_recorder_that_fails_does_not_fail_the_request(
    records: MemorySink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(record: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(current().recorder, "record", refuse)
    assert kenshin.fit_budget(user_message="hi").action == "none"
