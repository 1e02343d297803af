from __future__ import annotations

import gc
import io
import json

import pytest
from model_calls import (
    CONVERSED,
    HAIKU,
    HELLO,
    SONNET,
    STREAMED,
    FakeClient,
    FakeStream,
    ServiceError,
    conversed,
    streaming,
)

from kenshin.errors import CircuitOpen, DeadlineExceeded, InvalidPolicy

THROTTLED = ServiceError("ThrottlingException", 429)


def test_it_takes_and_answers_what_the_client_does(ward):
    client = FakeClient([conversed()])
    answer = ward.wrapped(client).converse(modelId=HAIKU, messages=HELLO)
    assert client.asked == [{"modelId": HAIKU, "messages": HELLO}]
    assert answer["ResponseMetadata"].pop("KenshinModelId") == HAIKU
    assert answer == CONVERSED
    assert ward.record.operation == "converse"


def test_everything_else_is_the_clients(ward):
    client = FakeClient([conversed()])
    wrapper = ward.wrapped(client)
    assert wrapper.apply_guardrail(text="x") == "guarded"
    assert wrapper.answers is client.answers
    with pytest.raises(AttributeError):
        _ = wrapper.nothing_of_this_name
    assert ward.records == []


def test_options_make_a_view_that_shares_everything_else(ward):
    wrapper = ward.wrapped(FakeClient([conversed()]), intent="a")
    view = wrapper.with_options(intent="b").with_options(deadline=3)
    view.converse(modelId=HAIKU)
    wrapper.converse(modelId=HAIKU)
    assert [each.intent for each in ward.records] == ["b", "a"]
    assert type(view) is type(wrapper)
    assert view.client is wrapper.client
    with pytest.raises(InvalidPolicy, match="deadline"):
        wrapper.with_options(deadline=-1)


def test_the_error_of_the_client_is_the_callers(ward):
    error = ServiceError("ValidationException")
    with pytest.raises(ServiceError) as raised:
        ward.wrapped(FakeClient([error]), fallbacks=[SONNET]).converse(modelId=HAIKU)
    assert raised.value is error
    assert ward.record.error_code == "ValidationException"


def test_a_fallback_answers_in_a_throttled_models_stead(ward):
    client = FakeClient([THROTTLED, conversed()])
    answer = ward.wrapped(client, fallbacks=[HAIKU]).converse(modelId=SONNET, messages=HELLO)
    assert answer["ResponseMetadata"]["KenshinModelId"] == HAIKU
    assert [each["modelId"] for each in client.asked] == [SONNET, HAIKU]
    assert [(each.model_id, each.status, each.fallback_of) for each in ward.records] == [
        (SONNET, "throttled", None),
        (HAIKU, "success", SONNET),
    ]


def test_an_open_breaker_fails_fast_and_recovers(ward):
    client = FakeClient([ServiceError("ServiceUnavailableException", 503)] * 4 + [conversed()])
    wrapper = ward.wrapped(client)
    for _ in range(4):
        with pytest.raises(ServiceError):
            wrapper.converse(modelId=HAIKU)
    with pytest.raises(CircuitOpen):
        wrapper.converse(modelId=HAIKU)
    assert len(client.asked) == 4
    ward.clock.pass_(15)
    for _ in range(3):
        wrapper.converse(modelId=HAIKU)
    assert [each.after for each in ward.changes] == ["open", "half_open", "closed"]
    assert [each.circuit_state for each in ward.records][-4:] == ["open", "half_open", "half_open", "closed"]


def test_a_body_is_read_once_and_can_be_read_again(ward):
    raw = json.dumps({"usage": {"input_tokens": 5, "output_tokens": 2}, "stop_reason": "end_turn"}).encode()
    client = FakeClient([lambda: {"body": io.BytesIO(raw), "ResponseMetadata": {"HTTPHeaders": {}}}])
    answer = ward.wrapped(client).invoke_model(modelId=HAIKU, body=b"{}")
    assert answer["body"].read() == raw
    assert (ward.record.input_tokens, ward.record.output_tokens, ward.record.stop_reason) == (
        5,
        2,
        "end_turn",
    )


def test_a_body_that_breaks_off_is_an_error_of_the_call(ward):
    class Broken(io.BytesIO):
        def read(self, *_):
            raise ConnectionResetError("gone")

    client = FakeClient([lambda: {"body": Broken(), "ResponseMetadata": {}}])
    with pytest.raises(ConnectionResetError):
        ward.wrapped(client).invoke_model(modelId=HAIKU, body=b"{}")
    assert (ward.record.status, ward.record.error_class) == ("error", "ConnectionResetError")


def test_counting_tokens_is_a_record_without_tokens(ward):
    client = FakeClient([lambda: {"inputTokens": 77, "ResponseMetadata": {"RequestId": "c"}}])
    assert ward.wrapped(client).count_tokens(modelId=HAIKU, input={})["inputTokens"] == 77
    assert (ward.record.operation, ward.record.input_tokens, ward.record.request_id) == (
        "count_tokens",
        0,
        "c",
    )


def test_texts_go_into_the_record_where_capture_is_on(ward):
    ward.more = {"capture": True}
    raw = b'{"completion": "x"}'
    client = FakeClient(
        [
            conversed(),
            streaming(),
            lambda: {"body": io.BytesIO(raw), "ResponseMetadata": {}},
        ]
    )
    wrapper = ward.wrapped(client)
    wrapper.converse(modelId=HAIKU, messages=HELLO)
    list(wrapper.converse_stream(modelId=HAIKU, messages=HELLO)["stream"])
    wrapper.invoke_model(modelId=HAIKU, body=b"ask")
    assert [each.content for each in ward.records] == [
        {"prompt": "hello there", "response": "Good day."},
        {"prompt": "hello there", "response": "Good day."},
        {"prompt": "ask", "response": '{"completion": "x"}'},
    ]


class TestStream:
    def opened(self, ward, *answers, **options):
        wrapper = ward.wrapped(FakeClient(list(answers)), **options)
        return wrapper.converse_stream(modelId=SONNET, messages=HELLO)

    def test_its_events_pass_and_its_end_is_the_calls(self, ward):
        answer = self.opened(ward, streaming())
        seen = []
        for event in answer["stream"]:
            ward.clock.pass_(0.5)
            seen.append(event)
            assert ward.records == []
        assert seen == STREAMED
        record = ward.record
        assert (record.status, record.input_tokens, record.output_tokens) == ("success", 11, 4)
        assert (record.first_token_ms, record.latency_ms) == (500.0, 3000.0)
        assert (record.stop_reason, record.request_id) == ("end_turn", "req-s")
        assert list(answer["stream"]) == []
        assert answer["ResponseMetadata"]["KenshinModelId"] == answer["stream"].model_id == SONNET

    def test_only_the_time_to_its_first_token_makes_it_slow(self, ward):
        for _ in range(4):
            for _event in self.opened(ward, streaming())["stream"]:
                ward.clock.pass_(20)
        assert ward.records[0].latency_ms == 120_000
        assert ward.breakers.of(SONNET).counts == {"success": 4}

    @pytest.mark.parametrize(
        ("error", "status", "code"),
        [
            (ServiceError("modelStreamErrorException"), "error", "ModelStreamErrorException"),
            (ServiceError("throttlingException"), "throttled", "ThrottlingException"),
            (ConnectionResetError("x"), "error", "ConnectionResetError"),
            (TimeoutError("x"), "timeout", "TimeoutError"),
        ],
    )
    def test_one_that_breaks_raises_what_broke_it(self, ward, error, status, code):
        stream = self.opened(ward, streaming(*STREAMED[:2], error), fallbacks=[HAIKU])["stream"]
        seen = []
        with pytest.raises(type(error)):
            seen.extend(stream)
        assert (ward.record.status, ward.record.error_code) == (status, code)
        assert ward.record.error_class == type(error).__name__
        assert ward.record.first_token_ms is not None

    def test_one_that_ends_without_saying_so_is_broken(self, ward):
        assert list(self.opened(ward, streaming(*STREAMED[:3]))["stream"]) == STREAMED[:3]
        assert (ward.record.status, ward.record.error_code) == ("error", "StreamIncomplete")
        assert ward.breakers.of(SONNET).counts == {"fault": 1}

    def test_who_closes_it_has_cancelled(self, ward):
        answer = self.opened(ward, streaming())
        source = answer["stream"]._source
        next(answer["stream"])
        answer["stream"].close()
        assert source.closed
        record = ward.record
        assert (record.cancelled, record.status, record.errors, record.successes) == (
            True,
            "success",
            None,
            None,
        )
        assert ward.breakers.of(SONNET).counts == {"ignored": 1}

    def test_who_closes_it_after_the_end_has_not(self, ward):
        stream = self.opened(ward, streaming())["stream"]
        for event in stream:
            if "messageStop" in event:
                break
        stream.close()
        assert (ward.record.cancelled, ward.record.successes) == (False, 1)

    def test_who_drops_it_has_cancelled(self, ward):
        answer = self.opened(ward, streaming())
        for _ in answer["stream"]:
            break
        assert ward.records == []
        del answer
        gc.collect()
        assert ward.record.cancelled
        assert ward.breakers.of(SONNET).counts == {"ignored": 1}

    def test_who_drops_it_after_the_end_has_not(self, ward):
        for _ in range(4):
            for _ in range(4):
                for event in self.opened(ward, streaming())["stream"]:
                    if "messageStop" in event:
                        break
                gc.collect()
            with pytest.raises(ConnectionResetError):
                self.opened(ward, ConnectionResetError())
        assert [each.cancelled for each in ward.records] == [False] * 20
        assert ward.breakers.of(SONNET).counts == {"success": 16, "fault": 4}
        assert ward.breakers.of(SONNET).state == "closed", "a fifth of them failed"

    def test_who_goes_on_after_a_break_gets_the_rest(self, ward):
        stream = self.opened(ward, streaming())["stream"]
        seen = []
        for event in stream:
            seen.append(event)
            break
        assert [*seen, *stream] == STREAMED
        assert not ward.record.cancelled

    def test_before_the_first_event_another_model_can_take_over(self, ward):
        answer = self.opened(
            ward,
            streaming(ServiceError("throttlingException")),
            THROTTLED,
            streaming(),
            fallbacks=["m", HAIKU],
        )
        assert list(answer["stream"]) == STREAMED
        assert answer["ResponseMetadata"]["KenshinModelId"] == answer["stream"].model_id == HAIKU
        assert [(each.model_id, each.status, each.fallback_of) for each in ward.records] == [
            (SONNET, "throttled", None),
            ("m", "throttled", SONNET),
            (HAIKU, "success", SONNET),
        ]

    def test_the_deadline_holds_between_events(self, ward):
        answer = self.opened(ward, streaming(), deadline=1.0)
        source = answer["stream"]._source
        next(answer["stream"])
        ward.clock.pass_(1)
        with pytest.raises(DeadlineExceeded):
            next(answer["stream"])
        assert source.closed
        assert (ward.record.status, ward.record.error_code) == ("timeout", "DeadlineExceeded")

    def test_an_answer_that_is_all_there_is_not_too_late(self, ward):
        seen = []
        for event in self.opened(ward, streaming(), deadline=1.0)["stream"]:
            seen.append(event)
            if "messageStop" in event:
                ward.clock.pass_(2)
        assert seen == STREAMED
        assert (ward.record.status, ward.record.output_tokens) == ("success", 4)

    def test_the_clients_own_methods_are_there(self, ward):
        source = FakeStream(*STREAMED)
        source.get_initial_response = lambda: "initial"
        client = FakeClient([{"stream": source, "ResponseMetadata": {}}])
        stream = ward.wrapped(client).converse_stream(modelId=HAIKU)["stream"]
        assert stream.get_initial_response() == "initial"
        with pytest.raises(AttributeError):
            _ = stream.nothing_of_this_name

    def test_an_event_that_cannot_be_read_passes_all_the_same(self, ward):
        odd = [{"contentBlockDelta": None}, {"messageStop": 1}, *STREAMED]
        assert list(self.opened(ward, streaming(*odd))["stream"]) == odd
        assert ward.record.status == "success"

    def test_of_invoke_model_too(self, ward):
        chunks = [
            {"chunk": {"bytes": b'{"generation": "Hi"}'}},
            {
                "chunk": {
                    "bytes": json.dumps(
                        {
                            "stop_reason": "stop",
                            "amazon-bedrock-invocationMetrics": {"inputTokenCount": 6, "outputTokenCount": 1},
                        }
                    ).encode()
                }
            },
        ]
        client = FakeClient([{"body": FakeStream(*chunks), "ResponseMetadata": {}}])
        answer = ward.wrapped(client).invoke_model_with_response_stream(modelId=HAIKU, body=b"{}")
        assert list(answer["body"]) == chunks
        record = ward.record
        assert (record.input_tokens, record.output_tokens, record.stop_reason) == (6, 1, "stop")
        assert record.operation == "invoke_model_with_response_stream"
