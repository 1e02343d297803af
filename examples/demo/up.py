"""Serve Airflow with Kenshin's DAGs on 127.0.0.1 until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
from pathlib import Path

from kenshin.errors import KenshinError
from local_airflow import ADMIN, CHECKOUT, VIEWER, LocalAirflow
from local_chat import introduce, load_samples, local_chat
from local_processes import undisturbed

PARSE_TIMEOUT_S = 30.0
CALIBRATION_DAG = "calibrate_tokens"


def main() -> int:
    """Start, say where and as whom to log in, wait, stop."""
    parser = argparse.ArgumentParser(prog="make up", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=8080, help="preferred port; another free one if it is taken"
    )
    parser.add_argument("--home", type=Path, default=CHECKOUT / "var", help="folder of all state")
    parser.add_argument(
        "--chat", action="store_true", help="the example chat service too, over the same state"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    airflow = LocalAirflow(
        arguments.home / "airflow", kenshin_home=arguments.home, port=arguments.port, settings=_given()
    )
    chat = local_chat(arguments.home) if arguments.chat else None
    code = 0
    try:
        if chat is not None:
            load_samples(arguments.home, _say)
            chat.start()
        airflow.start(_say)
        dags = _introduce(airflow)
        if chat is not None:
            introduce(chat, _say)
            if CALIBRATION_DAG in dags:
                # A paused DAG leaves a run that somebody triggers in the queue.
                airflow.api().unpause(CALIBRATION_DAG)
                _say(f"{CALIBRATION_DAG} is unpaused: it learns from what the stand-in reports as usage.")
        _say("Ctrl-C stops it.")
        while True:
            airflow.check()
            if chat is not None:
                chat.check()
            time.sleep(1)
    except KeyboardInterrupt:
        _say("\nStopping …")
    except KenshinError as error:
        print(error, file=sys.stderr)
        code = 1
    finally:
        with undisturbed():
            if chat is not None:
                chat.stop()
            airflow.stop()
    if code == 0:
        _say("Stopped.")
    return code


def _given() -> dict[str, str]:
    """Kenshin's settings of this shell, so that `make up` serves what they name."""
    own = ("KENSHIN_HOME", "KENSHIN_AIRFLOW_")
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("KENSHIN_") and not name.startswith(own)
    }


def _introduce(airflow: LocalAirflow) -> list[str]:
    """Say where it is and how to reach it; answers the DAGs that it has."""
    api, end = airflow.api(), time.monotonic() + PARSE_TIMEOUT_S
    expected = {path.stem for path in (CHECKOUT / "dags").glob("*.py")}
    while not expected <= set(dags := api.dag_ids()) and not api.import_errors() and time.monotonic() < end:
        airflow.check()
        time.sleep(0.5)
    _say(f"\nAirflow serves {', '.join(dags) or 'no DAGs yet'} at {airflow.url}")
    for problem in api.import_errors():
        _say(f"  cannot be imported: {problem}")
    for user, role in ((ADMIN, "may do everything"), (VIEWER, "may look")):
        _say(f"  {user:6} {airflow.passwords[user]}   ({role})")
    _say("For the command kenshin in another shell:")
    _say(
        f"  export KENSHIN_AIRFLOW_URL={airflow.url} KENSHIN_AIRFLOW_PASSWORD={shlex.quote(airflow.passwords[ADMIN])}"
    )
    return dags


def _say(text: str) -> None:
    print(text, flush=True)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
