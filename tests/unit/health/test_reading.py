from __future__ import annotations

import json

from model_calls import STREAMED

from kenshin.health.answer import Answer
from kenshin.health.reading import ConverseReading, InvokeReading


def chunk(**body):
    return {"chunk": {"bytes": json.dumps(body).encode()}}


METRICS = {"inputTokenCount": 9, "outputTokenCount": 3, "invocationLatency": 5, "firstByteLatency": 2}
ANTHROPIC = [
    chunk(type="message_start", message={"usage": {"input_tokens": 8, "output_tokens": 1}}),
    chunk(type="content_block_start", index=0, content_block={"type": "text", "text": ""}),
    chunk(type="ping"),
    chunk(type="content_block_delta", index=0, delta={"type": "text_delta", "text": "Hi"}),
    chunk(type="content_block_stop", index=0),
    chunk(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 2}),
]
LAST = {
    "chunk": {
        "bytes": json.dumps(
            {
                "type": "message_stop",
                "amazon-bedrock-invocationMetrics": {**METRICS, "cacheReadInputTokenCount": 40},
            }
        ).encode()
    }
}


def read(reading, events):
    return [reading.see(event) for event in events]


def test_a_stream_of_converse():
    reading = ConverseReading(Answer(request_id="r", retries=1), wants_text=True)
    assert read(reading, STREAMED) == [False, True, True, False, False, False]
    assert reading.answer == Answer(11, 4, stop_reason="end_turn", request_id="r", retries=1)
    assert (reading.ended, reading.seen, reading.text) == (True, 6, ["Good ", "day."])


def test_a_guardrail_in_a_stream():
    reading = ConverseReading(Answer(), wants_text=False)
    read(reading, [{"messageStop": {"stopReason": "guardrail_intervened"}}])
    assert reading.answer.guardrail
    traced = ConverseReading(Answer(), wants_text=False)
    trace = {
        "guardrail": {"inputAssessment": {"g": {"wordPolicy": {"customWords": [{"action": "BLOCKED"}]}}}}
    }
    read(traced, [{"metadata": {"usage": {"inputTokens": 1, "outputTokens": 0}, "trace": trace}}])
    assert traced.answer.guardrail


def test_the_first_token_is_not_the_frame():
    reading = InvokeReading(Answer(), wants_text=False)
    assert read(reading, ANTHROPIC) == [False, False, False, True, True, True]


def test_bedrocks_metrics_have_the_last_word():
    reading = InvokeReading(Answer(), wants_text=False)
    read(reading, ANTHROPIC)
    assert (reading.answer.input_tokens, reading.answer.output_tokens) == (8, 2)
    assert (reading.answer.stop_reason, reading.ended) == ("end_turn", False)
    read(reading, [LAST])
    answer = reading.answer
    assert (answer.input_tokens, answer.output_tokens, answer.cache_read_tokens) == (9, 3, 40)
    assert (answer.stop_reason, reading.ended, reading.text) == ("end_turn", True, [])


def test_other_families_in_chunks():
    llama = InvokeReading(Answer(), wants_text=True)
    llama_chunk = chunk(generation="Hi", prompt_token_count=7, generation_token_count=1, stop_reason=None)
    assert read(llama, [llama_chunk]) == [True]
    assert llama.answer.stop_reason is None
    assert llama.text == [llama_chunk["chunk"]["bytes"].decode()]
    titan = InvokeReading(Answer(), wants_text=False)
    read(titan, [chunk(outputText="Hi", completionReason="FINISH", inputTextTokenCount=7)])
    assert (titan.answer.stop_reason, titan.answer.input_tokens) == ("FINISH", 7)
    guarded = InvokeReading(Answer(), wants_text=False)
    read(guarded, [{"chunk": {"bytes": b'{"amazon-bedrock-guardrailAction": "INTERVENED"}'}}, {}])
    assert guarded.answer.guardrail
