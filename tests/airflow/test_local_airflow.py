"""The local Airflow: whole, reachable from this machine alone, and gone when it is stopped."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import signal
import socket
import stat
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kenshin.cli.airflow_api import AirflowApi
from kenshin.errors import BackendUnavailable, Conflict
from local_airflow import ADMIN, CHECKOUT, HEALTHY, LocalAirflow
from local_processes import MARK, free_port

TOKYO = ZoneInfo("Asia/Tokyo")
DRIFT = "embedding_drift"
UP_TIMEOUT_S = 200.0


def await_dag(api: AirflowApi, dag_id: str) -> None:
    end = time.monotonic() + 60
    while dag_id not in api.dag_ids():
        assert api.import_errors() == []
        assert time.monotonic() < end, f"{dag_id} is not parsed"
        time.sleep(0.3)


def test_all_components_are_healthy(airflow: LocalAirflow, admin: AirflowApi) -> None:
    assert {name: admin.health()[name] for name in HEALTHY} == dict.fromkeys(HEALTHY, "healthy")
    airflow.check()


def test_every_dag_and_plugin_loads(admin: AirflowApi) -> None:
    for dag_id in (DRIFT, "calibrate_tokens"):
        await_dag(admin, dag_id)
    assert admin.import_errors() == []
    assert admin.plugin_errors() == []
    plugins = admin.get_json("/api/v2/plugins")["plugins"]
    assert "kenshin" in [plugin["name"] for plugin in plugins]


def test_a_component_that_dies_is_started_again(airflow: LocalAirflow, admin: AirflowApi) -> None:
    before = airflow.restarts["triggerer"]
    os.kill(airflow._processes["triggerer"].pid, signal.SIGKILL)
    end = time.monotonic() + 60
    while airflow.restarts["triggerer"] == before or admin.health()["triggerer"] != "healthy":
        assert time.monotonic() < end
        time.sleep(0.3)
    airflow.check()


def test_a_viewer_looks_and_may_not_trigger(admin: AirflowApi, viewer: AirflowApi) -> None:
    await_dag(admin, DRIFT)
    assert DRIFT in viewer.dag_ids()
    with pytest.raises(BackendUnavailable, match="403"):
        viewer.trigger(DRIFT, {})


def test_a_backfill_is_planned_for_exactly_the_days_asked_for(admin: AirflowApi) -> None:
    await_dag(admin, DRIFT)
    first, last = date(2026, 2, 27), date(2026, 3, 2)
    planned = admin.dry_run_backfill(DRIFT, first, last, TOKYO)
    days = [instant.astimezone(TOKYO).date() for instant in planned]
    assert days == [date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 2)]
    (only,) = admin.dry_run_backfill(DRIFT, first, first, TOKYO)
    assert only.astimezone(TOKYO).isoformat() == "2026-02-27T03:00:00+09:00"


def test_secrets_are_for_the_owner_alone(airflow: LocalAirflow) -> None:
    for name in ("secrets.json", "passwords.json"):
        assert stat.S_IMODE((airflow.folder / name).stat().st_mode) == 0o600, name
    assert len(json.loads((airflow.folder / "secrets.json").read_text())["jwt_secret"]) >= 64


def test_a_second_airflow_of_the_same_folder_is_refused_and_the_first_goes_on(
    airflow: LocalAirflow, admin: AirflowApi
) -> None:
    second = LocalAirflow(airflow.folder, kenshin_home=airflow.kenshin_home)
    with pytest.raises(Conflict, match="another process"), second:
        pass
    airflow.check()
    assert admin.health()["scheduler"] == "healthy"


def test_what_a_killed_parent_left_behind_is_ended_by_the_next_start(tmp_path: Path) -> None:
    airflow = LocalAirflow(tmp_path / "airflow", kenshin_home=tmp_path)
    left = subprocess.Popen(
        ["sleep", "300"], env={**os.environ, MARK: str(airflow.folder)}, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 10
        while left.pid not in airflow.processes():
            assert time.monotonic() < deadline
        airflow._own_folder(lambda text: None)
        airflow.stop()
        assert left.wait(5) == -signal.SIGTERM
    finally:
        left.kill()
        left.wait()


def test_it_serves_on_another_port_where_8080_is_taken_and_a_signal_ends_all_of_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        occupied = taken.getsockname()[1]
        up = subprocess.Popen(
            [sys.executable, "examples/demo/up.py", "--port", str(occupied), "--home", str(tmp_path)],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        marked = LocalAirflow(tmp_path / "airflow", kenshin_home=tmp_path)
        try:
            told = _read_until(up, "Ctrl-C stops it.")
            port = int(re.search(r"http://127\.0\.0\.1:(\d+)", told).group(1))  # type: ignore[union-attr]
            assert port != occupied
            assert all(password in told for password in marked.passwords.values())
            line = f"export KENSHIN_AIRFLOW_URL=http://127.0.0.1:{port} KENSHIN_AIRFLOW_PASSWORD="
            assert f"{line}{shlex.quote(marked.passwords[ADMIN])}\n" in told
            started = marked.processes()
            assert len(started) >= 4
            assert listening(started) <= {f"127.0.0.1:{port}"}
        finally:
            up.send_signal(signal.SIGTERM)
            code = up.wait(60)
        assert code == 0
        assert up.stdout is not None
        assert up.stdout.read().endswith("\nStopped.\n")
        assert marked.processes() == set()
        assert free_port(port) == port
        with (tmp_path / "airflow" / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def listening(pids: set[int]) -> set[str]:
    """Addresses on which any of these processes listens, as far as /proc tells."""
    sockets: set[str] = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").glob("*"):
            found = re.match(r"socket:\[(\d+)\]", os.readlink(entry)) if entry.is_symlink() else None
            if found:
                sockets.add(found.group(1))
    addresses = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for row in table.read_text().splitlines()[1:] if table.exists() else ():
            columns = row.split()
            if columns[3] == "0A" and columns[9] in sockets:
                host, _, port = columns[1].partition(":")
                name = (
                    ".".join(str(byte) for byte in reversed(bytes.fromhex(host))) if len(host) == 8 else host
                )
                addresses.add(f"{name}:{int(port, 16)}")
    return addresses


def _read_until(process: subprocess.Popen[str], last: str) -> str:
    told = ""
    deadline = time.monotonic() + UP_TIMEOUT_S
    assert process.stdout is not None
    for line in process.stdout:
        told += line
        if last in line:
            return told
        assert time.monotonic() < deadline, told
    raise AssertionError(f"it ended early:\n{told}")
