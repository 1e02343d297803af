"""One noun a module, DAG files that only wire: the sizes that keep a file readable in one sitting."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMITS = {"plugins": 400, "dags": 110, "examples": 400, "docker": 400}


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


EVERY_FILE = [(path, limit) for folder, limit in LIMITS.items() for path in files(folder)]


def label(value: object) -> str | None:
    return value.relative_to(ROOT).as_posix() if isinstance(value, Path) else None


def test_there_is_something_to_measure() -> None:
    assert files("plugins")


@pytest.mark.parametrize(("path", "limit"), EVERY_FILE, ids=label)
def test_a_file_stays_readable(path: Path, limit: int) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= limit, f"{label(path)} has {lines} lines, at most {limit} here: split it by noun"


@pytest.mark.parametrize("name", ["utils.py", "helpers.py", "common.py", "misc.py"])
def test_no_module_is_named_after_nothing(name: str) -> None:
    assert not [path for folder in LIMITS for path in files(folder) if path.name == name]
