"""Serving: what the service's log is about."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import pytest
import uvicorn

from orchestrator import __main__ as serving


@pytest.fixture
def botocore() -> Iterator[logging.Logger]:
    logger = logging.getLogger("botocore")
    before = logger.level
    yield logger
    logger.setLevel(before)


def test_botocore_tells_of_warnings_alone(
    botocore: logging.Logger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "argv", ["orchestrator"])
    monkeypatch.setattr(
        uvicorn, "run", lambda app, **how: logging.getLogger("botocore.credentials").info("Found")
    )
    with caplog.at_level(logging.INFO):
        serving.main()
        logging.getLogger("botocore.credentials").warning("Expired")
    assert caplog.messages == ["Expired"]
