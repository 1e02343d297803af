"""Serve on 127.0.0.1 until SIGTERM or SIGINT: ``python -m orchestrator --port 8090``."""

from __future__ import annotations

import argparse
import logging

import uvicorn

from orchestrator.app import create_app
from orchestrator.guard import LARGEST_BODY


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m orchestrator", description=__doc__)
    parser.add_argument("--port", type=int, default=8090)
    said = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    uvicorn.run(
        create_app(),
        host="127.0.0.1",
        port=said.port,
        access_log=False,
        log_level="warning",
        ws_max_size=LARGEST_BODY,
        timeout_graceful_shutdown=10,
        server_header=False,
    )


if __name__ == "__main__":
    main()
