"""A request through the whole service, with a stand-in for the model API alone."""

from __future__ import annotations

from typing import Any

import pytest
from peers.bedrock import BedrockPeer, ChatAnswers, Fault, Model, Reply
from peers.bedrock.operations import Operations
from starlette.testclient import TestClient

from kenshin.experiments import flush_observations, observation_stats
from kenshin.runtime import Runtime
from orchestrator.chat import ChatService, handle_chat_request

QUESTION = "How long do log groups keep events?"
SPANS = [
    "intent_classification",
    "prompt_assembly",
    "bedrock_invocation",
    "response_validation",
    "response_delivery",
]


def ask(client: TestClient, message: str = QUESTION, session: str = "s-1", **headers: str) -> Any:
    return client.post("/chat", json={"session_id": session, "message": message}, headers=headers)


def test_a_question_is_answered_from_the_index_with_its_sources(client: TestClient) -> None:
    answer = ask(client).json()
    assert "30 days" in answer["answer"]
    assert "logs.PutRetentionPolicy" in answer["sources"]
    assert answer["quality"]["schema_valid"] is True
    assert answer["intent"] == "limits"
    assert [call["status"] for call in answer["calls"]] == ["success"]


def test_the_trace_has_the_five_spans_and_goes_on_with_the_callers(client: TestClient, records: Any) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    answer = ask(client, traceparent=f"00-{trace_id}-b7ad6b7169203331-01").json()
    [trace] = records("prompt_trace")
    assert [span["name"] for span in trace["spans"]] == SPANS
    assert all(span["success"] for span in trace["spans"])
    assert answer["trace_id"] == trace["trace_id"] == trace_id
    assert trace["parent_id"] == "b7ad6b7169203331"
    assert trace["template_name"] == "chat_answer"
    assert trace["template_version"] == answer["prompt_version"]
    assert trace["schema_valid"] is True
    metadata = {span["name"]: span["metadata"] for span in trace["spans"] if "metadata" in span}
    assert metadata["prompt_assembly"]["token_count"] == answer["budget"]["total_tokens"]
    assert metadata["bedrock_invocation"]["model_id"] == answer["model_id"]


def test_each_check_up_tells_of_the_request_once(
    client: TestClient, bedrock: BedrockPeer, records: Any
) -> None:
    answer = ask(client).json()
    [call] = records("bedrock_health")
    [entry] = bedrock.log
    assert call["trace_id"] == answer["trace_id"]
    assert call["intent"] == answer["intent"]
    assert call["request_id"] == entry.request_id == answer["calls"][0]["request_id"]
    assert (call["input_tokens"], call["output_tokens"]) == (entry.input_tokens, entry.output_tokens)
    assert len(records("budget_check")) == 1
    [usage] = records("usage_observed")
    assert usage["actual_tokens"] == entry.input_tokens


def test_the_response_is_scored_and_observed_in_its_arm(client: TestClient, runtime: Runtime) -> None:
    answer = ask(client).json()
    assert flush_observations() == 0
    assert observation_stats().stored == 1
    day = runtime.clock().astimezone(runtime.settings.zone).date()
    stored = [
        each for shard in range(16) for each in runtime.observations.read("chat-answer", day, shard).items
    ]
    assert [(each.arm, each.prompt_version) for each in stored] == [(answer["arm"], answer["prompt_version"])]
    assert stored[0].quality_score == answer["quality"]["score"]
    assert stored[0].trace_id == answer["trace_id"]
    assert stored[0].metrics["tokens.input"] == answer["calls"][0]["input_tokens"]


def test_requests_of_one_trace_are_observed_each(client: TestClient) -> None:
    for number in range(3):
        ask(client, f"{QUESTION} {number}", traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
    assert flush_observations() == 0
    assert observation_stats().stored == 3


def test_a_conversation_goes_on_after_an_empty_answer(client: TestClient, bedrock: BedrockPeer) -> None:
    bedrock.operations = Operations(Model(answer=lambda prompt: Reply("")))
    assert ask(client).status_code == 200
    bedrock.operations = Operations(Model())
    assert ask(client).status_code == 200


def test_both_versions_are_given_out_and_each_session_keeps_its_own(client: TestClient) -> None:
    versions = {ask(client, session=f"s-{number}").json()["prompt_version"] for number in range(12)}
    assert versions == {"1.4.0", "2.1.0"}
    assert len({ask(client, session="s-1").json()["prompt_version"] for _ in range(3)}) == 1


def test_a_conversation_is_remembered(client: TestClient, service: ChatService) -> None:
    first = ask(client).json()
    ask(client, "And how do I delete a bucket?")
    said = service.sessions.history("s-1")
    assert [each["role"] for each in said] == ["user", "assistant"] * 2
    assert said[1]["content"] == [{"text": first["answer"]}]
    assert service.sessions.history("s-2") == ()


def test_a_long_conversation_is_made_to_fit_and_still_answered(
    client: TestClient, bedrock: BedrockPeer, records: Any
) -> None:
    for number in range(14):
        answer = ask(client, f"{number} " + "How long do log groups keep events? " * 60)
        assert answer.status_code == 200
    budget = answer.json()["budget"]
    assert budget["action"] in {"compressed", "trimmed"}
    assert budget["saved_tokens"] > 0
    assert budget["total_tokens"] <= budget["budget_limit"]
    assert len(records("budget_check")) == 14
    usage = records("usage_observed")[-1]
    assert usage["estimated_tokens"] < 5000


def test_another_model_answers_where_the_first_fails_and_the_breaker_opens(
    client: TestClient, bedrock: BedrockPeer
) -> None:
    bedrock.set_faults([Fault("error", code="InternalServerException", model="*sonnet*")])
    answers = [ask(client).json() for _ in range(4)]
    assert [call["status"] for call in answers[0]["calls"]] == ["error", "success"]
    assert "haiku" in answers[0]["model_id"]
    assert answers[0]["calls"][1]["fallback_of"] == answers[0]["calls"][0]["model_id"]
    # The breaker is open by now: the first model is left alone.
    assert [call["status"] for call in answers[3]["calls"]] == ["success"]
    status = client.get("/health").json()
    assert status["status"] == "attention"
    assert {each["state"] for each in status["breakers"]} == {"open", "closed"}


@pytest.mark.parametrize(
    ("faults", "status"),
    [
        ([Fault("error", code="ServiceUnavailableException")], 503),
        ([Fault("error", code="ThrottlingException")], 503),
        ([Fault("reset")], 503),
        ([Fault("hang", delay_s=20)], 504),
        ([Fault("error", code="AccessDeniedException")], 503),
    ],
)
def test_a_model_that_does_not_answer_is_a_problem_that_tells_its_calls(
    client: TestClient, bedrock: BedrockPeer, records: Any, faults: list[Fault], status: int
) -> None:
    bedrock.set_faults(faults)
    answer = ask(client)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert QUESTION not in answer.text
    [trace] = records("prompt_trace")
    assert trace["trace_id"] == problem["trace_id"]
    assert not trace["spans"][2]["success"]
    assert len(trace["spans"]) == 3
    told = [(call["status"], call["error_code"]) for call in problem["calls"]]
    assert told == [(each["status"], each.get("error_code")) for each in records("bedrock_health")]


def test_while_every_breaker_is_open_requests_fail_at_once(client: TestClient, bedrock: BedrockPeer) -> None:
    bedrock.set_faults([Fault("error", code="InternalServerException")])
    for _ in range(3):
        ask(client)
    seen = len(bedrock.log)
    answer = ask(client)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert [call["error_code"] for call in answer.json()["calls"]] == ["CircuitOpen"]
    assert len(bedrock.log) == seen


def test_an_answer_that_breaks_its_schema_is_told_and_delivered(
    client: TestClient, bedrock: BedrockPeer, records: Any
) -> None:
    bedrock.operations = Operations(Model(answer=ChatAnswers(off_schema=1.0)))
    answer = ask(client).json()
    assert answer["quality"]["schema_valid"] is False
    assert "30 days" in answer["answer"]
    assert records("prompt_trace")[0]["schema_valid"] is False


def test_a_figure_that_no_passage_has_is_a_risk(client: TestClient, bedrock: BedrockPeer) -> None:
    assert ask(client).json()["quality"]["hallucination_risk"] is False
    bedrock.operations = Operations(Model(answer=ChatAnswers(made_up=1.0)))
    answer = ask(client).json()
    assert answer["quality"]["hallucination_risk"] is True
    assert answer["quality"]["score"] < 1


def test_an_answer_that_cannot_be_delivered_is_a_failed_delivery(service: ChatService, records: Any) -> None:
    def deliver(answer: object) -> None:
        raise OSError("gone")

    with pytest.raises(Exception, match="could not be answered") as caught:
        handle_chat_request("s-1", QUESTION, service=service, deliver=deliver)
    assert isinstance(caught.value.__cause__, OSError)
    [trace] = records("prompt_trace")
    assert trace["spans"][4]["name"] == "response_delivery"
    assert not trace["spans"][4]["success"]
