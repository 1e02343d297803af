"""Whether `make chat` and `make up ARGS=--chat` load the sample data; the loading itself is the command's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import local_chat
from kenshin.current import use
from kenshin.errors import BackendUnavailable
from kenshin.runtime import Runtime
from kenshin.settings import Settings
from local_chat import load_samples
from orchestrator.load.corpus import load_corpus


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command of the test's own in kenshin's stead, which writes down what it was asked; its exit code is EXIT."""
    note, command = tmp_path / "asked", tmp_path / "bin" / "kenshin"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\necho "$KENSHIN_HOME $*" >> {note}\nexit ${{EXIT:-0}}\n')
    command.chmod(0o700)
    monkeypatch.setattr(local_chat.sys, "executable", os.fspath(command.with_name("python")))
    return note


def test_samples_are_loaded_where_there_is_no_index_though_there_may_be_a_file(
    tmp_path: Path, asked: Path
) -> None:
    home, said = tmp_path / "home", list[str]()
    home.mkdir()
    (home / "index.db").touch()
    load_samples(home, said.append)
    assert asked.read_text() == f"{home} demo load\n"
    assert len(said) == 1


def test_an_index_is_left_as_it_is(tmp_path: Path, asked: Path) -> None:
    home = tmp_path / "home"
    runtime = Runtime(Settings.from_env({"KENSHIN_HOME": os.fspath(home)}))
    with use(runtime):
        load_corpus(runtime, 1)
    runtime.close()
    load_samples(home, pytest.fail)
    assert not asked.exists()


def test_a_load_that_fails_is_said_to_have_failed(
    tmp_path: Path, asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXIT", "3")
    with pytest.raises(BackendUnavailable, match="code 3"):
        load_samples(tmp_path / "home", lambda text: None)
    assert asked.exists()
