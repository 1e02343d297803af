"""The edge of the service: what it takes, what it turns away, and how it answers over a WebSocket."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from peers.bedrock import BedrockPeer, Fault, Model, Pace, Reply
from peers.bedrock.operations import Operations
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from kenshin.runtime import Runtime
from orchestrator.app import Desk, create_app
from orchestrator.chat import ChatService

SOCKET = "ws://127.0.0.1:8090/ws"
SAID = {"session_id": "s-1", "message": "How long do log groups keep events?"}


def frames(socket: Any, said: object = SAID) -> list[dict[str, Any]]:
    socket.send_text(said if isinstance(said, str) else json.dumps(said))
    found = []
    while not found or found[-1]["type"] == "text":
        found.append(socket.receive_json())
    return found


def test_over_a_socket_the_answer_comes_in_pieces_and_then_whole(
    client: TestClient, bedrock: BedrockPeer
) -> None:
    with client.websocket_connect(SOCKET) as socket:
        first, second = frames(socket), frames(socket, {**SAID, "message": "And how do I delete a bucket?"})
    for found in (first, second):
        assert len(found) >= 2
        assert found[-1]["type"] == "answer"
        assert "".join(frame["text"] for frame in found[:-1]) == found[-1]["answer"]
        assert found[-1]["calls"][0]["first_token_ms"] is not None
    assert [entry.operation for entry in bedrock.log] == ["ConverseStream"] * 2


@pytest.mark.parametrize(
    "fault", [Fault("broken_stream"), Fault("stream_error", code="ModelStreamErrorException")]
)
def test_a_stream_that_breaks_is_a_problem_and_the_socket_goes_on(
    client: TestClient, bedrock: BedrockPeer, fault: Fault
) -> None:
    bedrock.set_faults([fault])
    with client.websocket_connect(SOCKET) as socket:
        problem = frames(socket)[-1]
        bedrock.set_faults([])
        assert frames(socket)[-1]["type"] == "answer"
    assert (problem["type"], problem["status"]) == ("problem", 503)
    assert problem["calls"][0]["status"] == "error"


def test_a_listener_who_hangs_up_is_a_cancelled_call(
    client: TestClient, bedrock: BedrockPeer, records: Any
) -> None:
    bedrock.pace = Pace(token_s=0.02)
    with client.websocket_connect(SOCKET) as socket:
        socket.send_json(SAID)
        assert socket.receive_json()["type"] == "text"
    end = time.monotonic() + 10
    while not records("prompt_trace"):
        assert time.monotonic() < end
        time.sleep(0.01)
    [call] = records("bedrock_health")
    assert call["cancelled"] is True
    assert call["status"] == "success"


@pytest.mark.parametrize("said", ["", "no json", "[]", "{}", json.dumps({**SAID, "more": 1}), '{"a":' * 5000])
def test_a_malformed_frame_is_a_problem(client: TestClient, said: str) -> None:
    with client.websocket_connect(SOCKET) as socket:
        [problem] = frames(socket, said)
        assert (problem["type"], problem["status"]) == ("problem", 422)
        assert frames(socket)[-1]["type"] == "answer"


@pytest.mark.parametrize(
    "origin", ["https://elsewhere.example", "http://127.0.0.1:81", "http://[", "null", ""]
)
def test_a_page_of_another_site_gets_no_socket(client: TestClient, origin: str) -> None:
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client.websocket_connect(SOCKET, headers={"Origin": origin}),
    ):
        pass
    assert refused.value.code == 1008


@pytest.mark.parametrize("kind", ["application/json", "text/plain", ""])
def test_a_page_of_another_site_can_ask_nothing(client: TestClient, bedrock: BedrockPeer, kind: str) -> None:
    headers = {"Origin": "https://elsewhere.example", "Content-Type": kind}
    answer = client.post("/chat", content=json.dumps(SAID), headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (403, 403)
    assert bedrock.log == []


def test_a_page_of_this_service_gets_one(client: TestClient) -> None:
    with client.websocket_connect(SOCKET, headers={"Origin": "http://127.0.0.1:8090"}) as socket:
        assert frames(socket)[-1]["type"] == "answer"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"session_id": "s-1"},
        {"session_id": "", "message": "a"},
        {"session_id": "s 1", "message": "a"},
        {"session_id": "s" * 65, "message": "a"},
        {"session_id": "s-1", "message": "  "},
        {"session_id": "s-1", "message": "a" * 8001},
        {"session_id": "s-1", "message": 7},
        {"session_id": "s-1", "message": "a", "model": "other"},
        [],
        "text",
        None,
    ],
)
def test_a_malformed_body_is_a_problem_that_repeats_nothing(client: TestClient, body: object) -> None:
    answer = client.post("/chat", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "aaaa" not in answer.text
    assert answer.json()["errors"]


@pytest.mark.parametrize("raw", [b"{", b"\xff\xfe", b'{"session_id": "s-1", "message": "\\ud800"}'])
def test_a_body_that_is_no_json_is_a_problem(client: TestClient, raw: bytes) -> None:
    answer = client.post("/chat", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_that_is_too_long_is_turned_away_however_it_comes(client: TestClient) -> None:
    assert client.post("/chat", content=b"a" * 70_000).status_code == 413
    assert client.post("/chat", content=(b"a" * 1000 for _ in range(70))).status_code == 413


@pytest.mark.parametrize("host", ["attacker.example", "testserver", "127.0.0.1.attacker.example", ""])
def test_another_host_name_is_turned_away(client: TestClient, host: str) -> None:
    assert client.get("/health", headers={"Host": host}).status_code == 400
    with pytest.raises(WebSocketDenialResponse), client.websocket_connect(SOCKET, headers={"Host": host}):
        pass


def test_a_client_that_reads_nothing_is_given_up(
    service: ChatService, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.app.SEND_TIMEOUT_S", 0.05)
    app = create_app(lambda: service, close=lambda: None)
    app.state.desk = Desk(service)
    scope = {"type": "websocket", "path": "/ws", "headers": [(b"host", b"127.0.0.1")], "subprotocols": []}
    scope |= {"query_string": b"", "scheme": "ws", "root_path": ""}

    async def talk() -> None:
        said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        said.put_nowait({"type": "websocket.connect"})
        said.put_nowait({"type": "websocket.receive", "text": json.dumps(SAID)})

        async def send(frame: Any) -> None:
            if frame["type"] == "websocket.send":
                await asyncio.Event().wait()

        await asyncio.wait_for(app(scope, said.get, send), 10)

    asyncio.run(talk())
    app.state.desk.close()
    [call] = records("bedrock_health")
    assert call["cancelled"] is True
    assert len(records("prompt_trace")) == 1


def test_a_frame_that_is_no_text_ends_the_conversation(client: TestClient) -> None:
    with client.websocket_connect(SOCKET) as socket:
        socket.send_bytes(json.dumps(SAID).encode())
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_text()
    assert ended.value.code == 1003


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("GET", "/chat", 405)])
def test_a_wrong_path_or_method_is_a_problem(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["status"] == status


def test_one_request_too_many_is_turned_away(service: ChatService, client: TestClient) -> None:
    desk = client.app.state.desk  # type: ignore[attr-defined]
    assert isinstance(desk, Desk)
    desk._at_work = service.settings.threads
    answer = client.post("/chat", json=SAID)
    assert (answer.status_code, answer.json()["title"]) == (503, "The service is busy")
    desk._at_work = 0
    assert client.post("/chat", json=SAID).status_code == 200


def test_health_has_a_line_from_each_check_up(client: TestClient) -> None:
    client.post("/chat", json=SAID)
    status = client.get("/health").json()
    assert status["status"] == "ok"
    assert status["breakers"][0]["counts"] == {"success": 1}
    assert status["signals"][0]["lost"] == {}
    assert status["observations"]["recorded"] == 1
    assert status["traces"]["open"] == 0
    assert status["budget"] == {
        "model": "claude-3-5-sonnet",
        "known": True,
        "window": 200_000,
        "practical_ratio": 0.025,
    }
    assert status["drift"] is None
    assert (status["documents"], status["sessions"]) == (3, 1)


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in page.text.replace("http-equiv", "")
    for path, kind in (("/chat.css", "text/css"), ("/chat.js", "javascript")):
        part = client.get(path)
        assert kind in part.headers["content-type"]
        assert "innerHTML" not in part.text


def test_no_word_of_a_request_is_logged_or_signalled(
    client: TestClient, bedrock: BedrockPeer, runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    for logger in ("orchestrator", "kenshin", "uvicorn"):
        caplog.set_level("DEBUG", logger=logger)
    secret = "the-secret-of-the-customer"
    bedrock.operations = Operations(Model(answer=lambda prompt: Reply(f"You said {secret}")))
    bedrock.set_faults([Fault("error", code="ValidationException", times=1)])
    client.post("/chat", json={"session_id": "s-1", "message": secret})
    client.post("/chat", json={"session_id": "s-1", "message": secret})
    assert secret not in caplog.text
    (sink,) = runtime.recorder.sinks
    signals = [each.log_fields() for each in sink.records]  # type: ignore[attr-defined]
    assert {"prompt_trace", "bedrock_health", "budget_check"} <= {each["log_type"] for each in signals}
    assert secret not in json.dumps(signals, default=str)
