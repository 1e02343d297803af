from __future__ import annotations

import pytest
from model_calls import FakeClock, Ward
from peers.bedrock.fixtures import bedrock, bedrock_client

__all__ = ["bedrock", "bedrock_client"]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ward() -> Ward:
    return Ward()
