"""Each operation, asked by boto3, which validates nothing of an answer and yet must decode all of it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from botocore.exceptions import ClientError
from peers.bedrock import BedrockPeer, Model, Prompt, Reply, client, count_tokens

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
PROFILE = f"arn:aws:bedrock:ap-northeast-1:123456789012:inference-profile/jp.{HAIKU}"
TITAN = "amazon.titan-embed-text-v2:0"
CONTEXT = (
    '<passage id="logs">Log groups keep events for 30 days. The retention can be changed.</passage>'
    '<passage id="topics">A topic delivers messages to its subscribers.</passage>'
    '<passage id="ja">保存期間は30日です。変更できます。</passage>'
)
WEATHER = {
    "toolSpec": {
        "name": "get_weather",
        "inputSchema": {
            "json": {
                "type": "object",
                "properties": {"place": {"type": "string"}, "unit": {"enum": ["C", "F"]}},
            }
        },
    }
}


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"text": text}]}]


def messages_body(text: str = "How long do log groups keep events?", **more: Any) -> str:
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 200,
        "system": CONTEXT,
        "messages": [{"role": "user", "content": text}],
        **more,
    }
    return json.dumps(body)


def text_of(answer: dict[str, Any]) -> str:
    return "".join(block.get("text", "") for block in answer["output"]["message"]["content"])


def test_converse_quotes_the_context_and_reports_usage(bedrock: BedrockPeer, bedrock_client: Any) -> None:
    answer = bedrock_client.converse(
        modelId=HAIKU, system=[{"text": CONTEXT}], messages=user("How long do log groups keep events?")
    )
    assert "30 days" in text_of(answer)
    assert answer["stopReason"] == "end_turn"
    usage = answer["usage"]
    assert usage["inputTokens"] > count_tokens(CONTEXT)
    assert usage["outputTokens"] == count_tokens(text_of(answer))
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    assert answer["metrics"]["latencyMs"] >= 0
    [entry] = bedrock.log
    assert (entry.operation, entry.model_id, entry.status) == ("Converse", HAIKU, 200)
    assert entry.request_id == answer["ResponseMetadata"]["RequestId"]
    assert (entry.input_tokens, entry.output_tokens) == (usage["inputTokens"], usage["outputTokens"])
    assert entry.complete


@pytest.mark.parametrize("text", ["", "  \n"])
def test_a_blank_text_is_refused_and_its_place_named(bedrock_client: Any, text: str) -> None:
    with pytest.raises(ClientError, match=r"messages\.2\.content\.0 is blank") as refused:
        bedrock_client.converse(
            modelId=HAIKU,
            messages=[*user("a"), {"role": "assistant", "content": [{"text": "b"}]}, *user(text)],
        )
    assert refused.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize("operation", ["invoke_model", "count_tokens"])
def test_a_body_that_is_nested_too_deep_is_refused(bedrock_client: Any, operation: str) -> None:
    body = b"[" * 100_000
    given = {"body": body} if operation == "invoke_model" else {"input": {"invokeModel": {"body": body}}}
    with pytest.raises(ClientError, match="Malformed input request"):
        getattr(bedrock_client, operation)(modelId=HAIKU, **given)


def test_japanese_is_quoted_too(bedrock_client: Any) -> None:
    answer = bedrock_client.converse(
        modelId=HAIKU, system=[{"text": CONTEXT}], messages=user("保存期間は何日ですか")
    )
    assert "保存期間は30日です。" in text_of(answer)


def test_the_same_prompt_gets_the_same_answer_and_a_question_beside_the_point_none(
    bedrock_client: Any,
) -> None:
    asked = {"modelId": HAIKU, "system": [{"text": CONTEXT}], "messages": user("retention?")}
    assert text_of(bedrock_client.converse(**asked)) == text_of(bedrock_client.converse(**asked))
    lost = bedrock_client.converse(modelId=HAIKU, messages=user("zzz?"))
    assert "not sure" in text_of(lost)


def test_an_arn_is_read_out_of_the_path(bedrock: BedrockPeer, bedrock_client: Any) -> None:
    bedrock_client.converse(modelId=PROFILE, messages=user("hello"))
    assert bedrock.log[0].model_id == PROFILE


def test_converse_stream_says_the_same_as_converse(bedrock_client: Any) -> None:
    asked = {"modelId": HAIKU, "system": [{"text": CONTEXT}], "messages": user("retention of log groups?")}
    whole = bedrock_client.converse(**asked)
    events = list(bedrock_client.converse_stream(**asked)["stream"])
    kinds = [next(iter(event)) for event in events]
    assert kinds[0] == "messageStart"
    assert kinds[-3:] == ["contentBlockStop", "messageStop", "metadata"]
    said = "".join(
        event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event
    )
    assert said == text_of(whole)
    assert kinds.count("contentBlockDelta") > 1
    assert events[-2]["messageStop"]["stopReason"] == "end_turn"
    assert events[-1]["metadata"]["usage"] == whole["usage"]


def test_a_tool_is_called_and_its_result_answered(bedrock_client: Any) -> None:
    tools = {"tools": [WEATHER], "toolChoice": {"any": {}}}
    answer = bedrock_client.converse(modelId=HAIKU, messages=user("in Kyoto"), toolConfig=tools)
    assert answer["stopReason"] == "tool_use"
    message = answer["output"]["message"]
    use = message["content"][0]["toolUse"]
    assert use["name"] == "get_weather"
    assert use["input"] == {"place": "in Kyoto", "unit": "C"}
    result = {
        "role": "user",
        "content": [{"toolResult": {"toolUseId": use["toolUseId"], "content": [{"json": {"degrees": 21}}]}}],
    }
    after = bedrock_client.converse(
        modelId=HAIKU, messages=[*user("in Kyoto"), message, result], toolConfig=tools
    )
    assert after["stopReason"] == "end_turn"


def test_a_streamed_tool_call_adds_up_to_its_input(bedrock_client: Any) -> None:
    stream = bedrock_client.converse_stream(
        modelId=HAIKU, messages=user("please call get_weather"), toolConfig={"tools": [WEATHER]}
    )["stream"]
    events = list(stream)
    start = next(event["contentBlockStart"] for event in events if "contentBlockStart" in event)
    assert start["start"]["toolUse"]["name"] == "get_weather"
    pieces = [
        event["contentBlockDelta"]["delta"]["toolUse"]["input"]
        for event in events
        if "contentBlockDelta" in event
    ]
    assert json.loads("".join(pieces))["place"] == "please call get_weather"


def test_an_answer_keeps_to_a_json_schema(bedrock_client: Any) -> None:
    schema = {
        "type": "object",
        "properties": {
            "answer": {"type": "string"},
            "sources": {"type": "array", "items": {"type": "string"}},
            "sure": {"type": "boolean"},
        },
    }
    answer = bedrock_client.converse(
        modelId=HAIKU,
        system=[{"text": CONTEXT}],
        messages=user("How long do log groups keep events?"),
        outputConfig={
            "textFormat": {
                "type": "json_schema",
                "structure": {"jsonSchema": {"schema": json.dumps(schema), "name": "answer"}},
            }
        },
    )
    said = json.loads(text_of(answer))
    assert "30 days" in said["answer"]
    assert "logs" in said["sources"]
    assert said["sure"] is True


def test_an_answer_is_cut_at_max_tokens_and_at_a_stop_sequence(bedrock_client: Any) -> None:
    asked = {"modelId": HAIKU, "system": [{"text": CONTEXT}], "messages": user("log groups keep events?")}
    cut = bedrock_client.converse(**asked, inferenceConfig={"maxTokens": 3})
    assert cut["stopReason"] == "max_tokens"
    assert cut["usage"]["outputTokens"] <= 3
    stopped = bedrock_client.converse(**asked, inferenceConfig={"stopSequences": ["30"]})
    assert stopped["stopReason"] == "stop_sequence"
    assert text_of(stopped) == "Log groups keep events for "


def test_a_prompt_beyond_the_window_is_refused_and_an_answer_beyond_it_is_cut() -> None:
    model = Model(answer=lambda prompt: Reply("word " * 50), window=60)
    with BedrockPeer(model=model) as peer:
        asking = client(peer.url)
        answer = asking.converse(modelId=HAIKU, messages=user("one two three four five six seven"))
        assert answer["stopReason"] == "model_context_window_exceeded"
        assert answer["usage"]["totalTokens"] <= 60
        with pytest.raises(asking.exceptions.ValidationException, match="too long"):
            asking.converse(modelId=HAIKU, messages=user("word " * 80))


def test_a_guardrail_intervenes_only_where_it_is_asked_for(bedrock_client: Any) -> None:
    guard = {"guardrailIdentifier": "abc", "guardrailVersion": "1"}
    said = user("tell me a forbidden-word")
    assert bedrock_client.converse(modelId=HAIKU, messages=said)["stopReason"] == "end_turn"
    answer = bedrock_client.converse(modelId=HAIKU, messages=said, guardrailConfig=guard)
    assert answer["stopReason"] == "guardrail_intervened"
    content = [{"text": {"text": "a forbidden-word"}}]
    applied = bedrock_client.apply_guardrail(**guard, source="INPUT", content=content)
    assert applied["action"] == "GUARDRAIL_INTERVENED"
    assert applied["outputs"]
    clean = bedrock_client.apply_guardrail(**guard, source="INPUT", content=[{"text": {"text": "a word"}}])
    assert clean["action"] == "NONE"


def test_a_long_prefix_is_written_to_the_cache_and_then_read() -> None:
    system = [{"text": "word " * 200}, {"cachePoint": {"type": "default"}}, {"text": "tail"}]
    with BedrockPeer(model=Model(least_cached=100)) as peer:
        asking = client(peer.url)
        first, second = (
            asking.converse(modelId=HAIKU, system=system, messages=user(text))["usage"] for text in ("a", "b")
        )
        other = asking.converse(modelId=PROFILE, system=system, messages=user("a"))["usage"]
    assert first["cacheWriteInputTokens"] == second["cacheReadInputTokens"] > 200
    assert first["cacheReadInputTokens"] == second["cacheWriteInputTokens"] == 0
    assert first["inputTokens"] == second["inputTokens"]
    assert other["cacheReadInputTokens"] == 0
    assert peer.log[1].cache_read_tokens == second["cacheReadInputTokens"]


def test_invoke_model_speaks_anthropics_messages(bedrock: BedrockPeer, bedrock_client: Any) -> None:
    answer = bedrock_client.invoke_model(modelId=HAIKU, body=messages_body())
    body = json.loads(answer["body"].read())
    assert body["type"] == "message"
    assert "30 days" in body["content"][0]["text"]
    assert body["stop_reason"] == "end_turn"
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-bedrock-input-token-count"] == str(body["usage"]["input_tokens"])
    assert headers["x-amzn-bedrock-output-token-count"] == str(body["usage"]["output_tokens"])
    assert answer["contentType"] == "application/json"
    assert bedrock.log[0].input_tokens == body["usage"]["input_tokens"]


def test_invoke_model_streams_the_same_answer(bedrock_client: Any) -> None:
    whole = json.loads(bedrock_client.invoke_model(modelId=HAIKU, body=messages_body())["body"].read())
    answer = bedrock_client.invoke_model_with_response_stream(modelId=HAIKU, body=messages_body())
    chunks = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]
    said = "".join(chunk["delta"]["text"] for chunk in chunks if chunk["type"] == "content_block_delta")
    assert said == whole["content"][0]["text"]
    assert chunks[0]["type"] == "message_start"
    assert chunks[-2]["delta"]["stop_reason"] == "end_turn"
    metrics = chunks[-1]["amazon-bedrock-invocationMetrics"]
    assert metrics["inputTokenCount"] == whole["usage"]["input_tokens"]
    assert metrics["outputTokenCount"] == whole["usage"]["output_tokens"]


def test_invoke_model_calls_a_tool(bedrock_client: Any) -> None:
    tool = {"name": "look_up", "input_schema": {"type": "object", "properties": {"q": {"type": "string"}}}}
    body = messages_body("why?", tools=[tool], tool_choice={"type": "any"})
    answer = json.loads(bedrock_client.invoke_model(modelId=HAIKU, body=body)["body"].read())
    assert answer["stop_reason"] == "tool_use"
    assert answer["content"][0]["input"] == {"q": "why?"}


@pytest.mark.parametrize("dimensions", [256, 512, 1024])
def test_titan_embeds_texts_so_that_like_ones_lie_together(bedrock_client: Any, dimensions: int) -> None:
    def embed(text: str) -> list[float]:
        body = json.dumps({"inputText": text, "dimensions": dimensions, "normalize": True})
        answer = bedrock_client.invoke_model(
            modelId=TITAN, body=body, accept="application/json", contentType="application/json"
        )
        found: list[float] = json.loads(answer["body"].read())["embedding"]
        return found

    def distance(one: list[float], other: list[float]) -> float:
        return 1 - sum(a * b for a, b in zip(one, other, strict=True))

    one, like, unlike = map(embed, ["log group retention", "the log group retention", "保存期間の変更"])
    assert len(one) == dimensions
    assert math.isclose(sum(each * each for each in one), 1.0)
    assert embed("log group retention") == one
    assert distance(one, like) < 0.3 < distance(one, unlike)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"inputText": ""},
        {"inputText": "a", "dimensions": 7},
        {"inputText": "a", "what": 1},
        {"inputText": "a", "embeddingTypes": 1},
    ],
)
def test_titan_refuses_what_it_does_not_know(bedrock_client: Any, body: dict[str, Any]) -> None:
    with pytest.raises(bedrock_client.exceptions.ValidationException, match="Malformed"):
        bedrock_client.invoke_model(modelId=TITAN, body=json.dumps(body))


def test_count_tokens_counts_what_the_operations_count(bedrock_client: Any) -> None:
    asked = {"system": [{"text": CONTEXT}], "messages": user("retention?")}
    counted = bedrock_client.count_tokens(modelId=HAIKU, input={"converse": asked})["inputTokens"]
    assert counted == bedrock_client.converse(modelId=HAIKU, **asked)["usage"]["inputTokens"]
    body = messages_body()
    by_body = bedrock_client.count_tokens(modelId=HAIKU, input={"invokeModel": {"body": body.encode()}})
    answer = json.loads(bedrock_client.invoke_model(modelId=HAIKU, body=body)["body"].read())
    assert by_body["inputTokens"] == answer["usage"]["input_tokens"]


def test_blobs_within_json_and_documents_arrive_as_they_were_sent() -> None:
    seen: list[Prompt] = []

    def answer(prompt: Prompt) -> Reply:
        seen.append(prompt)
        return Reply("read")

    content = [
        {"text": "look"},
        {"document": {"name": "notes", "format": "txt", "source": {"bytes": "日本 \x00".encode()}}},
        {"image": {"format": "png", "source": {"bytes": bytes(range(256))}}},
    ]
    with BedrockPeer(model=Model(answer=answer)) as peer:
        asking = client(peer.url)
        asking.converse(
            modelId=HAIKU,
            messages=[{"role": "user", "content": content}],
            additionalModelRequestFields={"thinking": {"deep": [1, 2.5, {"a": None}]}},
        )
    assert "日本 \x00" in seen[0].question
    assert seen[0].input_tokens > 1500


def test_answers_and_counts_are_the_callers_to_give() -> None:
    model = Model(answer=lambda prompt: Reply(prompt.question.upper(), output_tokens=7), counter=len)
    with BedrockPeer(model=model) as peer:
        answer = client(peer.url).converse(modelId=HAIKU, messages=user("abc"))
    assert text_of(answer) == "ABC"
    assert answer["usage"] == {
        "inputTokens": 15,
        "outputTokens": 7,
        "totalTokens": 22,
        "cacheReadInputTokens": 0,
        "cacheWriteInputTokens": 0,
    }


def test_a_stream_of_an_embedding_model_is_refused(bedrock_client: Any) -> None:
    with pytest.raises(ClientError, match="unsupported"):
        bedrock_client.invoke_model_with_response_stream(modelId=TITAN, body='{"inputText": "a"}')


@pytest.mark.parametrize("schema", ["no json", "[]"])
def test_a_json_schema_that_is_none_is_refused(bedrock_client: Any, schema: str) -> None:
    said = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": schema}}}}
    with pytest.raises(bedrock_client.exceptions.ValidationException, match="JSON Schema"):
        bedrock_client.converse(modelId=HAIKU, messages=user("hello"), outputConfig=said)


def test_an_answer_function_that_fails_is_a_500_and_said_aloud(capfd: pytest.CaptureFixture[str]) -> None:
    def fail(prompt: Prompt) -> Reply:
        raise RuntimeError("a mistake of the test")

    with BedrockPeer(model=Model(answer=fail)) as peer:
        asking = client(peer.url)
        with pytest.raises(asking.exceptions.InternalServerException, match="a mistake of the test"):
            asking.converse(modelId=HAIKU, messages=user("hello"))
        assert peer.log[0].status == 500
    assert "RuntimeError" in capfd.readouterr().err
