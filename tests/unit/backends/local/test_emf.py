from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import emf_lines
import pytest

from kenshin.backends import Opening
from kenshin.backends.local.emf import EmfFiles, EmfStream, open_emf
from kenshin.clients import Boto3Clients
from kenshin.errors import SettingError
from kenshin.runtime import utc_now
from kenshin.signals.emf import EmfRenderer
from kenshin.signals.guard import DimensionGuard
from kenshin.signals.recorder import Recorder
from kenshin.signals.records import DriftMeasured
from kenshin.urls import PortURL

AT = datetime(2026, 11, 5, 18, 0, tzinfo=UTC)


def record(number: int = 0, at: datetime = AT) -> DriftMeasured:
    return DriftMeasured(at, "products", "2026-11-06", "observed", 300, number, 3, 1.0, True, p95_drift=0.17)


def renderer() -> EmfRenderer:
    return EmfRenderer("MangaAssist", DimensionGuard())


def numbers(folder: Path) -> list[int]:
    files = sorted(folder.rglob("*.jsonl"), key=lambda file: file.stat().st_mtime_ns)
    return [
        emf_lines.parse(line)["drifted_count"] for file in files for line in file.read_bytes().splitlines()
    ]


def opened(url: str, tmp_path: Path):
    return open_emf(PortURL.parse(url), Opening(tmp_path, Boto3Clients(), utc_now, "MangaAssist"))


def test_files_are_divided_by_date_and_hour_of_the_record(tmp_path):
    sink = opened(f"emf://{tmp_path}", tmp_path)
    assert sink.write([record(1), record(2), record(3, AT + timedelta(hours=1))]) == 0
    found = {file.parent.relative_to(tmp_path) for file in tmp_path.rglob("*.jsonl")}
    assert found == {Path("date=2026-11-05/hour=18"), Path("date=2026-11-05/hour=19")}
    assert sorted(numbers(tmp_path)) == [1, 2, 3]


def test_a_file_that_has_grown_large_is_followed_by_another(tmp_path):
    sink = EmfFiles(tmp_path, renderer(), rotate_bytes=1500)
    for number in range(10):
        assert sink.write([record(number)]) == 0
    files = list(tmp_path.rglob("*.jsonl"))
    assert 2 < len(files) < 10
    assert all(file.stat().st_size < 3000 for file in files)
    assert sorted(numbers(tmp_path)) == list(range(10))


@pytest.mark.parametrize("size", ["0", "-1", "many"])
def test_a_size_that_is_none_is_refused(tmp_path, size):
    with pytest.raises(SettingError, match="rotate_mb"):
        opened(f"emf://{tmp_path}?rotate_mb={size}", tmp_path)


def test_a_target_that_cannot_be_written_costs_records_and_raises_nothing(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    sink = EmfFiles(blocked, renderer())
    assert sink.write([record(), record()]) == 2
    blocked.unlink()
    assert sink.write([record()]) == 0, "it is tried anew with every batch"


def test_a_file_that_was_taken_away_is_made_anew(tmp_path):
    sink = EmfFiles(tmp_path / "signals", renderer())
    sink.write([record(1)])
    (tmp_path / "signals").rename(tmp_path / "old")
    assert sink.write([record(2)]) == 0
    assert numbers(tmp_path / "signals") == [2]


def test_a_disk_that_fills_up_in_a_line_leaves_whole_lines_and_an_exact_count(tmp_path):
    script = f"""
import resource
from pathlib import Path
from test_emf import EmfFiles, record, renderer
size = len(next(renderer().lines(record(11))))
resource.setrlimit(resource.RLIMIT_FSIZE, (size * 5 // 2, resource.RLIM_INFINITY))
sink = EmfFiles(Path({str(tmp_path)!r}), renderer())
first = sink.write([record(number) for number in (11, 12, 13, 14)])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(first, sink.write([record(15)]))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["2", "0"]
    assert numbers(tmp_path) == [11, 12, 15]


def test_a_full_device_costs_records_and_requests_go_on():
    with open("/dev/full", "w") as full:
        recorder = Recorder([EmfStream(full, renderer())])
        for _ in range(5):
            recorder.record(record())
        assert recorder.flush() == 5
        assert recorder.stats()[0].lost == {"sink": 5}
        recorder.close()


def test_a_closed_stream_and_a_reader_that_is_gone_cost_records():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        sink = EmfStream(stream, renderer())
        assert sink.write([record()]) == 1
    assert sink.write([record()]) == 1


def test_a_reader_that_stands_still_holds_up_nobody_and_loses_what_does_not_fit():
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    recorder = Recorder([EmfStream(stream, renderer())], capacity=100, interval_s=0.01, exit_deadline_s=0.1)
    for number in range(2000):
        recorder.record(record(number))
    assert recorder.flush(0.05) > 0
    texts: list[bytes] = []
    reader = threading.Thread(target=lambda: texts.extend(iter(lambda: os.read(reading, 65536), b"")))
    reader.start()
    dropped = recorder.flush(10)
    recorder.close()
    stream.close()
    reader.join(10)
    os.close(reading)
    lines = [emf_lines.parse(line) for line in b"".join(texts).splitlines()]
    carried = [line["drifted_count"] for line in lines if line["log_type"] == "drift_report"]
    told = sum(line["RecordsLost"] for line in lines if line["log_type"] == "signals_lost")
    assert len(carried) + dropped == 2000
    assert carried == sorted(set(carried))
    assert told == dropped


def test_standard_output_is_a_sink(capsys, tmp_path):
    sink = opened("emf:stdout", tmp_path)
    assert sink.write([record()]) == 0
    assert json.loads(capsys.readouterr().out)["EmbeddingDriftP95"] == 0.17


def test_lines_go_past_the_buffer_of_standard_output(capfd, tmp_path):
    sink = opened("emf:stdout", tmp_path)
    assert sink.write([record(7)]) == 0
    assert emf_lines.parse(capfd.readouterr().out)["drifted_count"] == 7
