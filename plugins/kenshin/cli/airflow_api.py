"""The few calls of Airflow's REST API (v2) that Kenshin makes: runs, backfills, logs. Standard library alone."""

from __future__ import annotations

import json
import time as clock
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from kenshin.errors import BackendUnavailable, Conflict, InvalidInput, NotFound, SettingError

FINISHED = frozenset({"success", "failed"})
PAGE = 100  # Airflow silently cuts longer pages to its maximum_page_limit.
CLOSING_S = 45.0  # The scheduler closes a finished backfill every 30 s, and refuses another until then.


@dataclass(frozen=True, slots=True)
class Run:
    """A DAG run: its id, state, logical date (None for some manual runs) and how it came about."""

    run_id: str
    state: str
    logical_date: datetime | None
    run_type: str


@dataclass(frozen=True, slots=True)
class TaskInstance:
    """One task of a run; `map_index` is -1 where the task is not mapped."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int


@dataclass(frozen=True, slots=True)
class Backfill:
    """A backfill as Airflow accepted it; the instants are UTC.

    Args:
        backfill_id: its id; None where no day was left to run, so that none was made.
        dag_id: which DAG.
        from_date: first instant asked for.
        to_date: last instant asked for.
        completed: whether Airflow has seen it through.
        created: logical dates of the runs that it made or cleared.
        skipped: days asked for that it does not run: they ran before, are at work, or have no run yet.
    """

    backfill_id: int | None
    dag_id: str
    from_date: datetime
    to_date: datetime
    completed: bool
    created: Sequence[datetime] = ()
    skipped: Sequence[date] = ()


class DatabaseLocked(BackendUnavailable):
    """Airflow's SQLite is busy; what was asked was undone and may be asked again."""


class AirflowApi:
    """Airflow's API server, seen by one user.

    Args:
        base_url: e.g. ``http://127.0.0.1:8080``.
        username: who asks.
        password: its password; exchanged for a token on first use, and again when the token has run out.
        token: a token to begin with.
        timeout_s: how long one call may take, in seconds.

    Raises:
        SettingError: the address is no http(s) URL.
    """

    def __init__(
        self,
        base_url: str,
        username: str,
        password: str,
        *,
        token: str | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        address = urlsplit(base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise SettingError(
                value=base_url, reason="no address of Airflow", mend="Use e.g. http://127.0.0.1:8080."
            )
        self._base_url = base_url.rstrip("/")
        self._username = username
        self._password = password
        self._timeout_s = timeout_s
        self._token = token
        # A proxy named in the environment does not lead to this machine itself.
        local = address.hostname in ("localhost", "127.0.0.1", "::1")
        self._open = build_opener(*([ProxyHandler({})] if local else [])).open

    def token(self) -> str:
        """The token in use; asks for one where there is none yet."""
        return self._token or self._log_in()

    def get_json(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Read any resource, e.g. ``/api/v2/pools``."""
        return self._send("GET", f"{path}?{urlencode(query, doseq=True)}" if query else path)

    def post_json(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make any resource."""
        return self._send("POST", path, body)

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change any resource."""
        return self._send("PATCH", path, body)

    def health(self) -> dict[str, str]:
        """Status by component: metadatabase, scheduler, triggerer, dag_processor."""
        body = self._send("GET", "/api/v2/monitor/health", None, authenticated=False)
        return {name: str((part or {}).get("status")) for name, part in body.items()}

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run a DAG; raises NotFound."""
        self.patch(f"/api/v2/dags/{quote(dag_id)}?update_mask=is_paused", {"is_paused": False})

    def dag_ids(self) -> list[str]:
        """The DAGs that Airflow has parsed."""
        return sorted(dag["dag_id"] for dag in self._pages("/api/v2/dags", "dags", {"order_by": "dag_id"}))

    def trigger(self, dag_id: str, conf: Mapping[str, Any], *, logical_date: datetime | None = None) -> Run:
        """Start a run by hand.

        Raises:
            InvalidInput: the DAG refuses the parameters.
            Conflict: there is a run of this logical date.
        """
        body = {
            "conf": dict(conf),
            "logical_date": None if logical_date is None else logical_date.isoformat(),
        }
        return _run(self.post_json(f"/api/v2/dags/{quote(dag_id)}/dagRuns", body))

    def run(self, dag_id: str, run_id: str) -> Run:
        """A run as it stands; raises NotFound."""
        return _run(self.get_json(f"/api/v2/dags/{quote(dag_id)}/dagRuns/{quote(run_id)}"))

    def task_instances(self, dag_id: str, run_id: str) -> Sequence[TaskInstance]:
        """The tasks of a run, mapped ones each by itself."""
        path = f"/api/v2/dags/{quote(dag_id)}/dagRuns/{quote(run_id)}/taskInstances"
        return [
            TaskInstance(each["task_id"], each["map_index"], each["state"], each["try_number"])
            for each in self._pages(path, "task_instances", {"order_by": "id"})
        ]

    def log_tail(self, dag_id: str, run_id: str, task: TaskInstance, *, lines: int = 40) -> str:
        """The last lines of a task's log."""
        path = (
            f"/api/v2/dags/{quote(dag_id)}/dagRuns/{quote(run_id)}/taskInstances/{quote(task.task_id)}"
            f"/logs/{max(task.try_number, 1)}"
        )
        query = {"map_index": task.map_index, "full_content": "true"}
        content = self.get_json(path, query).get("content") or []
        return "\n".join([line for entry in content for line in _log_lines(entry)][-lines:])

    def import_errors(self) -> list[str]:
        """DAG files that Airflow cannot import, with the reason."""
        body = self.get_json("/api/v2/importErrors")
        return [f"{each['filename']}: {each['stack_trace']}" for each in body["import_errors"]]

    def plugin_errors(self) -> list[str]:
        """Plugins that Airflow cannot load, with the reason."""
        body = self.get_json("/api/v2/plugins/importErrors")
        return [f"{each['source']}: {each['error']}" for each in body["import_errors"]]

    def create_backfill(
        self,
        dag_id: str,
        first: date,
        last: date,
        zone: tzinfo,
        *,
        conf: Mapping[str, Any] | None = None,
        max_active_runs: int = 1,
        reprocess: str = "none",
    ) -> Backfill:
        """Backfill whole days of a zone, both included.

        Args:
            dag_id: which DAG.
            first: first day.
            last: last day, included: Airflow gets its last second, since a bare date would leave its run out.
            zone: whose days these are.
            conf: parameters of every run.
            max_active_runs: days at work at the same time.
            reprocess: what becomes of days that ran: none, failed or completed.

        Returns:
            What Airflow made of it. Days that ran before do not run again unless `reprocess` says so: they are
            `skipped`.

        Raises:
            Conflict: a backfill of this DAG is under way, or the DAG is paused, so that its runs would wait.
            InvalidInput: the DAG refuses the parameters or has no run in these days.
        """
        begin, end = whole_days(first, last, zone)
        created = tuple(self.dry_run_backfill(dag_id, first, last, zone, reprocess=reprocess))
        ran = {instant.astimezone(zone).date() for instant in created}
        skipped = tuple(day for day in _days(first, last) if day not in ran)
        if not created:
            return Backfill(None, dag_id, begin.astimezone(UTC), end.astimezone(UTC), True, (), skipped)
        if self.get_json(f"/api/v2/dags/{quote(dag_id)}")["is_paused"]:
            raise Conflict(value=dag_id, reason="the DAG is paused", mend="Switch it on in Airflow first.")
        body = {
            **_range(dag_id, first, last, zone, reprocess),
            "dag_run_conf": dict(conf or {}),
            "max_active_runs": max_active_runs,
        }
        made = _backfill(self._post_backfill(dag_id, body))
        return replace(made, created=created, skipped=skipped)

    def _post_backfill(self, dag_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
        end = clock.monotonic() + CLOSING_S
        under_way = {"run_type": "backfill", "state": ["queued", "running"], "limit": 1}
        while True:
            try:
                return self.post_json("/api/v2/backfills", body)
            except Conflict:
                runs = self.get_json(f"/api/v2/dags/{quote(dag_id)}/dagRuns", under_way)["dag_runs"]
                if runs or clock.monotonic() > end:
                    raise
            except DatabaseLocked:
                if clock.monotonic() > end:
                    raise
            clock.sleep(1.0)

    def dry_run_backfill(
        self, dag_id: str, first: date, last: date, zone: tzinfo, *, reprocess: str = "none"
    ) -> Sequence[datetime]:
        """The logical dates that such a backfill would run."""
        body = self.post_json("/api/v2/backfills/dry_run", _range(dag_id, first, last, zone, reprocess))
        return [datetime.fromisoformat(each["logical_date"]) for each in body["backfills"]]

    def backfill(self, backfill_id: int) -> Backfill:
        """A backfill as it stands; raises NotFound."""
        return _backfill(self.get_json(f"/api/v2/backfills/{backfill_id}"))

    def backfill_runs(self, made: Backfill) -> Sequence[Run]:
        """The runs that a backfill made or cleared, in order; those of skipped days are not among them."""
        runs = self.runs_between(made.dag_id, made.from_date, made.to_date)
        return [run for run in runs if run.logical_date in set(made.created)]

    def runs_between(self, dag_id: str, first: datetime, last: datetime) -> Sequence[Run]:
        """The runs whose logical dates lie between two instants, both included, in order."""
        query = {
            "logical_date_gte": first.isoformat(),
            "logical_date_lte": last.isoformat(),
            "order_by": "logical_date",
        }
        return [
            _run(each) for each in self._pages(f"/api/v2/dags/{quote(dag_id)}/dagRuns", "dag_runs", query)
        ]

    def _pages(self, path: str, key: str, query: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        offset = 0
        while page := self.get_json(path, {**query, "limit": PAGE, "offset": offset})[key]:
            yield from page
            offset += len(page)
            if len(page) < PAGE:
                return

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, authenticated: bool = True
    ) -> dict[str, Any]:
        for attempt in (1, 2):
            headers = {"Accept": "application/json", "Content-Type": "application/json"}
            if authenticated:
                headers["Authorization"] = f"Bearer {self.token()}"
            data = None if body is None else json.dumps(body).encode()
            request = Request(self._base_url + path, data=data, headers=headers, method=method)  # noqa: S310
            try:
                with self._open(request, timeout=self._timeout_s) as answer:
                    content = answer.read()
                    return dict(json.loads(content)) if content else {}
            except HTTPError as error:
                if error.code == 401 and authenticated and attempt == 1:
                    self._token = None
                    continue
                raise self._refused(method, path, error) from error
            except (OSError, HTTPException, ValueError) as error:
                raise BackendUnavailable(
                    value=self._base_url,
                    reason=f"Airflow does not answer ({error})",
                    mend="Start it (make up), or set KENSHIN_AIRFLOW_URL.",
                ) from error
        raise AssertionError("unreachable")

    def _log_in(self) -> str:
        credentials = {"username": self._username, "password": self._password}
        token = str(self._send("POST", "/auth/token", credentials, authenticated=False)["access_token"])
        self._token = token
        return token

    def _refused(self, method: str, path: str, error: HTTPError) -> Exception:
        try:
            detail = json.loads(error.read()).get("detail")
        except (ValueError, OSError, AttributeError):
            detail = None
        reason = f"Airflow answered {error.code}: {_as_text(detail) or error.reason}"
        value = f"{method} {path.partition('?')[0]}"
        if error.code in (401, 403) or path == "/auth/token":
            return BackendUnavailable(
                value=f"{self._username} at {self._base_url}",
                reason=reason,
                mend="Set KENSHIN_AIRFLOW_USER and KENSHIN_AIRFLOW_PASSWORD to a user who may do this.",
            )
        if error.code == 404:
            return NotFound(
                value=value, reason=reason, mend="Check the name, and whether Airflow has parsed the DAG."
            )
        if error.code == 409:
            return Conflict(
                value=value, reason=reason, mend="Wait until it is done, or look at it in Airflow."
            )
        if error.code == 503 and "locked" in reason:
            return DatabaseLocked(
                value=value, reason=reason, mend="Try again; a server database does not do this."
            )
        if error.code < 500:
            return InvalidInput(value=value, reason=reason, mend="Correct the parameters.")
        return BackendUnavailable(value=value, reason=reason, mend="See Airflow's own log.")


def whole_days(first: date, last: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """The first instant of the first day and the last second of the last one."""
    return datetime.combine(first, time.min, tzinfo=zone), datetime.combine(
        last, time(23, 59, 59), tzinfo=zone
    )


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=each) for each in range((last - first).days + 1))


def _range(dag_id: str, first: date, last: date, zone: tzinfo, reprocess: str) -> dict[str, Any]:
    begin, end = whole_days(first, last, zone)
    return {
        "dag_id": dag_id,
        "from_date": begin.isoformat(),
        "to_date": end.isoformat(),
        "run_backwards": False,
        "reprocess_behavior": reprocess,
    }


def _run(body: Mapping[str, Any]) -> Run:
    logical = body["logical_date"]
    return Run(
        run_id=body["dag_run_id"],
        state=body["state"],
        logical_date=None if logical is None else datetime.fromisoformat(logical),
        run_type=body["run_type"],
    )


def _backfill(body: Mapping[str, Any]) -> Backfill:
    return Backfill(
        backfill_id=body["id"],
        dag_id=body["dag_id"],
        from_date=datetime.fromisoformat(body["from_date"]),
        to_date=datetime.fromisoformat(body["to_date"]),
        completed=body["completed_at"] is not None,
    )


def _log_lines(entry: object) -> Sequence[str]:
    if isinstance(entry, Mapping):
        shown = [str(entry.get("event", ""))]
        for problem in entry.get("error_detail") or ():
            shown.append(f"{problem.get('exc_type')}: {problem.get('exc_value')}")
        return shown
    return str(entry).splitlines()


def _as_text(detail: object) -> str:
    if isinstance(detail, str):
        return detail
    if isinstance(detail, Mapping):
        return str(detail.get("reason") or detail.get("message") or detail)
    if isinstance(detail, list):
        return "; ".join(
            str(each.get("msg", each)) if isinstance(each, Mapping) else str(each) for each in detail
        )
    return ""
