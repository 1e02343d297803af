"""Fifty requests a second for a minute, with faults: the breaker opens and recovers, and the signals are exact."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local_processes import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CHECKOUT = Path(__file__).resolve().parents[3]
SECONDS = 60


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the command says of its run; it ends with 0 only if every count is the same."""
    command = [sys.executable, "-m", "orchestrator.load", "--rate", "50", "--seconds", str(SECONDS)]
    command += ["--port", str(free_port(8091)), "--home", str(tmp_path_factory.mktemp("load") / "home")]
    command += ["--questions", "12", "--documents", "12"]
    path = f"{CHECKOUT / 'examples'}:{CHECKOUT / 'tests'}"
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=220, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    return done.stdout


def test_the_signals_tell_exactly_what_happened(printed: str) -> None:
    requests = int(re.search(r"^(\d+) requests \(", printed, re.MULTILINE)[1])  # type: ignore[index]
    assert requests > 0.9 * 50 * SECONDS
    assert "The signals tell exactly what happened." in printed
    for metric in ("SuccessCount", "ErrorCount", "ThrottleCount", "RetryCount"):
        own, other = re.search(rf"^  {metric} +(\d+) +(\d+)$", printed, re.MULTILINE).groups()  # type: ignore[union-attr]
        assert own == other
        assert int(own) > 0
    for code in (
        "ServiceUnavailableException",
        "ReadTimeoutError",
        "ProtocolError",
        "ModelStreamErrorException",
    ):
        assert re.search(rf"^  ErrorCount {code} +[1-9]", printed, re.MULTILINE), code


def test_the_breaker_opens_other_models_answer_and_it_closes_again(printed: str) -> None:
    states = re.findall(r"^ +([\d.]+)  (closed|half open|open)$", printed, re.MULTILINE)
    names = [name for _, name in states]
    assert names[0] == names[-1] == "closed"
    assert {"open", "half open"} <= set(names)
    assert 0.2 * SECONDS <= float(states[names.index("open")][0]) <= 0.42 * SECONDS
    answered = dict(re.findall(r"anthropic\.(claude-3-5-sonnet|claude-3-haiku)\S* (\d+)", printed))
    assert int(answered["claude-3-haiku"]) > 100
    served = int(re.search(r"(\d+) × 200", printed)[1])  # type: ignore[index]
    assert served > 0.9 * 50 * SECONDS


def test_the_added_time_is_stated(printed: str) -> None:
    rows = re.findall(r"^  one call, first try: (.+?) +(\d+) +([\d.]+) +([\d.]+)$", printed, re.MULTILINE)
    (_, *seen), (_, *inside) = rows
    assert int(seen[0]) == int(inside[0]) > 1000
    assert 0 < float(inside[1]) <= float(inside[2])
    # What the client waits for includes what the service took.
    assert float(seen[1]) >= float(inside[1])
