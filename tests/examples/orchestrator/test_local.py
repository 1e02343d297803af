from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from kenshin.errors import BackendUnavailable
from local_processes import free_port
from orchestrator.local import LocalChat


def test_without_an_index_the_service_says_so_and_nothing_is_left(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    with pytest.raises(BackendUnavailable, match="ended with code"):
        LocalChat(tmp_path / "home", free_port(8092), log=log).__enter__()
    assert "no such index" in log.read_text()
    left = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
    assert [command for command in left if "orchestrator" in command or "peers.bedrock" in command] == []


def test_a_stand_in_that_cannot_start_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable, match="stand-in"):
        LocalChat(tmp_path, free_port(8092), stand_in=["--faults", "none"]).__enter__()
