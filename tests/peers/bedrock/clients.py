"""boto3 clients of the stand-in: real ones, with credentials that mean nothing."""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

REGION = "ap-northeast-1"
CREDENTIALS = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "stand-in"}


def client(
    url: str,
    *,
    region: str = REGION,
    retries: int = 0,
    read_timeout_s: float = 10.0,
    connect_timeout_s: float = 2.0,
    pool: int = 50,
    **config: Any,
) -> Any:
    """A ``bedrock-runtime`` client.

    Args:
        url: of the stand-in.
        region: what it is signed for.
        retries: how often botocore tries again, in its standard mode.
        read_timeout_s: patience between two bytes, in seconds.
        connect_timeout_s: patience with a connection, in seconds.
        pool: connections that are kept.
        config: further settings of `botocore.config.Config`.
    """
    settings: dict[str, Any] = {
        "retries": {"total_max_attempts": 1 + retries, "mode": "standard"},
        "read_timeout": read_timeout_s,
        "connect_timeout": connect_timeout_s,
        "max_pool_connections": pool,
        **config,
    }
    return _session(region).client("bedrock-runtime", endpoint_url=url, config=Config(**settings))


@cache
def _session(region: str) -> boto3.Session:
    """Shared: a session reads the service's model once."""
    return boto3.Session(region_name=region, **CREDENTIALS)
