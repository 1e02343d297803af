"""A real Airflow on this machine, for the demo, `make up` and tests.

Everything it writes lies under one folder, it listens on 127.0.0.1 alone, and it ends with the process that
started it. What a killed process left behind is ended by the next start from the same folder.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any

from kenshin.cli.airflow_api import AirflowApi
from kenshin.errors import BackendUnavailable, Conflict, KenshinError
from local_processes import MARK, free_port, living, undisturbed
from local_secrets import kept_secrets, write_private

CHECKOUT = Path(__file__).resolve().parents[2]
COMPONENTS = {
    # Logs are read from disk here; their servers would listen on all interfaces.
    "api-server": (),
    "scheduler": ("--skip-serve-logs",),
    "dag-processor": (),
    "triggerer": ("--skip-serve-logs",),
}
HEALTHY = ("metadatabase", "scheduler", "dag_processor", "triggerer")
ADMIN, VIEWER = "admin", "vera"
MOST_RESTARTS = 3
START_TIMEOUT_S = 240.0
STOP_TIMEOUT_S = 5.0
"""Patience with what is told to end: an idle triggerer and a task at work do not heed it, and wait for nothing."""


class LocalAirflow:
    """An Airflow that runs while the context lasts.

    Args:
        folder: home of its database, logs and secrets.
        kenshin_home: home of Kenshin's embedded state.
        dags: folder of DAG files.
        port: preferred port; another free one is taken where it is in use, and where it is 0.
        template: a migrated database to start from, made where it is missing; saves the migration.
        settings: further variables of Kenshin or Airflow, which win.
    """

    def __init__(
        self,
        folder: Path,
        *,
        kenshin_home: Path,
        dags: Path = CHECKOUT / "dags",
        port: int = 8080,
        template: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.kenshin_home = kenshin_home.absolute()
        self._preferred_port = port
        self._dags = dags.absolute()
        self._template = template
        self._extra = dict(settings or {})
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._handlers: dict[int, Any] = {}
        self._stopping = threading.Event()
        self._keeper: threading.Thread | None = None
        self.restarts = dict.fromkeys(COMPONENTS, 0)
        self._lock: IO[str] | None = None
        self._secrets = kept_secrets(self.folder)
        self._issuer = f"kenshin-{secrets.token_hex(8)}"
        self._take_port()

    @property
    def passwords(self) -> Mapping[str, str]:
        """Password by user: `ADMIN` may do everything, `VIEWER` may look."""
        return {ADMIN: self._secrets["admin_password"], VIEWER: self._secrets["viewer_password"]}

    def api(self, user: str = ADMIN) -> AirflowApi:
        """The REST API, seen by one of the users."""
        return AirflowApi(self.url, user, self.passwords[user])

    def __enter__(self) -> LocalAirflow:
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

    def start(self, say: Callable[[str], None] = lambda text: None) -> None:
        """Migrate the database where needed, start the four components, wait until all are healthy.

        A SIGTERM or SIGHUP becomes a KeyboardInterrupt from here to `stop`, so that a ``finally`` runs.

        Raises:
            BackendUnavailable: a component died or did not become healthy in time; the reason ends with its log.
            Conflict: another process runs an Airflow from this folder.
        """
        self._catch_signals()
        self._own_folder(say)
        self._prepare(say)
        say("Starting Airflow: " + ", ".join(COMPONENTS) + " …")
        began = datetime.now(UTC)
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        for component in COMPONENTS:
            (self.folder / "logs" / f"{component}.log").unlink(missing_ok=True)
            self._launch(component)
        self._await_health(began)
        self._stopping.clear()
        self._keeper = threading.Thread(target=self._keep_alive, name="local-airflow", daemon=True)
        self._keeper.start()

    def stop(self) -> None:
        """End the components and everything they started, their tasks included; returns when none of it is left.

        Raises:
            BackendUnavailable: a process survives even a kill.
        """
        with undisturbed():
            self._stopping.set()
            if self._keeper is not None:
                self._keeper.join()
                self._keeper = None
            left = self._end_all() if self._lock is not None else ()
            self._processes.clear()
            if self._lock is not None:
                self._lock.close()
                self._lock = None
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()
        if left:
            raise BackendUnavailable(
                value=f"processes {sorted(left)}", reason="they survive a kill", mend="Look at them with ps."
            )

    def check(self) -> None:
        """Raise BackendUnavailable where a component has died and is not started again."""
        for component, process in self._processes.items():
            kept = self._keeper is not None and self.restarts[component] < MOST_RESTARTS
            if process.poll() is not None and not kept:
                raise BackendUnavailable(
                    value=f"airflow {component}",
                    reason=f"ended with code {process.returncode}\n{self.log_tail(component)}",
                    mend=f"The whole log is in {self.folder / 'logs'}.",
                )

    def log_tail(self, component: str, lines: int = 25) -> str:
        """The last lines of a component's own log."""
        path = self.folder / "logs" / f"{component}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in this Airflow's environment, from the checkout; its output is captured."""
        return subprocess.run(
            command,
            env=self.environment,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    def processes(self) -> set[int]:
        """Ids of all processes that belong to this folder's Airflow: components, their workers, tasks."""
        sessions = {process.pid for process in self._processes.values()}
        return {pid for pid, session, mark in living() if session in sessions or mark == str(self.folder)} - {
            os.getpid()
        }

    def _launch(self, component: str) -> None:
        with (self.folder / "logs" / f"{component}.log").open("ab") as log:
            self._processes[component] = subprocess.Popen(
                [str(airflow_command()), component, *COMPONENTS[component]],
                env=self.environment,
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _keep_alive(self) -> None:
        # On SQLite, creating a backfill can meet the scheduler's own write; Airflow undoes the backfill under the
        # scheduler's feet, which ends it. A server would have its service manager start it again.
        while not self._stopping.wait(0.5):
            for component, process in list(self._processes.items()):
                if process.poll() is not None and self.restarts[component] < MOST_RESTARTS:
                    self.restarts[component] += 1
                    self._launch(component)

    def _end_all(self) -> set[int]:
        for number, patience in ((signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, 5.0)):
            told: set[int] = set()
            end = time.monotonic() + patience
            while time.monotonic() < end:
                for process in self._processes.values():
                    process.poll()
                left = self.processes()
                if not left:
                    return left
                for pid in left - told:
                    with suppress(ProcessLookupError):
                        os.kill(pid, number)
                told |= left
                time.sleep(0.1)
        return self.processes()

    def _own_folder(self, say: Callable[[str], None]) -> None:
        lock = (self.folder / "lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise Conflict(
                value=str(self.folder),
                reason="another process runs an Airflow from this folder",
                mend="Stop that one first (Ctrl-C where it runs).",
            ) from error
        self._lock = lock
        if self.processes():
            say("Ending what an earlier Airflow of this folder left behind …")
            self._end_all()
        self._take_port()

    def _take_port(self) -> None:
        self.port = free_port(self._preferred_port)
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {**_inherited(), **self._settings(), **self._extra}

    def _prepare(self, say: Callable[[str], None]) -> None:
        write_private(self.folder / "passwords.json", json.dumps(dict(self.passwords)))
        database, migrated = self.folder / "airflow.db", self.folder / "migrated"
        release = version("apache-airflow")
        if not database.exists() and self._template is not None and self._template.exists():
            _copy(self._template, database)
            migrated.write_text(release)
        if database.exists() and migrated.exists() and migrated.read_text() == release:
            return
        say("Preparing Airflow's database …")
        done = self.run(str(airflow_command()), "db", "migrate")
        if done.returncode != 0:
            raise BackendUnavailable(
                value=str(database),
                reason=f"Airflow cannot prepare its database\n{(done.stdout + done.stderr)[-2000:]}",
                mend="Delete the folder and try again.",
            )
        migrated.write_text(release)
        if self._template is not None and not self._template.exists():
            self._template.parent.mkdir(parents=True, exist_ok=True)
            _copy(database, self._template)

    def _await_health(self, began: datetime) -> None:
        api, end, missing = self.api(), time.monotonic() + START_TIMEOUT_S, "no answer"
        while time.monotonic() < end:
            self.check()
            try:
                missing = _ill(api.get_json("/api/v2/monitor/health"), began)
            except KenshinError as error:
                missing = error.reason
            if not missing:
                self._check_identity(api.token())
                return
            time.sleep(0.3)
        raise BackendUnavailable(
            value=self.url,
            reason=f"Airflow is not healthy after {START_TIMEOUT_S:.0f} s ({missing})\n"
            + "\n".join(f"{component}:\n{self.log_tail(component, 8)}" for component in COMPONENTS),
            mend=f"Look into {self.folder / 'logs'}.",
        )

    def _check_identity(self, token: str) -> None:
        # Each start has an issuer of its own, so a server that somebody else started cannot be mistaken for ours.
        claims = token.split(".")[1]
        issuer = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))).get("iss")
        if self._issuer not in (issuer if isinstance(issuer, list) else [issuer]):
            raise Conflict(
                value=self.url,
                reason="the Airflow that answers is not the one that was started",
                mend="Stop the other one, or take another port.",
            )

    def _catch_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                self._handlers[number] = signal.signal(number, _interrupt)

    def _scratch(self) -> Path:
        # Inside the folder, unless its path is too long for the Unix sockets that are made there.
        scratch = self.folder / "tmp"
        if len(str(scratch)) > 60:
            return Path(tempfile.gettempdir())
        scratch.mkdir(parents=True, exist_ok=True)
        return scratch

    def _settings(self) -> dict[str, str]:
        return {
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__SECRET_KEY": self._secrets["api_secret_key"],
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_ISSUER": self._issuer,
            "AIRFLOW__API_AUTH__JWT_SECRET": self._secrets["jwt_secret"],
            "AIRFLOW__CORE__DAGS_FOLDER": str(self._dags),
            "AIRFLOW__CORE__DEFAULT_TIMEZONE": "Asia/Tokyo",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__FERNET_KEY": self._secrets["fernet_key"],
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(CHECKOUT / "plugins"),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.folder / "passwords.json"),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin,{VIEWER}:viewer",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.folder / 'airflow.db'}?timeout=60",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.folder / "logs"),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
            "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "1",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "KENSHIN_HOME": str(self.kenshin_home),
            "KENSHIN_AIRFLOW_URL": self.url,
            "KENSHIN_AIRFLOW_USER": ADMIN,
            "KENSHIN_AIRFLOW_PASSWORD": self.passwords[ADMIN],
            MARK: str(self.folder),
            "OMP_NUM_THREADS": "1",
            "TMPDIR": str(self._scratch()),
            "PATH": f"{airflow_command().parent}{os.pathsep}{os.environ.get('PATH', '')}",
            # Airflow renames its processes, which would overwrite the environment that carries the mark.
            "SPT_NOENV": "1",
        }


def airflow_command() -> Path:
    """Airflow's command of the environment that runs this."""
    return Path(sys.executable).with_name("airflow")


def template_database() -> Path:
    """Where a migrated database of the installed Airflow is kept for tests to copy."""
    return CHECKOUT / "var" / f"airflow-{version('apache-airflow')}.db"


def _ill(health: Mapping[str, Any], began: datetime) -> str:
    """Which components are not healthy yet; a heartbeat from before the start is somebody else's."""
    waiting = []
    for name in HEALTHY:
        part = health.get(name) or {}
        beat = part.get(f"latest_{name}_heartbeat")
        if part.get("status") != "healthy" or (beat is not None and datetime.fromisoformat(beat) < began):
            waiting.append(f"{name}: {part.get('status')}")
    return ", ".join(waiting)


def _inherited() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "KENSHIN_")) or name.startswith("AIRFLOW_CONN_")
    }
    # Tasks ask the API server on this machine, which no proxy reaches.
    for name in ("no_proxy", "NO_PROXY"):
        kept[name] = ",".join(filter(None, (kept.get(name), "127.0.0.1", "localhost")))
    return kept


def _copy(source: Path, target: Path) -> None:
    draft = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copy(source, draft)
    draft.replace(target)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
