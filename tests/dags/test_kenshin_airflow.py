"""What the DAGs share: days of a run, parameters, clients from a Connection."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException

import kenshin_airflow
from kenshin.errors import BackendUnavailable, InvalidInput


@pytest.fixture
def in_run(monkeypatch):
    def enter(
        *, logical_date=None, run_after=datetime(2026, 11, 6, 1, tzinfo=UTC), conf=None, run_type="manual"
    ):
        run = SimpleNamespace(logical_date=logical_date, run_after=run_after, conf=conf, run_type=run_type)
        params = {"day": None, "threshold": 0.15, **(conf or {})}
        monkeypatch.setattr(
            kenshin_airflow, "get_current_context", lambda: {"dag_run": run, "params": params}
        )

    return enter


def test_the_day_is_the_parameter_else_the_logical_date_else_the_creation(in_run):
    in_run(logical_date=datetime(2026, 11, 4, 18, tzinfo=UTC))
    assert kenshin_airflow.run_day("2026-10-01") == date(2026, 10, 1)
    assert kenshin_airflow.run_day(None) == date(2026, 11, 5)
    assert kenshin_airflow.last_complete_day(None) == date(2026, 11, 4)
    in_run(run_after=datetime(2026, 11, 6, 15, tzinfo=UTC))
    assert kenshin_airflow.run_day(None) == date(2026, 11, 7)


def test_unknown_conf_keys_are_refused(in_run):
    in_run(conf={"treshold": 0.2})
    with pytest.raises(AirflowFailException, match=r"treshold.*unknown conf keys.*Known: day, threshold"):
        kenshin_airflow.run_params({"day", "threshold"})
    in_run(conf={"threshold": 0.2})
    assert kenshin_airflow.run_params({"day", "threshold"}) == {"day": None, "threshold": 0.2}


def test_what_stays_wrong_is_not_tried_again_and_what_may_pass_is():
    with pytest.raises(AirflowFailException, match="because"), kenshin_airflow.refusing():
        raise InvalidInput(value="x", reason="because", mend="Do that.")
    with pytest.raises(BackendUnavailable), kenshin_airflow.refusing():
        raise BackendUnavailable(value="x", reason="because", mend="Wait.")


def test_a_backfill_is_recognised(in_run):
    in_run(run_type="backfill")
    assert kenshin_airflow.is_backfill()
    in_run(run_type="scheduled")
    assert not kenshin_airflow.is_backfill()


def test_clients_take_endpoint_credentials_and_region_from_the_connection(monkeypatch):
    connection = {
        "conn_type": "aws",
        "login": "key-of-the-test",
        "password": "secret-of-the-test",
        "extra": {
            "region_name": "eu-west-1",
            "endpoint_url": "http://127.0.0.1:9",
            "service_config": {"bedrock-runtime": {"endpoint_url": "http://127.0.0.1:10"}},
        },
    }
    monkeypatch.setenv("AIRFLOW_CONN_KENSHIN_TEST", json.dumps(connection))
    clients = kenshin_airflow.ConnectionClients("kenshin_test")
    assert clients.client("s3").meta.endpoint_url == "http://127.0.0.1:9"
    assert clients.client("s3").meta.region_name == "eu-west-1"
    assert clients.client("bedrock-runtime").meta.endpoint_url == "http://127.0.0.1:10"
    assert clients.client("s3", "ap-northeast-1").meta.region_name == "ap-northeast-1"
    assert clients.credentials().access_key == "key-of-the-test"


def test_a_missing_connection_fails_instead_of_reaching_a_real_account():
    with pytest.raises(BackendUnavailable, match="no such Airflow Connection"):
        kenshin_airflow.ConnectionClients("nobody_made_this").client("s3")
