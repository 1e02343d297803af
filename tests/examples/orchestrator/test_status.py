"""What `GET /health` says of the whole: ``ok``, or ``attention`` and why."""

from __future__ import annotations

import dataclasses

import pytest
from drift_days import measured
from starlette.testclient import TestClient

from kenshin.experiments import flush_observations, record_observation
from kenshin.runtime import Runtime
from orchestrator.chat import ChatService
from orchestrator.status import status_of


@pytest.mark.parametrize(("p95", "status"), [(0.01, "ok"), (0.19, "attention")])
def test_a_drift_alert_wants_attention(client: TestClient, runtime: Runtime, p95: float, status: str) -> None:
    measured(runtime, p95)
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["drift"]["alert"] is (status == "attention")
    assert answer.json()["status"] == status


def test_a_lost_observation_wants_attention(client: TestClient) -> None:
    record_observation(
        experiment_id="chat-answer",
        session_id="s-1",
        group="A",
        phase="running",
        prompt_version="1.4.0",
        quality_score=float("nan"),
        latency_ms=1.0,
    )
    flush_observations()
    answer = client.get("/health").json()
    assert answer["observations"]["stored"] == 0
    assert answer["status"] == "attention"


def test_a_lost_record_wants_attention(client: TestClient, runtime: Runtime) -> None:
    assert client.get("/health").json()["status"] == "ok"
    runtime.recorder.close()
    client.post("/chat", json={"session_id": "s-1", "message": "How long do log groups keep events?"})
    answer = client.get("/health").json()
    assert answer["signals"][0]["lost"]
    assert answer["status"] == "attention"


@pytest.mark.parametrize(
    ("url", "stand_in"),
    [
        ("http://127.0.0.1:4000", True),
        ("", False),
        ("https://bedrock-runtime.us-east-1.amazonaws.com", False),
    ],
)
def test_a_model_on_this_machine_is_a_stand_in(service: ChatService, url: str, stand_in: bool) -> None:
    told = dataclasses.replace(service, settings=dataclasses.replace(service.settings, bedrock_url=url))
    assert status_of(told)["stand_in"] is stand_in
