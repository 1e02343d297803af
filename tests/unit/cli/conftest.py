from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kenshin.cli import output
from kenshin.cli.app import run
from kenshin.current import use
from kenshin.runtime import Runtime
from kenshin.settings import Settings

CHECKOUT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Answer:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    made = Runtime(
        Settings.from_env(
            {
                "KENSHIN_HOME": str(tmp_path / "home"),
                "KENSHIN_AIRFLOW_URL": "http://127.0.0.1:9",
            }
        )
    )
    with use(made):
        yield made
    made.close()


@pytest.fixture
def kenshin(runtime: Runtime, capsys: pytest.CaptureFixture[str], monkeypatch) -> Callable[..., Answer]:
    """Run the command in this process, on the runtime of the test."""

    def call(*arguments: object) -> Answer:
        words = [str(each) for each in arguments]
        monkeypatch.setattr(sys, "argv", ["kenshin", *words])
        code: object = 0
        try:
            run()
        except SystemExit as end:
            code = end.code
        captured = capsys.readouterr()
        return Answer(code if isinstance(code, int) else 0 if code is None else 1, captured.out, captured.err)

    return call


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed goes to a terminal of 80 columns."""
    monkeypatch.setattr(output.console, "_force_terminal", True)
    monkeypatch.setattr(output.console, "_width", 80)


@pytest.fixture
def installed(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the installed command in a process of its own."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("kenshin")), *arguments]
        environment = {"KENSHIN_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin", "COLUMNS": "160"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=CHECKOUT)

    return call
