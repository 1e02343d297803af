"""The service and a stand-in for the model API as processes of this machine, while a context lasts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import httpx

from kenshin.errors import BackendUnavailable

CHECKOUT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 45.0
"""A request at work may take its deadline; what is queued goes out after it."""
STAND_IN = ("--first-ms", "60", "--token-ms", "1.5", "--made-up", "0.04", "--off-schema", "0.03")


class LocalChat:
    """Both processes; they listen on 127.0.0.1 alone.

    Args:
        home: of Kenshin's state; an index must be there.
        port: of the service.
        settings: further variables of the service or of Kenshin.
        stand_in: arguments of the stand-in.
        log: where the service's log goes; None: to this process's standard error.
    """

    def __init__(
        self,
        home: Path,
        port: int,
        *,
        settings: Mapping[str, str] | None = None,
        stand_in: Sequence[str] = STAND_IN,
        log: Path | None = None,
    ) -> None:
        self.home = home.absolute()
        self.url = f"http://127.0.0.1:{port}"
        self.bedrock_url = ""
        self._port = port
        self._settings = dict(settings or {})
        self._stand_in_arguments = list(stand_in)
        self._log = log
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> LocalChat:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start both, and wait until the service answers.

        Raises:
            BackendUnavailable: one of them ended, or the service does not answer in time.
        """
        stand_in = self._launch(["peers.bedrock", *self._stand_in_arguments], {}, stdout=subprocess.PIPE)
        self.bedrock_url = stand_in.stdout.readline().strip() if stand_in.stdout else ""
        if not self.bedrock_url:
            raise _dead("the stand-in for the model API", stand_in.wait())
        service = {
            "KENSHIN_HOME": str(self.home),
            "ORCHESTRATOR_BEDROCK_URL": self.bedrock_url,
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "stand-in",
            "AWS_EC2_METADATA_DISABLED": "true",
            "no_proxy": _unproxied(),
            # Without it OpenBLAS starts a thread for each core, to multiply small matrices.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            **self._settings,
        }
        self._launch(["orchestrator", "--port", str(self._port)], service)
        self._await()

    def stop(self) -> None:
        """End both, the service first: what it has queued goes out."""
        for process in reversed(self._processes):
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        self._processes.clear()

    def check(self) -> None:
        """Raise BackendUnavailable where one of them has ended."""
        for process, name in zip(self._processes, ("the stand-in", "the service"), strict=False):
            if process.poll() is not None:
                raise _dead(name, process.returncode)

    def _launch(
        self, module: Sequence[str], settings: Mapping[str, str], stdout: int | None = None
    ) -> subprocess.Popen[str]:
        paths = [str(CHECKOUT / folder) for folder in ("examples", "tests", "plugins")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **settings}
        log = self._log.open("a") if self._log is not None and stdout is None else None
        process = subprocess.Popen(
            [sys.executable, "-m", *module], env=environment, stdout=stdout or log, stderr=log, text=True
        )
        if log is not None:
            log.close()
        self._processes.append(process)
        return process

    def _await(self) -> None:
        end = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end:
            self.check()
            try:
                if httpx.get(f"{self.url}/health", timeout=5, trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise BackendUnavailable(
            value=self.url,
            reason=f"no answer within {START_TIMEOUT_S:.0f} s",
            mend="Look at the service's log.",
        )


def _unproxied() -> str:
    """What this machine's proxy is not asked for, the stand-in too; of the two names the small one counts."""
    before = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    return f"{before},127.0.0.1" if before else "127.0.0.1"


def _dead(what: str, code: int) -> BackendUnavailable:
    return BackendUnavailable(
        value=what, reason=f"it ended with code {code}", mend="What it printed says why."
    )
