from __future__ import annotations

import asyncio
import logging
import threading

import pytest
from model_calls import AT, CONVERSED, HAIKU, HELLO, ServiceError, Ward

from kenshin.errors import DeadlineExceeded
from kenshin.health.answer import Answer, of_converse
from kenshin.health.call import Call
from kenshin.health.failure import failure_of
from kenshin.health.quota import QuotaPolicy, Quotas
from kenshin.health.reading import ConverseReading
from kenshin.health.surroundings import CallOptions
from kenshin.signals.context import PromptMeasured, TraceContext, trace_in_force

TRACE = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "refund")
MEASURED = PromptMeasured("anthropic.claude-3-haiku", 40, 50, "latin")


def begun(ward: Ward, permit: bool = True, **more) -> Call:
    breaker = ward.breakers.of(HAIKU, "ap-northeast-1")
    options = CallOptions(**more.pop("options", {}))
    arguments = {"modelId": HAIKU, "messages": HELLO, **more.pop("arguments", {})}
    return Call(
        ward.around(),
        options,
        "converse",
        arguments,
        region="ap-northeast-1",
        breaker=breaker,
        permit=breaker.acquire() if permit else None,
        **more,
    )


def test_an_answer_becomes_a_record(ward):
    ward.more = {"tier": {HAIKU: "light"}.get}
    token = trace_in_force.set(TRACE)
    call = begun(ward)
    trace_in_force.reset(token)
    ward.clock.pass_(0.25)
    call.answered(lambda: of_converse(CONVERSED))
    record = ward.record
    assert (record.model_id, record.intent, record.status, record.error_code) == (
        HAIKU,
        "refund",
        "success",
        None,
    )
    assert (record.latency_ms, record.input_tokens, record.output_tokens) == (250.0, 11, 4)
    assert (record.operation, record.region, record.tier) == ("converse", "ap-northeast-1", "light")
    assert (record.trace_id, record.span_id) == (TRACE.trace_id, TRACE.span_id)
    assert (record.request_id, record.stop_reason, record.at) == ("req-1", "end_turn", AT)
    assert (record.content, record.fallback_of, record.cancelled) == (None, None, False)
    assert ward.breakers.of(HAIKU, "ap-northeast-1").counts == {"success": 1}


def test_a_call_ends_once(ward):
    call = begun(ward)
    call.failed(ServiceError("InternalServerException", 500))
    call.answered(lambda: of_converse(CONVERSED))
    call.stream_closed()
    call.abandon()
    assert ward.record.status == "error"


def test_an_error_becomes_a_record(ward):
    call = begun(ward, options={"intent": "greeting"})
    failure = call.failed(ServiceError("ThrottlingException", 429, retries=2))
    record = ward.record
    assert failure.outcome == "throttled"
    assert (record.status, record.error_code, record.error_class) == (
        "throttled",
        "ThrottlingException",
        "ServiceError",
    )
    assert (record.retry_count, record.request_id, record.intent) == (2, "req-e", "greeting")


def test_retries_without_an_answer_are_counted_as_the_tries_begin(ward):
    call = begun(ward)
    for _ in range(3):
        call.try_begins()
    call.failed(ConnectionResetError())
    assert ward.record.retry_count == 2


def test_the_state_is_that_after_the_call(ward):
    for _ in range(4):
        begun(ward).failed(ServiceError("InternalServerException", 500))
    assert [each.circuit_state for each in ward.records] == ["closed"] * 3 + ["open"]


def test_what_cannot_be_read_is_left_out(ward):
    begun(ward).answered(lambda: of_converse(None))
    assert (ward.record.status, ward.record.input_tokens) == ("success", 0)


def test_nothing_that_goes_wrong_here_reaches_the_caller(ward, caplog):
    def broken(*_):
        raise RuntimeError("full")

    heard = []
    ward.more = {"tier": broken}
    begun(ward).answered(lambda: of_converse(CONVERSED))
    assert "could not be recorded" in caplog.text
    ward.more = {"listeners": (broken, lambda *told: heard.append(told))}
    begun(ward, prompt=MEASURED).answered(lambda: of_converse(CONVERSED))
    assert "A listener of model calls failed" in caplog.text
    assert heard == [(ward.record, MEASURED)]
    assert ward.breakers.of(HAIKU, "ap-northeast-1").counts == {"success": 2}


def test_texts_only_where_they_are_wanted(ward):
    begun(ward).answered(lambda: of_converse(CONVERSED), lambda: "Good day.")
    ward.more = {"capture": True}
    begun(ward).answered(lambda: of_converse(CONVERSED), lambda: "Good day.")
    assert [each.content for each in ward.records] == [
        None,
        {"prompt": "hello there", "response": "Good day."},
    ]


def test_head_room_where_quotas_are_declared(ward):
    ward.more = {"quotas": Quotas({HAIKU: QuotaPolicy(4, 1000)}, clock=ward.clock)}
    call = begun(ward, prompt=MEASURED, arguments={"inferenceConfig": {"maxTokens": 189}})
    call.answered(lambda: of_converse(CONVERSED))
    assert (ward.record.request_headroom_pct, ward.record.token_headroom_pct) == (75.0, 80.0)
    ward.records.clear()
    begun(ward, metered=False).answered(lambda: of_converse(CONVERSED))
    assert ward.record.request_headroom_pct is None


@pytest.mark.parametrize(
    "body",
    [b'{"max_tokens": 189}', '{"textGenerationConfig": {"maxTokenCount": 189}}', b'{"max_gen_len": 189}'],
    ids=str,
)
def test_invoke_model_reserves_what_its_body_says(ward, body):
    ward.more = {"quotas": Quotas({HAIKU: QuotaPolicy(4, 1000)}, clock=ward.clock)}
    begun(ward, arguments={"body": body}).answered(lambda: of_converse(CONVERSED))
    assert ward.record.token_headroom_pct == 80.0


@pytest.mark.parametrize("body", [b"no json", b"[]", b"", None], ids=str)
def test_a_body_that_says_nothing_reserves_nothing(ward, body):
    ward.more = {"quotas": Quotas({HAIKU: QuotaPolicy(4, 1000)}, clock=ward.clock)}
    begun(ward, arguments={"body": body}).answered(lambda: of_converse(CONVERSED))
    assert ward.record.token_headroom_pct == 98.9


class TestDeadline:
    def test_no_try_begins_after_it(self, ward):
        call = begun(ward, options={"deadline": 2.0}, ends_by=ward.clock() + 2)
        call.try_begins()
        ward.clock.pass_(2)
        with pytest.raises(DeadlineExceeded, match="2 s are over, after 1 tries"):
            call.try_begins()

    @pytest.mark.parametrize(
        ("seconds", "before", "outcome"),
        [
            (2, None, "ignored"),
            (2, ServiceError("ThrottlingException", 429), "throttled"),
            (2, ServiceError("InternalServerException", 500), "fault"),
            (30, None, "fault"),
        ],
    )
    def test_haste_is_no_fault_of_the_service_but_slowness_is(self, ward, seconds, before, outcome):
        call = begun(ward, options={"deadline": seconds}, ends_by=ward.clock() + seconds)
        call.try_begins()
        if before is not None:
            call.try_failed(failure_of(before))
        ward.clock.pass_(seconds)
        with pytest.raises(DeadlineExceeded) as late:
            call.try_begins()
        call.failed(late.value)
        counts = call.breaker.counts
        counts.pop("slow", None)
        assert counts == {outcome: 1}
        assert (ward.record.status, ward.record.error_code) == ("timeout", "DeadlineExceeded")

    def test_a_try_that_failed_is_forgotten_once_another_begins(self, ward):
        call = begun(ward, options={"deadline": 2.0}, ends_by=ward.clock() + 2)
        call.try_begins()
        call.try_failed(failure_of(ServiceError("InternalServerException", 500)))
        call.try_begins()
        ward.clock.pass_(2)
        with pytest.raises(DeadlineExceeded) as late:
            call.check_time()
        call.failed(late.value)
        assert call.breaker.counts == {"ignored": 1}

    def test_a_stream_whose_first_token_came_soon_is_not_slow(self, ward):
        call = begun(ward, options={"deadline": 40.0}, ends_by=ward.clock() + 40)
        call.reading = ConverseReading(Answer(), wants_text=False)
        call.see({"contentBlockDelta": {"delta": {"text": "Good"}}})
        ward.clock.pass_(40)
        with pytest.raises(DeadlineExceeded) as late:
            call.check_time()
        call.failed(late.value)
        assert call.breaker.counts == {"ignored": 1}


@pytest.mark.parametrize(
    ("seconds", "how", "outcome"),
    [
        (29, lambda call: call.failed(asyncio.CancelledError()), "ignored"),
        (30, lambda call: call.failed(asyncio.CancelledError()), "fault"),
        (30, lambda call: call.stream_closed(), "ignored"),
        (30, lambda call: call.abandon(), "ignored"),
    ],
)
def test_who_gives_up_waiting_for_a_model_that_hangs_has_seen_a_fault(ward, seconds, how, outcome):
    call = begun(ward)
    ward.clock.pass_(seconds)
    how(call)
    counts = call.breaker.counts
    counts.pop("slow", None)
    assert counts == {outcome: 1}
    assert (ward.record.cancelled, ward.record.errors) == (True, None)


def test_of_several_threads_one_ends_it(ward):
    ward.breakers.of(HAIKU, "ap-northeast-1").override("closed")
    for _ in range(50):
        call, start = begun(ward), threading.Barrier(3)

        def end(how, start=start):
            start.wait()
            how()

        ways = (call.stream_closed, call.abandon, lambda call=call: call.failed(ConnectionResetError()))
        threads = [threading.Thread(target=end, args=(how,)) for how in ways]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(ward.records) == 50
    counts = call.breaker.counts
    assert counts.get("ignored", 0) + counts.get("fault", 0) == 50


def test_an_abandoned_call_takes_no_lock_and_tells_no_listener(ward, caplog):
    heard = []
    ward.more = {"listeners": (lambda *told: heard.append(told),)}
    call = begun(ward)
    caplog.set_level(logging.ERROR)
    with call.breaker._lock:
        call.abandon()
    assert (ward.record.cancelled, heard) == (True, [])
    assert call.breaker.counts == {"ignored": 1}


def test_nor_does_an_abandoned_call_wait_for_the_quota(ward):
    quotas = Quotas({HAIKU: QuotaPolicy(4, 1000)}, clock=ward.clock)
    ward.more = {"quotas": quotas}
    call = begun(ward)
    [meter] = quotas._meters.values()
    with meter._lock:
        thread = threading.Thread(target=call.abandon, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
    assert (ward.record.cancelled, ward.record.request_headroom_pct) == (True, None)


def test_a_coroutine_that_python_collects_abandons_its_call(ward):
    call = begun(ward)
    with call.breaker._lock:
        thread = threading.Thread(target=call.failed, args=(GeneratorExit(),), daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
    assert ward.record.cancelled
