from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from kenshin.backends.local.emf import EmfFiles
from kenshin.backends.local.usage_log import EmfUsageLog
from kenshin.errors import BackendUnavailable, SettingError
from kenshin.runtime import Runtime
from kenshin.settings import Settings
from kenshin.signals.emf import EmfRenderer
from kenshin.signals.guard import DimensionGuard
from kenshin.signals.records import UsageObserved

AT = datetime(2026, 11, 14, 15, 59, 59, 500_000, tzinfo=UTC)
TRACE = "0af7651916cd43dd8448eb211c80319c"


def usage(at: datetime = AT, model: str = "claude-3-5-sonnet", **more: object) -> UsageObserved:
    return UsageObserved(at, model, "japanese", 900, 990, 910, 980, 1000, trace_id=TRACE, **more)


def written(folder, *records) -> None:
    EmfFiles(folder, EmfRenderer("MangaAssist", DimensionGuard())).write(records)


def read(folder, since=AT - timedelta(hours=2), until=AT + timedelta(hours=2)):
    return list(EmfUsageLog(folder).read(since, until))


def test_files_of_several_processes_are_read_and_other_hours_are_not_opened(tmp_path):
    for _ in range(3):
        written(tmp_path, usage())
    other = tmp_path / "date=2026-11-13" / "hour=10"
    other.mkdir(parents=True)
    (other / "1.jsonl").mkdir()
    assert len(read(tmp_path)) == 3


@pytest.mark.parametrize(
    "spoil",
    [
        lambda line: line[: len(line) // 2] + '"log_type":"usage_observed"',
        lambda line: line.replace("900", '"many"', 1),
        lambda line: line.replace('"actual_tokens":1000', '"actual_tokens":-1'),
        lambda line: line.replace('"actual_tokens":1000', '"actual_tokens":true'),
        lambda line: line.replace('"actual_tokens":1000,', ""),
        lambda line: line.replace('"actual_tokens":1000', '"actual_tokens":1' + "0" * 400),
        lambda line: line.replace('"overflowed":false', '"overflowed":"no"'),
        lambda line: line.replace('"script":"japanese"', '"script":["japanese"]'),
        lambda line: line.replace('"model_id":"claude', '"model_id":"\\ud800claude'),
        lambda line: line.replace('"Timestamp":', '"Timestamp":1e99,"x":'),
    ],
    ids=["torn", "text", "negative", "truth", "missing", "endless", "word", "list", "surrogate", "instant"],
)
def test_a_bad_line_is_told_and_the_others_are_read(tmp_path, spoil):
    written(tmp_path, usage())
    (file,) = tmp_path.rglob("*.jsonl")
    line = file.read_text().rstrip("\n")
    assert json.loads(line)["estimated_tokens"] == 900
    file.write_text(f"{line}\n{spoil(line)}\n{line}\n", encoding="utf-8")
    assert read(tmp_path) == [usage(), None, usage()]


def test_a_file_that_goes_meanwhile_is_passed_over(tmp_path):
    written(tmp_path, usage())
    (tmp_path / "date=2026-11-14" / "hour=15" / "0.jsonl").symlink_to(tmp_path / "gone")
    assert read(tmp_path) == [usage()]


def test_a_folder_in_a_files_place_is_a_failure(tmp_path):
    (tmp_path / "date=2026-11-14" / "hour=15" / "1.jsonl").mkdir(parents=True)
    with pytest.raises(BackendUnavailable):
        read(tmp_path)


@pytest.mark.parametrize("signals", ["emf:stdout", "memory:", "otlp://127.0.0.1:4318"])
def test_signals_that_cannot_be_read_back_name_what_can(tmp_path, signals):
    our = Runtime(Settings.from_env({"KENSHIN_HOME": str(tmp_path), "KENSHIN_SIGNALS": signals}))
    with pytest.raises(SettingError, match="emf:///folder"):
        our.usage_log  # noqa: B018


def test_the_first_sink_that_can_be_read_back_is_read(tmp_path):
    signals = f"emf:stdout,emf://{tmp_path}/there?rotate_mb=9"
    our = Runtime(Settings.from_env({"KENSHIN_HOME": str(tmp_path), "KENSHIN_SIGNALS": signals}))
    written(tmp_path / "there", usage())
    assert list(our.usage_log.read(AT, AT + timedelta(hours=1))) == [usage()]
