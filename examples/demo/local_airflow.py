"""A real Airflow on this machine: scheduler, API server, DAG processor and triggerer, for the demo, `make up` and tests.

Everything it writes lies under one folder, it listens on 127.0.0.1 alone, and it ends with the process that started it.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from kenshin.cli.airflow_api import AirflowApi
from kenshin.errors import BackendUnavailable, KenshinError

CHECKOUT = Path(__file__).resolve().parents[2]
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
HEALTHY = ("metadatabase", "scheduler", "dag_processor", "triggerer")
ADMIN, VIEWER = "admin", "vera"
START_TIMEOUT_S = 240.0
STOP_TIMEOUT_S = 30.0


class LocalAirflow:
    """An Airflow that runs while the context lasts.

    Args:
        folder: home of its database, logs and secrets.
        kenshin_home: home of Kenshin's embedded state.
        dags: folder of DAG files.
        port: preferred port; another free one is taken where it is in use.
        template: a migrated database to start from, made where it is missing; saves the migration.
    """

    def __init__(
        self,
        folder: Path,
        *,
        kenshin_home: Path,
        dags: Path = CHECKOUT / "dags",
        port: int = 8080,
        template: Path | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.kenshin_home = kenshin_home.absolute()
        self.port = free_port(port)
        self.url = f"http://127.0.0.1:{self.port}"
        self._dags = dags.absolute()
        self._template = template
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._secrets = _secrets(self.folder)
        self.environment = {**_inherited(), **self._settings()}

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

        Raises:
            BackendUnavailable: a component died or did not become healthy in time; the reason ends with its log.
        """
        self._prepare(say)
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        for component in COMPONENTS:
            with (self.folder / "logs" / f"{component}.log").open("wb") as log:
                self._processes[component] = subprocess.Popen(
                    [str(airflow_command()), component],
                    env=self.environment,
                    cwd=CHECKOUT,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        self._await_health(say)

    def stop(self) -> None:
        """End the components and everything they started; returns when none of it is left."""
        groups = [process.pid for process in self._processes.values()]
        members = {pid for group in groups for pid in _members(group)}
        _signal(groups, signal.SIGTERM)
        end = time.monotonic() + STOP_TIMEOUT_S
        while time.monotonic() < end and any(_members(group) for group in groups):
            for process in self._processes.values():
                process.poll()
            time.sleep(0.1)
        _signal(groups, signal.SIGKILL)
        for process in self._processes.values():
            process.wait()
        for pid in members:
            _kill_orphan(pid, self.folder)
        self._processes.clear()

    def check(self) -> None:
        """Raise BackendUnavailable where a component has died."""
        for component, process in self._processes.items():
            if process.poll() is not None:
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

    def _prepare(self, say: Callable[[str], None]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        users = self.folder / "passwords.json"
        _write_private(users, json.dumps(dict(self.passwords)))
        database = self.folder / "airflow.db"
        if not database.exists() and self._template is not None and self._template.exists():
            shutil.copy(self._template, database)
            return
        say("Preparing Airflow's database …")
        done = self.run(str(airflow_command()), "db", "migrate")
        if done.returncode != 0:
            raise BackendUnavailable(
                value=str(database),
                reason=f"Airflow cannot prepare its database\n{(done.stdout + done.stderr)[-2000:]}",
                mend="Delete the folder and try again.",
            )
        if self._template is not None and not self._template.exists():
            self._template.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(database, self._template)

    def _await_health(self, say: Callable[[str], None]) -> None:
        say("Starting Airflow: " + ", ".join(COMPONENTS) + " …")
        api, end, states = self.api(), time.monotonic() + START_TIMEOUT_S, {}
        while time.monotonic() < end:
            self.check()
            try:
                states = api.health()
                if all(states.get(name) == "healthy" for name in HEALTHY):
                    api.dag_ids()
                    return
            except KenshinError as error:
                states = {"api_server": error.reason}
            time.sleep(0.5)
        raise BackendUnavailable(
            value=self.url,
            reason=f"Airflow is not healthy after {START_TIMEOUT_S:.0f} s ({states})",
            mend=f"Look into {self.folder / 'logs'}.",
        )

    def _settings(self) -> dict[str, str]:
        return {
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__SECRET_KEY": self._secrets["api_secret_key"],
            "AIRFLOW__API__WORKERS": "1",
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
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.folder / 'airflow.db'}",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.folder / "logs"),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "1",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "KENSHIN_HOME": str(self.kenshin_home),
            "KENSHIN_AIRFLOW_URL": self.url,
            "KENSHIN_AIRFLOW_USER": ADMIN,
            "KENSHIN_AIRFLOW_PASSWORD": self.passwords[ADMIN],
            "OMP_NUM_THREADS": "1",
            "PATH": f"{airflow_command().parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }


def airflow_command() -> Path:
    """Airflow's command of the environment that runs this."""
    return Path(sys.executable).with_name("airflow")


def free_port(preferred: int) -> int:
    """The preferred port where nothing listens on it, else one that the system gives."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise BackendUnavailable(value="127.0.0.1", reason="no free port", mend="Close something that listens.")


def _inherited() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "KENSHIN_")) or name.startswith("AIRFLOW_CONN_")
    }


def _secrets(folder: Path) -> dict[str, str]:
    path = folder / "secrets.json"
    if path.exists():
        return dict(json.loads(path.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "admin_password": secrets.token_urlsafe(12),
        "viewer_password": secrets.token_urlsafe(12),
        "api_secret_key": secrets.token_urlsafe(32),
        "jwt_secret": secrets.token_urlsafe(72),
        "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }
    _write_private(path, json.dumps(made))
    return made


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600, exist_ok=True)
    path.write_text(text)


def _members(group: int) -> list[int]:
    found = subprocess.run(
        ["ps", "-A", "-o", "pid=,pgid=,sess=,stat="], capture_output=True, text=True, check=True
    )
    rows = (line.split() for line in found.stdout.splitlines())
    return [int(row[0]) for row in rows if str(group) in (row[1], row[2]) and not row[3].startswith("Z")]


def _signal(groups: list[int], number: int) -> None:
    for group in groups:
        for pid in _members(group):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def _kill_orphan(pid: int, folder: Path) -> None:
    # A task's process may have made a session of its own; its environment tells whose it is.
    try:
        if str(folder).encode() in Path(f"/proc/{pid}/environ").read_bytes():
            os.kill(pid, signal.SIGKILL)
    except (OSError, ProcessLookupError):
        return
