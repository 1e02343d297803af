"""The stand-in as pytest fixtures: import what a test module or a conftest needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from peers.bedrock.clients import client
from peers.bedrock.server import BedrockPeer


@pytest.fixture
def bedrock() -> Iterator[BedrockPeer]:
    """A stand-in of the test's own, on a free port."""
    with BedrockPeer() as peer:
        yield peer


@pytest.fixture
def bedrock_client(bedrock: BedrockPeer) -> Any:
    """A boto3 client of it that does not try again."""
    return client(bedrock.url)
