"""Makes what requests need, before the first of them comes: the experiment, the index, the clients."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from kenshin.current import current
from kenshin.drift.cached import CachedEmbedder
from kenshin.errors import Conflict
from kenshin.experiments import prime
from kenshin.experiments.api import create_experiment
from kenshin.health import BedrockClientWrapper, BreakerPolicy
from kenshin.health.api import own_breakers
from kenshin.health.breakers import Breakers
from kenshin.tracing import PromptObservabilityPipeline
from orchestrator.calls import remember
from orchestrator.chat import ChatService
from orchestrator.intents import classifier_of
from orchestrator.retrieval import Retriever
from orchestrator.settings import ChatSettings

logger = logging.getLogger(__name__)

EXPERIMENT = Path(__file__).with_name("experiment.json")


def make_service(settings: ChatSettings | None = None) -> ChatService:
    """Everything, in this process's current runtime.

    Raises:
        KenshinError: a backend does not answer, or there is no index.
        ValueError: a setting means nothing.
    """
    chosen = settings or ChatSettings.from_env()
    runtime = current()
    ensure_experiment(chosen.experiment)
    prime()
    retriever = Retriever.of(runtime.index(), CachedEmbedder(runtime.embedder, runtime.embeddings))
    retriever.find("warm up", 1)
    logger.info("%d documents, experiment %s", len(retriever), chosen.experiment)
    breakers = own_breakers(BreakerPolicy(window_size=chosen.window_s, open_s=chosen.open_s))
    return ChatService(
        settings=chosen,
        bedrock=wrapped(bedrock_client(chosen), chosen, breakers),
        breakers=breakers,
        retriever=retriever,
        classifier=classifier_of(chosen.classifier, chosen.region),
        pipeline=PromptObservabilityPipeline(),
    )


def ensure_experiment(experiment_id: str) -> None:
    """Start the experiment of the example where the registry does not have it."""
    definition: Mapping[str, Any] = json.loads(EXPERIMENT.read_text(encoding="utf-8"))
    with suppress(Conflict):
        create_experiment({**definition, "experiment_id": experiment_id}, start=True, by="orchestrator")


def bedrock_client(settings: ChatSettings) -> Any:
    """boto3's client: its retries are the only ones, and its pool is as wide as the service."""
    return boto3.client(
        "bedrock-runtime",
        region_name=settings.region,
        endpoint_url=settings.bedrock_url or None,
        config=Config(
            retries={"total_max_attempts": 1 + settings.retries, "mode": "standard"},
            read_timeout=settings.read_timeout_s,
            connect_timeout=2,
            max_pool_connections=settings.threads,
        ),
    )


def wrapped(client: Any, settings: ChatSettings, breakers: Breakers) -> BedrockClientWrapper:
    """Kenshin's wrapper around it: one deadline for all tries and models, and another model where one fails."""
    return BedrockClientWrapper(
        client,
        breakers=breakers,
        listeners=(remember,),
        deadline=settings.deadline_s,
        fallbacks=settings.fallbacks,
        fallback_on_fault=True,
    )


def close_service() -> None:
    """Let go of the process's runtime: what is queued goes out."""
    current().close()
