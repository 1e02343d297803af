"""The stand-in AWS servers start from their own environment, answer over HTTP, and stop."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.standins, pytest.mark.timeout(120)]

ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv-standins"
START_S = 60.0

Answer = tuple[int, str]
Starter = Callable[[list[str], int], subprocess.Popen[str]]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def ask(port: int, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(
            method, path, body, {name.replace("_", "-"): value for name, value in headers.items()}
        )
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def wait_until_it_answers(server: subprocess.Popen[str], port: int) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if server.poll() is not None:
            assert server.stdout is not None
            pytest.fail(f"the server ended with {server.returncode}: {server.stdout.read()}")
        try:
            ask(port, "GET", "/")
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"no answer within {START_S} s")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    servers: list[subprocess.Popen[str]] = []

    def starter(command: list[str], port: int) -> subprocess.Popen[str]:
        server = subprocess.Popen(
            command,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        servers.append(server)
        wait_until_it_answers(server, port)
        return server

    yield starter
    for server in servers:
        if server.poll() is None:
            server.kill()
        server.communicate(timeout=20)


def program(name: str) -> str:
    path = ENVIRONMENT / "bin" / name
    assert path.exists(), f"{name} is missing: run `make standins`"
    return str(path)


def osmem_binary() -> str:
    script = "from osmem_server import resolve_binary; print(resolve_binary())"
    done = subprocess.run(
        [program("python"), "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def assert_stops(server: subprocess.Popen[str], port: int) -> None:
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=20)
    with pytest.raises(ConnectionRefusedError):
        ask(port, "GET", "/")


def test_moto_keeps_what_it_is_given_and_stops(start: Starter) -> None:
    port = free_port()
    server = start([program("moto_server"), "-H", "127.0.0.1", "-p", str(port)], port)
    signed = (
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    )
    host = "s3.us-east-1.amazonaws.com"
    assert ask(port, "PUT", "/kenshin-lake", Host=host, Authorization=signed)[0] == 200
    assert ask(port, "PUT", "/kenshin-lake/day", "body", Host=host, Authorization=signed)[0] == 200
    assert ask(port, "GET", "/kenshin-lake/day", Host=host, Authorization=signed) == (200, "body")
    assert_stops(server, port)


def test_osmem_indexes_and_finds_a_document_and_stops(start: Starter) -> None:
    port = free_port()
    server = start([osmem_binary(), "-addr", f"127.0.0.1:{port}", "-no-stdin-watch"], port)
    document = json.dumps({"doc_id": "a", "text": "health check"})
    status, _ = ask(port, "PUT", "/products/_doc/a?refresh=true", document, Content_Type="application/json")
    assert status == 201
    query = json.dumps({"query": {"match": {"text": "health"}}})
    status, body = ask(port, "POST", "/products/_search", query, Content_Type="application/json")
    assert status == 200
    assert [hit["_id"] for hit in json.loads(body)["hits"]["hits"]] == ["a"]
    assert_stops(server, port)
