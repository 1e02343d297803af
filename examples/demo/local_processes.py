"""Processes and ports of this machine: whose a process is, which port is free, and stopping undisturbed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kenshin.errors import BackendUnavailable

MARK = "KENSHIN_LOCAL_AIRFLOW"
"""Variable that every process of a local Airflow inherits; it tells whose it is when its parent is gone."""


def free_port(preferred: int) -> int:
    """The preferred port where nothing listens on it, else one that the system gives."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise BackendUnavailable(value="127.0.0.1", reason="no free port", mend="Close something that listens.")


def living() -> Iterator[tuple[int, int, str]]:
    """Id, session (group where there is no /proc) and mark of every process that lives."""
    if Path("/proc/self/stat").exists():
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                with suppress(OSError):
                    state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
                    mark = mark_of(folder / "environ")
                    if state not in "ZX":
                        yield int(folder.name), int(session), mark
        return
    command = ["ps", "-A", "-E", "-ww", "-o", "pid=,pgid=,stat=,command="]
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        pid, group, state, *told = line.split(None, 3)
        if told and not state.startswith("Z"):
            yield int(pid), int(group), told[0].partition(f" {MARK}=")[2].partition(" ")[0]


def mark_of(environ: Path) -> str:
    """The mark in a process's environment; empty where there is none or it cannot be read."""
    with suppress(OSError):
        for setting in environ.read_bytes().split(b"\0"):
            if setting.startswith(MARK.encode() + b"="):
                return os.fsdecode(setting.partition(b"=")[2])
    return ""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Stopping takes seconds: a second Ctrl-C must not leave half of it running."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
