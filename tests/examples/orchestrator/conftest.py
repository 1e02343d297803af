from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from orchestrator_documents import Trigrams, documents
from peers.bedrock import BedrockPeer
from starlette.testclient import TestClient

from kenshin.current import use
from kenshin.experiments import prime
from kenshin.health import BreakerPolicy
from kenshin.health.api import own_breakers
from kenshin.runtime import Runtime
from kenshin.settings import Settings
from kenshin.tracing import PromptObservabilityPipeline
from orchestrator.app import create_app
from orchestrator.chat import ChatService
from orchestrator.intents import by_keywords
from orchestrator.making import bedrock_client, ensure_experiment, wrapped
from orchestrator.retrieval import Retriever
from orchestrator.settings import ChatSettings


@pytest.fixture
def bedrock() -> Iterator[BedrockPeer]:
    with BedrockPeer() as peer:
        yield peer


@pytest.fixture
def runtime(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "stand-in")
    told = {
        "KENSHIN_HOME": os.fspath(tmp_path),
        "KENSHIN_SIGNALS": "memory:",
        "KENSHIN_SIGNALS_MODE": "sync",
    }
    made = Runtime(Settings.from_env(told))
    with use(made):
        yield made
        made.close()


@pytest.fixture
def settings(bedrock: BedrockPeer) -> ChatSettings:
    return ChatSettings(bedrock_url=bedrock.url, read_timeout_s=0.5, deadline_s=5, retries=0, passages=2)


@pytest.fixture
def service(runtime: Runtime, settings: ChatSettings) -> ChatService:
    ensure_experiment(settings.experiment)
    assert prime()
    embedder = Trigrams()
    breakers = own_breakers(BreakerPolicy(minimum_calls=2, open_s=60))
    return ChatService(
        settings=settings,
        bedrock=wrapped(bedrock_client(settings), settings, breakers),
        breakers=breakers,
        retriever=Retriever(documents(embedder), embedder),
        classifier=by_keywords,
        pipeline=PromptObservabilityPipeline(),
    )


@pytest.fixture
def client(service: ChatService) -> Iterator[TestClient]:
    app = create_app(lambda: service, close=lambda: None)
    with TestClient(app, base_url="http://127.0.0.1:8090") as asking:
        yield asking


@pytest.fixture
def records(runtime: Runtime) -> Any:
    """The records so far, by type."""

    def found(record_type: str) -> list[Mapping[str, Any]]:
        (sink,) = runtime.recorder.sinks
        return [each.log_fields() for each in sink.records if each.record_type == record_type]  # type: ignore[attr-defined]

    return found
