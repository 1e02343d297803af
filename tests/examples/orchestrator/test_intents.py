from __future__ import annotations

import io
import json
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from orchestrator.intents import INTENTS, Intent, SageMakerClassifier, by_keywords, classifier_of


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("How do I delete a bucket?", "how_to"),
        ("What is a log group?", "definition"),
        ("What is the maximum size of a message?", "limits"),
        ("Why does PutObject fail with access denied?", "troubleshooting"),
        ("バケットを削除する方法", "how_to"),
        ("ロググループとは何ですか", "definition"),
        ("メッセージの上限はいくつですか", "limits"),
        ("エラーになる原因", "troubleshooting"),
        ("Thanks!", "other"),
        ("", "other"),
    ],
)
def test_keywords_tell_what_a_message_is_about(text: str, intent: str) -> None:
    found = by_keywords(text)
    assert found.name == intent
    assert 0 < found.confidence <= 1
    assert found.name in INTENTS


@pytest.fixture
def endpoint() -> Any:
    client = boto3.client(
        "sagemaker-runtime", region_name="ap-northeast-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    with Stubber(client) as stub:
        yield client, stub


def answer(stub: Stubber, body: str, text: str) -> None:
    raw = body.encode()
    asked = {
        "EndpointName": "intents",
        "ContentType": "application/json",
        "Body": json.dumps({"text": text}).encode(),
    }
    stub.add_response("invoke_endpoint", {"Body": StreamingBody(io.BytesIO(raw), len(raw))}, asked)


def test_an_endpoint_is_asked(endpoint: Any) -> None:
    client, stub = endpoint
    answer(stub, '{"label": "limits", "score": 0.91}', "hello")
    assert SageMakerClassifier(client, "intents")("hello") == Intent("limits", 0.91)
    stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    "body", ["", "{}", '{"label": "weather", "score": 1}', '{"label": "limits", "score": "x"}']
)
def test_an_endpoint_that_answers_nothing_useful_is_done_without(endpoint: Any, body: str) -> None:
    client, stub = endpoint
    answer(stub, body, "How do I?")
    assert SageMakerClassifier(client, "intents")("How do I?").name == "how_to"


def test_an_endpoint_that_fails_is_done_without(endpoint: Any) -> None:
    client, stub = endpoint
    stub.add_client_error("invoke_endpoint", "ModelError")
    assert SageMakerClassifier(client, "intents")("How do I?").name == "how_to"


def test_a_setting_names_the_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    assert classifier_of("keywords", "ap-northeast-1") is by_keywords
    assert isinstance(classifier_of("sagemaker:intents", "ap-northeast-1"), SageMakerClassifier)
    for said in ("", "sagemaker:", "oracle"):
        with pytest.raises(ValueError, match="unknown classifier"):
            classifier_of(said, "ap-northeast-1")
