"""What is refused before an answer, asked without botocore's own checks on the client's side."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError
from peers.bedrock import BedrockPeer, client

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
HELLO = [{"role": "user", "content": [{"text": "hello"}]}]
SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0",
    "X-Amz-Date": "20260101T000000Z",
    "Content-Type": "application/json",
}


def ask(
    peer: BedrockPeer, path: str, body: bytes | str, method: str = "POST", **headers: str
) -> tuple[int, dict[str, str], Any]:
    connection = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=5)
    try:
        connection.request(method, path, body, {**SIGNED, **headers})
        answer = connection.getresponse()
        raw = answer.read()
        return answer.status, dict(answer.getheaders()), json.loads(raw) if raw else None
    finally:
        connection.close()


def unchecked(peer: BedrockPeer) -> Any:
    return client(peer.url, parameter_validation=False)


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"messages": [{"role": "user"}]}, "messages\\[0\\]: \"content\""),
        ({"messages": [{"role": "robot", "content": [{"text": "a"}]}]}, "'robot'.*none of user"),
        ({"messages": [{"role": "user", "content": [{"text": 7}]}]}, "Invalid type"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "Must set one of"),
        ({"messages": HELLO, "inferenceConfig": {"maxTokens": 0}}, "valid min value"),
        ({"messages": HELLO, "inferenceConfig": {"temperature": 1.5}}, "at most 1"),
        ({"messages": HELLO, "toolConfig": {"tools": [{"toolSpec": {"name": "no spaces"}}]}}, "does not match"),
        ({"messages": [{"role": "assistant", "content": [{"text": "a"}]}]}, "must start with a user message"),
        ({"messages": []}, "must start with a user message"),
    ],
)  # fmt: skip
def test_converse_refuses_a_wrong_input_and_says_where(
    bedrock: BedrockPeer, more: dict[str, Any], complaint: str
) -> None:
    asking = unchecked(bedrock)
    with pytest.raises(asking.exceptions.ValidationException, match=complaint) as caught:
        asking.converse(modelId=HAIKU, **more)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    [entry] = bedrock.log
    assert (entry.status, entry.code) == (400, "ValidationException")


def test_botocore_refuses_by_the_same_model_before_anything_is_sent(
    bedrock: BedrockPeer, bedrock_client: Any
) -> None:
    with pytest.raises(ParamValidationError):
        bedrock_client.converse(modelId=HAIKU, messages=[{"role": "user"}])
    assert bedrock.log == []


def test_a_member_that_the_model_does_not_know_is_refused(bedrock: BedrockPeer) -> None:
    status, _, body = ask(
        bedrock, f"/model/{HAIKU}/converse", json.dumps({"messages": HELLO, "mood": "good"})
    )
    assert status == 400
    assert '"mood"' in body["message"]


def test_null_is_as_good_as_nothing(bedrock: BedrockPeer) -> None:
    said = {"messages": HELLO, "system": None, "inferenceConfig": {"maxTokens": None}}
    assert ask(bedrock, f"/model/{HAIKU}/converse", json.dumps(said))[0] == 200


@pytest.mark.parametrize("body", ["", "{", "[]", '"text"', b"\xff\xfe", "[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(bedrock: BedrockPeer, body: bytes | str) -> None:
    status, headers, _ = ask(bedrock, f"/model/{HAIKU}/converse", body)
    assert status == 400
    assert headers["x-amzn-ErrorType"] == "ValidationException"
    assert headers["x-amzn-RequestId"] == bedrock.log[0].request_id


def test_a_blob_that_is_no_base64_is_refused(bedrock: BedrockPeer) -> None:
    image = {"image": {"format": "png", "source": {"bytes": "§"}}}
    said = {"messages": [{"role": "user", "content": [image]}]}
    status, _, body = ask(bedrock, f"/model/{HAIKU}/converse", json.dumps(said))
    assert status == 400
    assert "no base64" in body["message"]


@pytest.mark.parametrize(
    "said",
    [
        "no json",
        "[]",
        {"max_tokens": 5, "messages": HELLO},
        {"anthropic_version": "bedrock-2023-05-31", "messages": [{"role": "user", "content": "a"}]},
        {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5, "messages": []},
        {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5, "messages": [{"role": "system"}]},
        {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5, "messages": [{"role": "user"}]},
        {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 5,
            "messages": [{"role": "assistant", "content": "a"}],
        },
        {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 5,
            "messages": [{"role": "user", "content": "a"}],
            "tools": [{}],
        },
    ],
)
def test_a_messages_body_that_is_none_is_refused(bedrock_client: Any, said: object) -> None:
    body = said if isinstance(said, str) else json.dumps(said)
    with pytest.raises(bedrock_client.exceptions.ValidationException, match="Malformed input request"):
        bedrock_client.invoke_model(modelId=HAIKU, body=body)


def test_what_is_not_signed_is_refused(bedrock: BedrockPeer) -> None:
    status, headers, _ = ask(bedrock, f"/model/{HAIKU}/converse", "{}", Authorization="none")
    assert status == 403
    assert headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    assert bedrock.log[0].status == 403


def test_a_bearer_token_is_as_good_as_a_signature(bedrock: BedrockPeer) -> None:
    said = json.dumps({"messages": HELLO})
    assert ask(bedrock, f"/model/{HAIKU}/converse", said, Authorization="Bearer key")[0] == 200


@pytest.mark.parametrize(
    ("method", "path"), [("GET", f"/model/{HAIKU}/converse"), ("POST", "/model/x/y"), ("POST", "/")]
)
def test_an_unknown_route_is_no_operation(bedrock: BedrockPeer, method: str, path: str) -> None:
    status, headers, _ = ask(bedrock, path, "{}", method)
    assert status == 404
    assert headers["x-amzn-ErrorType"] == "UnknownOperationException"
    assert bedrock.log == []


def test_errors_bear_the_status_that_the_model_declares(bedrock: BedrockPeer) -> None:
    declared = bedrock.service.errors
    assert declared["ThrottlingException"] == 429
    assert declared["ModelTimeoutException"] == 408
    assert declared["ModelErrorException"] == 424
    assert {"ValidationException", "AccessDeniedException", "ServiceUnavailableException"} <= set(declared)


def test_a_body_of_unknown_length_is_refused(bedrock: BedrockPeer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", bedrock.port, timeout=5)
    connection.request(
        "POST", f"/model/{HAIKU}/converse", iter([b"{}"]), {**SIGNED, "Transfer-Encoding": "chunked"}
    )
    assert connection.getresponse().status == 413
    connection.close()


def test_a_pattern_of_the_uri_is_checked_too(bedrock: BedrockPeer, bedrock_client: Any) -> None:
    with pytest.raises(ClientError):
        bedrock_client.apply_guardrail(
            guardrailIdentifier="NO CAPITALS", guardrailVersion="1", source="INPUT", content=[]
        )
    assert bedrock.log[0].code == "ValidationException"
