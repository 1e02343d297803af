"""The server itself: many callers at once, control over HTTP, a process of its own, a clean end."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, HTTPClientError
from hypothesis import given
from hypothesis import strategies as st
from peers.bedrock import BedrockPeer, Fault, Pace, client
from peers.bedrock.eventstream import frame

TESTS = Path(__file__).resolve().parents[2]
HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
HELLO = [{"role": "user", "content": [{"text": "hello there"}]}]


def control(port: int, method: str, path: str, body: object = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, f"/_peer/{path}", None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_of_many_concurrent_calls_every_one_is_in_the_journal_once(bedrock: BedrockPeer) -> None:
    bedrock.set_faults([Fault("error", rate=0.3)], seed=7)
    asking = client(bedrock.url)

    def call(number: int) -> tuple[str, int]:
        try:
            answer = asking.converse(
                modelId=HAIKU, messages=[{"role": "user", "content": [{"text": f"{number}"}]}]
            )
        except ClientError as error:
            answer = error.response
        metadata = answer["ResponseMetadata"]
        return metadata["RequestId"], metadata["HTTPStatusCode"]

    with ThreadPoolExecutor(16) as pool:
        seen = dict(pool.map(call, range(200)))
    assert {entry.request_id: entry.status for entry in bedrock.log} == seen
    assert Counter(seen.values())[429] == bedrock.faults.state()[0]["struck"] > 0


def test_faults_are_set_and_the_journal_is_read_over_http(bedrock: BedrockPeer, bedrock_client: Any) -> None:
    rule = {"kind": "error", "code": "ServiceUnavailableException", "times": 1}
    status, said = control(bedrock.port, "PUT", "faults", {"faults": [rule], "seed": 3})
    assert status == 200
    assert said["faults"][0]["code"] == "ServiceUnavailableException"
    with pytest.raises(ClientError):
        bedrock_client.converse(modelId=HAIKU, messages=HELLO)
    assert control(bedrock.port, "GET", "faults")[1]["faults"][0]["struck"] == 1
    assert control(bedrock.port, "DELETE", "faults") == (200, {"faults": []})
    bedrock_client.converse(modelId=HAIKU, messages=HELLO)
    _, log = control(bedrock.port, "GET", "log")
    assert [entry["status"] for entry in log["entries"]] == [503, 200]
    assert control(bedrock.port, "GET", f"log?since={log['next']}")[1] == {"entries": [], "next": 2}
    assert [entry["number"] for entry in control(bedrock.port, "GET", "log?since=1")[1]["entries"]] == [1]


@pytest.mark.parametrize(
    "body", [None, 7, {}, {"faults": 7}, {"faults": [{}]}, {"faults": [{"kind": "error", "code": "Nope"}]}]
)
def test_a_plan_that_is_none_is_refused(bedrock: BedrockPeer, body: object) -> None:
    assert control(bedrock.port, "PUT", "faults", body)[0] == 400


def test_an_unknown_control_path_says_what_there_is(bedrock: BedrockPeer) -> None:
    assert control(bedrock.port, "GET", "nothing")[0] == 404


def test_an_answer_takes_its_time() -> None:
    with BedrockPeer(pace=Pace(first_s=0.05, token_s=0.005)) as peer:
        answer = client(peer.url).converse(modelId=HAIKU, messages=HELLO)
    assert answer["metrics"]["latencyMs"] >= 50 + 5 * answer["usage"]["outputTokens"]


def test_it_listens_on_this_machine_alone(bedrock: BedrockPeer) -> None:
    assert bedrock.url.startswith("http://127.0.0.1:")
    with socket.socket() as other:
        other.settimeout(1)
        assert other.connect_ex(("127.0.0.2", bedrock.port)) != 0


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://elsewhere.example"}, {"Host": "elsewhere.example:80"}, {"Origin": "null"}]
)
def test_no_page_of_a_browser_may_change_the_faults_or_read_the_log(headers: dict[str, str]) -> None:
    faults = json.dumps({"faults": [{"kind": "error"}]})
    with BedrockPeer() as peer:
        for method, path, body in (
            ("PUT", "faults", faults),
            ("GET", "log", None),
            ("DELETE", "faults", None),
        ):
            connection = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=5)
            connection.request(method, f"/_peer/{path}", body, headers)
            assert connection.getresponse().status == 403
            connection.close()
        assert peer.faults.state() == []


def test_it_stops_with_callers_still_waiting() -> None:
    before = threading.active_count()
    peer = BedrockPeer(faults=[Fault("hang", delay_s=60)])
    peer.start()
    asking = client(peer.url)
    ended: list[type[Exception]] = []

    def call() -> None:
        try:
            asking.converse(modelId=HAIKU, messages=HELLO)
        except HTTPClientError as error:
            ended.append(type(error))

    caller = threading.Thread(target=call)
    caller.start()
    while not peer.log:
        threading.Event().wait(0.01)
    peer.stop()
    caller.join(5)
    assert ended == [ConnectionClosedError]
    assert threading.active_count() == before
    with pytest.raises(EndpointConnectionError):
        client(peer.url).converse(modelId=HAIKU, messages=HELLO)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_as_a_process_and_ends_on_a_signal(number: int) -> None:
    command = [
        sys.executable,
        "-m",
        "peers.bedrock",
        "--port",
        "0",
        "--faults",
        '[{"kind": "error", "times": 1}]',
    ]
    server = subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        asking = client(server.stdout.readline().strip(), retries=1)
        answer = asking.converse(modelId=HAIKU, messages=HELLO)
        assert answer["ResponseMetadata"]["RetryAttempts"] == 1
        server.send_signal(number)
        assert server.wait(10) == 0
    finally:
        server.kill()
        server.communicate(timeout=10)


def test_the_process_refuses_rules_that_mean_nothing() -> None:
    command = [sys.executable, "-m", "peers.bedrock", "--faults", '[{"kind": "flood"}]']
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert "flood" in done.stderr


@given(
    st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=50), max_size=5),
    st.binary(max_size=500),
    st.data(),
)
def test_botocore_decodes_any_frame_however_it_is_cut(
    headers: dict[str, str], payload: bytes, data: st.DataObject
) -> None:
    made = frame(headers, payload) * 2
    cut = data.draw(st.integers(0, len(made)))
    reading = EventStreamBuffer()
    read = []
    for part in (made[:cut], made[cut:]):
        reading.add_data(part)
        read.extend(reading)
    assert [(message.headers, message.payload) for message in read] == [(headers, payload)] * 2


def test_a_frame_has_the_lengths_and_checksums_of_the_format() -> None:
    made = frame({":message-type": "event"}, b"{}")
    total, length, checksum = struct.unpack("!III", made[:12])
    assert total == len(made)
    assert length == 1 + len(":message-type") + 1 + 2 + len("event")
    assert checksum == crc32(made[:8])
    assert struct.unpack("!I", made[-4:])[0] == crc32(made[:-4])
