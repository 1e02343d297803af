"""The example chat service on this machine, for `make chat` and `make up ARGS=--chat`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from kenshin.errors import BackendUnavailable, NotFound
from kenshin.runtime import Runtime
from kenshin.settings import Settings
from local_processes import free_port

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.append(str(CHECKOUT / "examples"))

from orchestrator.local import LocalChat  # noqa: E402

PORT = 8090
EXAMPLE_QUESTION = "How many topics can I create?"
"""The sample data answers it, so that what the stand-in quotes is to the point."""


def local_chat(home: Path, *, port: int = PORT) -> LocalChat:
    """The service and its stand-in over a folder of state, not yet started; another port where that one is taken."""
    return LocalChat(home, free_port(port))


def load_samples(home: Path, say: Callable[[str], None]) -> None:
    """Load the sample data, unless there is an index already.

    Raises:
        KenshinError: they could not be loaded, or the index does not answer.
    """
    runtime = Runtime(Settings.from_env({**os.environ, "KENSHIN_HOME": str(home.absolute())}))
    try:
        runtime.index().describe()
        return
    except NotFound:
        pass
    finally:
        runtime.close()
    say("Loading the sample data: 420 documents are embedded, which takes a minute …")
    command = [str(Path(sys.executable).with_name("kenshin")), "demo", "load"]
    environment = {**os.environ, "KENSHIN_HOME": str(home.absolute())}
    done = subprocess.run(command, env=environment, cwd=CHECKOUT, stdout=subprocess.DEVNULL)
    if done.returncode != 0:
        raise BackendUnavailable(
            value="kenshin demo load",
            reason=f"it ended with code {done.returncode}",
            mend="What it printed says why.",
        )


def introduce(chat: LocalChat, say: Callable[[str], None]) -> None:
    """Say where it is, and how to ask it."""
    say(f"\nThe chat service answers at {chat.url}")
    say(
        f"A stand-in plays the model, at {chat.bedrock_url}: it quotes sentences, and its words mean nothing."
    )
    body = f'{{"session_id": "me", "message": "{EXAMPLE_QUESTION}"}}'
    say(f"  curl -s {chat.url}/chat -H 'Content-Type: application/json' -d '{body}'")
    say(f"  curl -s {chat.url}/health")
