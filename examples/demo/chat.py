"""Serve the example chat service on 127.0.0.1 until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from kenshin.errors import KenshinError
from local_chat import CHECKOUT, PORT, introduce, load_samples, local_chat


def main() -> int:
    """Start, say where, wait, stop."""
    parser = argparse.ArgumentParser(prog="make chat", description=__doc__)
    parser.add_argument("--port", type=int, default=PORT, help="preferred; another free one if it is taken")
    parser.add_argument("--home", type=Path, default=CHECKOUT / "var", help="folder of all state")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        load_samples(arguments.home, _say)
        with local_chat(arguments.home, port=arguments.port) as chat:
            introduce(chat, _say)
            _say("Ctrl-C stops it.")
            while True:
                chat.check()
                time.sleep(1)
    except KeyboardInterrupt:
        _say("\nStopped.")
        return 0
    except KenshinError as error:
        print(error, file=sys.stderr)
        return 1


def _say(text: str) -> None:
    print(text, flush=True)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
