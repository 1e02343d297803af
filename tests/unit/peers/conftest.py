from __future__ import annotations

from peers.bedrock.fixtures import bedrock, bedrock_client

__all__ = ["bedrock", "bedrock_client"]
