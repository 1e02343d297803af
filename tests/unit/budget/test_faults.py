"""Bad input and faults: whatever it is given and whatever fails, a check answers, or refuses by a KenshinError."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import emf_lines
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kenshin
from kenshin.backends import BACKENDS
from kenshin.current import use
from kenshin.errors import KenshinError
from kenshin.runtime import Runtime, utc_now
from kenshin.settings import Settings
from kenshin.signals.record import Record

MEGABYTES = 10
TEXT = st.text(
    st.characters() | st.sampled_from(["\ud800", "\udfff", "\0", "\u202e", "商", "\U0001f600"]), max_size=30
)
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.binary(max_size=9)
KEYS = st.sampled_from(
    [
        "role",
        "text",
        "type",
        "content",
        "image",
        "source",
        "bytes",
        "toolUse",
        "toolResult",
        "json",
        "document",
    ]
)
CONTENT = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | TEXT, inner, max_size=4),
    max_leaves=12,
)


@contextmanager
def kenshin_of(
    home: Path, signals: str = "memory:", clock: Callable[[], datetime] = utc_now, **more: str
) -> Iterator[Runtime]:
    environment = {"KENSHIN_HOME": str(home), "KENSHIN_SIGNALS": signals, **more}
    made = Runtime(Settings.from_env(environment), clock=clock)
    with use(made):
        yield made
    made.close()


@pytest.fixture(scope="module", autouse=True)
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with kenshin_of(tmp_path_factory.mktemp("faults"), KENSHIN_SIGNALS_MODE="sync") as made:
        yield made


@given(CONTENT, CONTENT, CONTENT, CONTENT, CONTENT, TEXT | LEAF)
def test_anything_is_a_result_or_a_typed_error(
    system: Any, history: Any, passages: Any, message: Any, tools: Any, model: Any
) -> None:
    try:
        found = kenshin.check_budget(system, history, passages, message, model, tools=tools)
    except KenshinError as error:
        json.dumps(error.as_dict())
        return
    assert 0 <= found.total_tokens <= found.upper_tokens
    assert sum(found.sections.values()) == found.total_tokens


@given(st.lists(st.fixed_dictionaries({"role": TEXT, "content": TEXT}), max_size=5), TEXT)
def test_texts_of_any_characters_and_roles_are_measured_and_recorded(
    shared: Runtime, history: list[dict[str, str]], message: str
) -> None:
    before = len(shared.recorder.sinks[0].records)  # type: ignore[attr-defined]
    found = kenshin.check_budget(message, history, message, message)
    assert len(shared.recorder.sinks[0].records) == before + 1  # type: ignore[attr-defined]
    assert found.total_tokens >= 1_500


@given(CONTENT, CONTENT, TEXT)
def test_reported_usage_of_any_shape_is_learnt_or_refused(usage: Any, estimate: Any, reason: str) -> None:
    checked = kenshin.check_budget(user_message="hello")
    for each in (checked, estimate):
        try:
            kenshin.observe_usage("claude-3-5-sonnet", each, usage, stop_reason=reason)
        except KenshinError:
            continue
        assert each is checked


@pytest.mark.parametrize(
    "text",
    [
        "a" * (MEGABYTES << 20),
        "商" * (MEGABYTES << 18),
        "\ud800" * (MEGABYTES << 18),
        "\0a" * (MEGABYTES << 19),
    ],
    ids=["ascii", "japanese", "surrogates", "nuls"],
)
def test_ten_megabytes_are_measured(text: str) -> None:
    found = kenshin.check_budget(text, [{"role": "user", "content": text}], text, [{"text": text}])
    assert found.status == "critical"
    assert found.total_tokens > 100_000


@pytest.mark.parametrize(
    "name",
    ["\ud800", "\0", "x" * (1 << 20), "模型", "a/b", "..", "arn:aws:bedrock:::x/"],
    ids=["surrogate", "nul", "long", "kanji", "slash", "dots", "arn"],
)
def test_odd_model_names_are_recorded_as_cloudwatch_takes_them(tmp_path: Path, name: str) -> None:
    with kenshin_of(tmp_path, f"emf://{tmp_path}/signals", KENSHIN_SIGNALS_MODE="sync") as our:
        found = kenshin.check_budget(model_id=name)
        assert (found.known_model, our.recorder.dropped) == (False, 0)
    assert len(lines_of(tmp_path)) == 1


def lines_of(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.rglob("*.jsonl"))
    return [emf_lines.parse(line) for file in files for line in file.read_bytes().splitlines()]


FULL = """
import json, sys
import kenshin
from kenshin.current import current
from kenshin.budget.models import DEFAULT_MODEL
for number in range(200):
    checked = kenshin.check_budget(user_message="Where is my order?")
    kenshin.observe_usage(DEFAULT_MODEL, checked, {"inputTokens": 50})
current().recorder.flush(10)
print(json.dumps([checked.status, current().recorder.dropped]), file=sys.stderr)
"""


@pytest.mark.parametrize("mode", ["sync", "background"])
def test_a_full_target_costs_the_records_and_counts_them(tmp_path: Path, mode: str) -> None:
    environment = {
        **os.environ,
        "KENSHIN_HOME": str(tmp_path),
        "KENSHIN_SIGNALS": "emf:stdout",
        "KENSHIN_SIGNALS_MODE": mode,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", FULL], env=environment, stdout=full, stderr=subprocess.PIPE, timeout=60
        )
    told = [line for line in done.stderr.splitlines() if line.startswith(b"[")]
    assert [json.loads(line) for line in told] == [["normal", 400]]


@pytest.mark.parametrize("mode", ["sync", "background"])
def test_a_target_that_cannot_be_written_costs_the_records_and_counts_them(tmp_path: Path, mode: str) -> None:
    """A file lies where the folder should be: read-only folders do not stop root, whom tests may run as."""
    (tmp_path / "signals").write_text("")
    with kenshin_of(tmp_path, f"emf://{tmp_path}/signals", KENSHIN_SIGNALS_MODE=mode) as our:
        statuses = {kenshin.check_budget().status for _ in range(50)}
        assert (statuses, our.recorder.flush(10)) == ({"normal"}, 50)


def test_a_target_that_goes_and_comes_back_has_what_was_recorded_besides(tmp_path: Path) -> None:
    signals = tmp_path / "signals"
    with kenshin_of(tmp_path, f"emf://{signals}", KENSHIN_SIGNALS_MODE="sync") as our:
        kenshin.check_budget()
        shutil.rmtree(signals)
        signals.write_text("")
        for _ in range(3):
            kenshin.check_budget()
        assert our.recorder.dropped == 3
        signals.unlink()
        kenshin.check_budget()
    written = lines_of(signals)
    assert [line["log_type"] for line in written] == ["budget_check", "signals_lost"]
    assert written[1]["lost"] == 3


class Stuck:
    """A sink that takes nothing until it is let go."""

    gate = threading.Event()

    def write(self, records: Sequence[Record]) -> int:
        self.gate.wait(30)
        return 0

    def flush(self, deadline: float) -> int:
        return 0

    def close(self) -> None:
        pass


def open_stuck(url: object, opening: object) -> Stuck:
    return Stuck()


def test_a_slow_target_holds_up_nobody_and_what_does_not_fit_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKENDS["signals"], "stuck", f"{__name__}:open_stuck")  # type: ignore[arg-type]
    with kenshin_of(tmp_path, "stuck:") as our:
        for _ in range(10_900):
            assert kenshin.check_budget().status == "normal"
        (lane,) = our.recorder.stats()
        assert lane.waiting + lane.lost["queue_full"] == 10_900
        assert lane.lost["queue_full"] > 0
        Stuck.gate.set()


def test_a_clock_that_steps_back_changes_the_stamp_alone(tmp_path: Path) -> None:
    now = datetime(2026, 11, 14, 12, tzinfo=UTC)
    instants = iter([now, now - timedelta(hours=3), now - timedelta(days=400), now])
    signals = f"emf://{tmp_path}/signals"
    with kenshin_of(tmp_path, signals, lambda: next(instants), KENSHIN_SIGNALS_MODE="sync") as our:
        results = {kenshin.check_budget(user_message="hello").total_tokens for _ in range(4)}
        assert (len(results), our.recorder.dropped) == (1, 0)
    stamps = sorted(line["_aws"]["Timestamp"] for line in lines_of(tmp_path))
    assert (len(stamps), stamps[-1]) == (4, int(now.timestamp() * 1000))


def test_a_clock_that_fails_costs_the_record_only(tmp_path: Path) -> None:
    def broken() -> datetime:
        raise OSError("no clock")

    with kenshin_of(tmp_path, clock=broken) as our:
        checked = kenshin.check_budget(user_message="hello")
        kenshin.observe_usage("claude-3-5-sonnet", checked, {"inputTokens": 9})
        assert our.token_calibration.correction("claude-3-5-sonnet", "latin").calls == 1
