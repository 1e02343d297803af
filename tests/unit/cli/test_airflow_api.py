"""Airflow's REST client against a small server that remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest

from kenshin.cli.airflow_api import AirflowApi, DatabaseLocked, TaskInstance, whole_days
from kenshin.errors import BackendUnavailable, Conflict, InvalidInput, KenshinError, NotFound, SettingError

TOKYO = ZoneInfo("Asia/Tokyo")
DRIFT = "embedding_drift"
FIFTH, EIGHTH = date(2026, 11, 5), date(2026, 11, 8)


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, list[str]]
    body: Any
    token: str | None


@dataclass
class Airflow:
    """A stand-in: answers by method and path, `answers` first; hands out the tokens t1, t2, … and takes the newest."""

    url: str
    answers: dict[tuple[str, str], Callable[[Asked], tuple[int, Any]]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    logins: int = 0

    def on(self, method: str, path: str, body: Any, status: int = 200) -> None:
        self.answers[method, path] = lambda asked: (status, body)

    def answer(self, asked: Asked) -> tuple[int, Any]:
        if asked.path == "/auth/token":
            if asked.body != {"username": "admin", "password": "right"}:
                return 401, {"detail": "Invalid credentials"}
            self.logins += 1
            return 201, {"access_token": f"t{self.logins}"}
        self.asked.append(asked)
        if asked.path != "/api/v2/monitor/health" and asked.token != f"Bearer t{self.logins}":
            return 401, {"detail": "Invalid JWT token"}
        found = self.answers.get((asked.method, asked.path))
        return found(asked) if found else (404, {"detail": "Not Found"})


@pytest.fixture
def server() -> Iterator[Airflow]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(sent) if sent else None
            token = self.headers.get("Authorization")
            status, answer = airflow.answer(
                Asked(self.command, parts.path, parse_qs(parts.query), body, token)
            )
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PATCH = do_GET

        def log_message(self, *told: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        airflow = Airflow(f"http://127.0.0.1:{listening.server_port}")
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield airflow
        listening.shutdown()
        thread.join()


@pytest.fixture
def api(server: Airflow) -> AirflowApi:
    return AirflowApi(server.url, "admin", "right", timeout_s=5)


def plan(*instants: str) -> dict[str, Any]:
    return {"backfills": [{"logical_date": each} for each in instants], "total_entries": len(instants)}


def made(first: str, last: str, completed: str | None = None) -> dict[str, Any]:
    return {"id": 7, "dag_id": DRIFT, "from_date": first, "to_date": last, "completed_at": completed}


def run(run_id: str, logical: str | None, state: str = "success") -> dict[str, Any]:
    return {"dag_run_id": run_id, "state": state, "logical_date": logical, "run_type": "backfill"}


def test_one_login_serves_many_calls(server: Airflow, api: AirflowApi) -> None:
    server.on("GET", "/api/v2/dags", {"dags": [{"dag_id": DRIFT}], "total_entries": 1})
    assert api.dag_ids() == [DRIFT]
    assert api.dag_ids() == [DRIFT]
    assert server.logins == 1
    assert [asked.token for asked in server.asked] == ["Bearer t1", "Bearer t1"]


def test_a_token_that_ran_out_is_renewed_once(server: Airflow) -> None:
    server.on("GET", "/api/v2/dags", {"dags": [], "total_entries": 0})
    server.logins = 1
    api = AirflowApi(server.url, "admin", "right", token="old")
    assert api.dag_ids() == []
    assert [asked.token for asked in server.asked] == ["Bearer old", "Bearer t2"]


def test_a_token_that_is_never_taken_ends_in_an_error_not_in_a_loop(server: Airflow, api: AirflowApi) -> None:
    server.on("GET", "/api/v2/dags", {"detail": "no"}, status=401)
    with pytest.raises(BackendUnavailable, match="401"):
        api.dag_ids()
    assert len(server.asked) == 2


def test_health_needs_no_login(server: Airflow) -> None:
    server.on("GET", "/api/v2/monitor/health", {"scheduler": {"status": "healthy"}, "triggerer": None})
    assert AirflowApi(server.url, "", "").health() == {"scheduler": "healthy", "triggerer": "None"}
    assert server.logins == 0


def test_backfill_days_are_inclusive_and_belong_to_the_zone(server: Airflow, api: AirflowApi) -> None:
    begin, end = "2026-11-05T00:00:00+09:00", "2026-11-08T23:59:59+09:00"
    ticks = [f"2026-11-0{day}T18:00:00Z" for day in (4, 5, 6, 7)]
    server.on("POST", "/api/v2/backfills/dry_run", plan(*ticks))
    server.on("GET", f"/api/v2/dags/{DRIFT}", {"is_paused": False})
    server.on("POST", "/api/v2/backfills", made(begin, end))
    backfill = api.create_backfill(
        DRIFT, FIFTH, EIGHTH, TOKYO, conf={"sample_size": 50}, max_active_runs=2, reprocess="failed"
    )
    planned, _, created = server.asked
    asked_for = {
        "dag_id": DRIFT,
        "from_date": begin,
        "to_date": end,
        "run_backwards": False,
        "reprocess_behavior": "failed",
    }
    assert planned.body == asked_for
    assert created.body == {**asked_for, "dag_run_conf": {"sample_size": 50}, "max_active_runs": 2}
    assert backfill.backfill_id == 7
    assert [instant.astimezone(TOKYO).day for instant in backfill.created] == [5, 6, 7, 8]
    assert backfill.skipped == ()


def test_a_single_day_is_a_whole_day_even_when_its_clock_changes() -> None:
    begin, end = whole_days(date(2026, 10, 25), date(2026, 10, 25), ZoneInfo("Europe/Berlin"))
    assert (begin.isoformat(), end.isoformat()) == ("2026-10-25T00:00:00+02:00", "2026-10-25T23:59:59+01:00")


def test_days_that_ran_before_are_named(server: Airflow, api: AirflowApi) -> None:
    server.on("POST", "/api/v2/backfills/dry_run", plan("2026-11-06T18:00:00Z", "2026-11-07T18:00:00Z"))
    server.on("GET", f"/api/v2/dags/{DRIFT}", {"is_paused": False})
    server.on("POST", "/api/v2/backfills", made("2026-11-04T15:00:00Z", "2026-11-08T14:59:59Z"))
    server.on(
        "GET",
        f"/api/v2/dags/{DRIFT}/dagRuns",
        {
            "dag_runs": [
                run("earlier", "2026-11-04T18:00:00Z", "failed"),
                run("mine", "2026-11-06T18:00:00Z", "running"),
            ]
        },
    )
    backfill = api.create_backfill(DRIFT, FIFTH, EIGHTH, TOKYO)
    assert backfill.skipped == (date(2026, 11, 5), date(2026, 11, 6))
    assert [each.run_id for each in api.backfill_runs(backfill)] == ["mine"]


def test_nothing_is_asked_of_airflow_where_every_day_ran_before(server: Airflow, api: AirflowApi) -> None:
    server.on("POST", "/api/v2/backfills/dry_run", plan())
    backfill = api.create_backfill(DRIFT, FIFTH, EIGHTH, TOKYO)
    assert (backfill.backfill_id, backfill.completed, backfill.created) == (None, True, ())
    assert len(backfill.skipped) == 4
    assert [asked.path for asked in server.asked] == ["/api/v2/backfills/dry_run"]


def test_a_paused_dag_is_said_not_waited_for(server: Airflow, api: AirflowApi) -> None:
    server.on("POST", "/api/v2/backfills/dry_run", plan("2026-11-06T18:00:00Z"))
    server.on("GET", f"/api/v2/dags/{DRIFT}", {"is_paused": True})
    with pytest.raises(Conflict, match="paused"):
        api.create_backfill(DRIFT, FIFTH, EIGHTH, TOKYO)
    assert server.asked[-1].method == "GET"


@pytest.mark.parametrize("working", [True, False])
def test_a_backfill_that_airflow_has_yet_to_close_is_waited_for_one_at_work_is_not(
    server: Airflow, api: AirflowApi, monkeypatch: pytest.MonkeyPatch, working: bool
) -> None:
    refusals = iter([409, 409])

    def post(asked: Asked) -> tuple[int, Any]:
        status = next(refusals, 200)
        return status, made("2026-11-04T15:00:00Z", "2026-11-08T14:59:59Z") | {"detail": "already running"}

    monkeypatch.setattr("kenshin.cli.airflow_api.clock.sleep", lambda seconds: None)
    server.on("POST", "/api/v2/backfills/dry_run", plan("2026-11-06T18:00:00Z"))
    server.on("GET", f"/api/v2/dags/{DRIFT}", {"is_paused": False})
    server.answers["POST", "/api/v2/backfills"] = post
    left = [run("earlier", "2026-11-04T18:00:00Z", "running")] if working else []
    server.on("GET", f"/api/v2/dags/{DRIFT}/dagRuns", {"dag_runs": left})
    if working:
        with pytest.raises(Conflict, match="already running"):
            api.create_backfill(DRIFT, FIFTH, EIGHTH, TOKYO)
    else:
        assert api.create_backfill(DRIFT, FIFTH, EIGHTH, TOKYO).backfill_id == 7
    assert server.asked[-1 if working else -2].query["state"] == ["queued", "running"]


def test_a_long_history_is_read_page_by_page(server: Airflow, api: AirflowApi) -> None:
    history = [run(f"r{number}", "2026-11-04T18:00:00Z") for number in range(250)]

    def page(asked: Asked) -> tuple[int, Any]:
        offset, limit = int(asked.query["offset"][0]), int(asked.query["limit"][0])
        return 200, {"dag_runs": history[offset : offset + min(limit, 100)], "total_entries": len(history)}

    server.answers["GET", f"/api/v2/dags/{DRIFT}/dagRuns"] = page
    runs = api.runs_between(DRIFT, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
    assert [each.run_id for each in runs] == [f"r{number}" for number in range(250)]
    assert server.asked[0].query["logical_date_gte"] == ["2026-01-01T00:00:00+00:00"]
    assert server.asked[0].query["logical_date_lte"] == ["2026-12-01T00:00:00+00:00"]


def test_a_run_is_triggered_with_conf_and_date(server: Airflow, api: AirflowApi) -> None:
    path = f"/api/v2/dags/{DRIFT}/dagRuns"
    server.on("POST", path, run("manual__1", "2026-11-03T17:00:00Z", "queued"))
    triggered = api.trigger(DRIFT, {"day": "2026-11-03"}, logical_date=datetime(2026, 11, 4, 2, tzinfo=TOKYO))
    assert (triggered.run_id, triggered.state) == ("manual__1", "queued")
    assert server.asked[0].body == {
        "conf": {"day": "2026-11-03"},
        "logical_date": "2026-11-04T02:00:00+09:00",
    }
    api.trigger(DRIFT, {})
    assert server.asked[1].body == {"conf": {}, "logical_date": None}


def test_the_log_of_a_mapped_task_ends_with_what_went_wrong(server: Airflow, api: AirflowApi) -> None:
    run_id = "manual__2026-11-23T13:43:09+00:00"
    path = (
        f"/api/v2/dags/{DRIFT}/dagRuns/manual__2026-11-23T13%3A43%3A09%2B00%3A00/taskInstances/embed/logs/2"
    )
    problem = {"event": "Task failed", "error_detail": [{"exc_type": "ValueError", "exc_value": "broken"}]}
    server.on("GET", path, {"content": [{"event": "one"}, {"event": "two"}, problem]})
    tail = api.log_tail(DRIFT, run_id, TaskInstance("embed", 1, "failed", 2), lines=3)
    assert tail.splitlines() == ["two", "Task failed", "ValueError: broken"]
    assert server.asked[0].query["map_index"] == ["1"]


@pytest.mark.parametrize(
    ("status", "detail", "kind"),
    [
        (400, "Invalid input for param day", InvalidInput),
        (422, [{"loc": ["body"], "msg": "Field required"}], InvalidInput),
        (403, "Forbidden", BackendUnavailable),
        (404, "no such DAG", NotFound),
        (409, {"reason": "Unique constraint violation"}, Conflict),
        (503, "Database is locked", DatabaseLocked),
    ],
)
def test_a_refusal_names_value_reason_and_mend(
    server: Airflow, api: AirflowApi, status: int, detail: Any, kind: type[KenshinError]
) -> None:
    server.on("POST", f"/api/v2/dags/{DRIFT}/dagRuns", {"detail": detail}, status=status)
    with pytest.raises(KenshinError) as refused:
        api.trigger(DRIFT, {})
    assert type(refused.value) is kind
    assert str(status) in refused.value.reason
    words = detail if isinstance(detail, str) else "Unique" if status == 409 else "Field required"
    assert words in refused.value.reason
    assert refused.value.mend
    assert "right" not in str(refused.value)


def test_wrong_credentials_say_which_settings_to_correct(server: Airflow) -> None:
    with pytest.raises(BackendUnavailable, match="KENSHIN_AIRFLOW_PASSWORD"):
        AirflowApi(server.url, "admin", "wrong").dag_ids()


def test_an_airflow_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(BackendUnavailable, match="does not answer"):
        AirflowApi("http://127.0.0.1:9", "admin", "right").dag_ids()


def test_something_else_on_the_port_is_unavailable(server: Airflow, api: AirflowApi) -> None:
    server.on("GET", "/api/v2/dags", b"<html>not Airflow</html>")
    with pytest.raises(BackendUnavailable):
        api.dag_ids()


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    server: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert AirflowApi(server.url, "admin", "right").token() == "t1"


@pytest.mark.parametrize("address", ["", "127.0.0.1:8080", "file:///etc/passwd", "http://"])
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    with pytest.raises(SettingError):
        AirflowApi(address, "admin", "right")


def test_a_backfill_that_meets_a_locked_database_is_asked_for_again(
    server: Airflow, api: AirflowApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [DatabaseLocked(value="x", reason="locked", mend="Again."), {"id": 3}]

    def post(path: str, body: object) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(api, "post_json", post)
    monkeypatch.setattr("kenshin.cli.airflow_api.clock.sleep", lambda seconds: None)
    assert api._post_backfill(DRIFT, {}) == {"id": 3}
    assert answers == []
