from __future__ import annotations

import pytest

COMMANDS = [
    [],
    ["experiments"],
    *(["experiments", name] for name in ("list", "create", "start", "stop", "show", "import")),
    ["drift"],
    *(["drift", name] for name in ("history", "backfill", "worst", "show", "check")),
    ["demo"],
    ["demo", "load"],
    ["doctor"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(kenshin, command):
    answer = kenshin(*command, "--help")
    assert answer.code == 0
    assert "Usage:" in answer.out
    if len(command) == 2 or command == ["doctor"]:
        assert "--json" in answer.out


def test_the_installed_command_runs_in_a_bare_environment(installed):
    done = installed("experiments", "list")
    assert done.returncode == 0, done.stderr
    assert "No experiments yet" in done.stdout
    assert installed("--version").stdout.startswith("kenshin ")


def test_a_bad_setting_ends_with_a_clear_word_and_no_traceback(installed, tmp_path):
    done = installed("experiments", "show", "../../etc")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "mend:" in done.stderr
