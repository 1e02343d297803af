from __future__ import annotations

import asyncio
import gc
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from model_calls import (
    CONVERSED,
    HAIKU,
    HELLO,
    OPERATIONS,
    SONNET,
    STREAMED,
    STREAMS,
    FakeClient,
    ServiceError,
    conversed,
)
from peers.bedrock import Fault, client

from kenshin.errors import CircuitOpen, DeadlineExceeded
from kenshin.health.async_wrapper import AsyncClientWrapper
from kenshin.health.surroundings import CallOptions
from kenshin.health.threads import InThreads
from kenshin.signals.context import TraceContext, trace_in_force

THROTTLED = ServiceError("ThrottlingException", 429)


class AsyncStream:
    """Events, perhaps an exception after them, as aiobotocore's stream gives them."""

    def __init__(self, *events):
        self._events = iter(events)
        self.closed = False

    def __aiter__(self):
        return self._all()

    async def _all(self):
        for event in self._events:
            await asyncio.sleep(0)
            if isinstance(event, BaseException):
                raise event
            yield event

    def close(self):
        self.closed = True


class AsyncBytes:
    def __init__(self, raw):
        self._raw = raw

    async def read(self):
        return self._raw


class AsyncClient(FakeClient):
    """The same answers, awaited; methods are plain functions that answer coroutines, as aiobotocore's are."""

    def _answer(self, **arguments):
        async def answered():
            await asyncio.sleep(0)
            return FakeClient._answer(self, **arguments)

        return answered()

    converse = converse_stream = invoke_model = invoke_model_with_response_stream = count_tokens = _answer


def streaming(*events):
    return lambda: {"stream": AsyncStream(*(events or STREAMED)), "ResponseMetadata": {"RequestId": "req-s"}}


@pytest.fixture
def wrapped(ward):
    return lambda *answers, **options: AsyncClientWrapper(
        AsyncClient(list(answers)), ward.around, CallOptions(**options)
    )


async def taken(answer):
    return [event async for event in answer["stream"]]


def test_converse(ward, wrapped):
    answer = asyncio.run(wrapped(conversed(), intent="x").converse(modelId=HAIKU, messages=HELLO))
    assert answer["ResponseMetadata"].pop("KenshinModelId") == HAIKU
    assert answer == CONVERSED
    assert (ward.record.operation, ward.record.input_tokens, ward.record.intent) == ("converse", 11, "x")


def test_a_stream(ward, wrapped):
    async def go():
        return await taken(await wrapped(streaming()).converse_stream(modelId=HAIKU))

    assert asyncio.run(go()) == STREAMED
    assert (ward.record.status, ward.record.output_tokens, ward.record.request_id) == ("success", 4, "req-s")


def test_a_body(ward, wrapped):
    raw = b'{"usage": {"input_tokens": 5, "output_tokens": 2}}'

    async def go():
        answer = await wrapped({"body": AsyncBytes(raw), "ResponseMetadata": {}}).invoke_model(modelId=HAIKU)
        return await answer["body"].read()

    assert asyncio.run(go()) == raw
    assert ward.record.input_tokens == 5


def test_fallbacks_for_answers_and_streams(ward, wrapped):
    async def go():
        answer = await wrapped(THROTTLED, conversed(), fallbacks=[HAIKU]).converse(modelId=SONNET)
        stream = await wrapped(streaming(THROTTLED), streaming(), fallbacks=[HAIKU]).converse_stream(
            modelId=SONNET
        )
        assert await taken(stream) == STREAMED
        return answer["ResponseMetadata"]["KenshinModelId"], stream["ResponseMetadata"]["KenshinModelId"]

    assert asyncio.run(go()) == (HAIKU, HAIKU)
    assert [each.fallback_of for each in ward.records] == [None, SONNET] * 2


def test_a_stream_that_breaks(ward, wrapped):
    async def go():
        await taken(
            await wrapped(streaming(*STREAMED[:2], ConnectionResetError())).converse_stream(modelId=HAIKU)
        )

    with pytest.raises(ConnectionResetError):
        asyncio.run(go())
    assert (ward.record.status, ward.record.error_class) == ("error", "ConnectionResetError")


@pytest.mark.parametrize("how", ["close", "drop"])
def test_who_wants_no_more_has_cancelled(ward, wrapped, how):
    async def go():
        answer = await wrapped(streaming()).converse_stream(modelId=HAIKU)
        await anext(answer["stream"])
        if how == "close":
            source = answer["stream"]._source
            await answer["stream"].close()
            assert source.closed

    asyncio.run(go())
    gc.collect()
    assert ward.record.cancelled


@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
def test_a_task_that_is_cancelled_counts_against_nobody(ward, operation):
    class Endless(AsyncClient):
        def _answer(self, **arguments):
            return asyncio.sleep(60)

        converse = _answer

        async def converse_stream(self, **arguments):
            return {"stream": self, "ResponseMetadata": {}}

        async def __aiter__(self):
            await asyncio.sleep(60)
            yield {}

    async def go():
        wrapper = AsyncClientWrapper(Endless(), ward.around)
        async with asyncio.timeout(0.05):
            answer = await getattr(wrapper, operation)(modelId=HAIKU)
            await anext(answer["stream"])

    with pytest.raises(TimeoutError):
        asyncio.run(go())
    record = ward.record
    assert (record.cancelled, record.errors, record.successes, record.error_class) == (True, None, None, None)
    assert ward.breakers.of(HAIKU).counts == {"ignored": 1}


def test_a_task_that_dies_with_its_loop_is_cancelled_without_noise(ward, monkeypatch):
    class Never:
        async def converse(self, **arguments):
            await asyncio.get_running_loop().create_future()

    async def go():
        task = asyncio.create_task(AsyncClientWrapper(Never(), ward.around).converse(modelId=HAIKU))
        await asyncio.sleep(0)
        return [task]

    noise = []
    monkeypatch.setattr("sys.unraisablehook", noise.append)
    loop = asyncio.new_event_loop()
    tasks = loop.run_until_complete(go())
    loop.close()
    tasks.clear()
    gc.collect()
    assert noise == []
    assert ward.record.cancelled
    assert ward.breakers.of(HAIKU).counts == {"ignored": 1}


def test_the_deadline_holds_between_events(ward, wrapped):
    async def go():
        answer = await wrapped(streaming(), deadline=1.0).converse_stream(modelId=HAIKU)
        source = answer["stream"]._source
        await anext(answer["stream"])
        ward.clock.pass_(1)
        try:
            await anext(answer["stream"])
        finally:
            assert source.closed

    with pytest.raises(DeadlineExceeded):
        asyncio.run(go())
    assert ward.record.error_code == "DeadlineExceeded"


def test_an_open_breaker_fails_fast(ward, wrapped):
    ward.breakers.of(HAIKU).override("open")
    with pytest.raises(CircuitOpen):
        asyncio.run(wrapped(conversed()).converse(modelId=HAIKU))


def test_a_thousand_at_once_keep_apart(ward):
    class Busy(AsyncClient):
        async def converse(self, **arguments):
            number = int(arguments["messages"])
            await asyncio.sleep((number * 7 % 13) / 1000)
            if number % 10 == 0:
                raise THROTTLED
            usage = {"inputTokens": number, "outputTokens": 1}
            return {**CONVERSED, "usage": usage, "ResponseMetadata": {"RequestId": f"r{number}"}}

    wrapper = AsyncClientWrapper(Busy(), ward.around)

    async def one(number):
        trace_in_force.set(TraceContext(f"{number:032x}", intent=f"intent {number}"))
        await wrapper.with_options(fallbacks=["other"] if number % 20 else ()).converse(
            modelId=HAIKU, messages=str(number)
        )

    async def go():
        return await asyncio.gather(*(one(number) for number in range(1000)), return_exceptions=True)

    ended = asyncio.run(go())
    assert sum(each is THROTTLED for each in ended) == 100
    for record in ward.records:
        number = int(record.trace_id, 16)
        assert record.intent == f"intent {number}"
        if record.status == "success":
            assert (record.input_tokens, record.request_id) == (number, f"r{number}")
    by_trace = Counter(record.trace_id for record in ward.records)
    assert sorted(by_trace.values()) == [1] * 950 + [2] * 50, "fallbacks were throttled, too"
    assert len(by_trace) == 1000


class TestBoto3InThreads:
    """The same against the stand-in, with a client of boto3."""

    def wrapper(self, ward, asking, **options):
        return AsyncClientWrapper(asking, ward.around, CallOptions(**options))

    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_each_operation(self, ward, bedrock, bedrock_client, operation):
        async def go():
            answer = await getattr(self.wrapper(ward, bedrock_client), operation)(
                modelId=HAIKU, **OPERATIONS[operation]
            )
            if operation in STREAMS:
                return [event async for event in answer[STREAMS[operation]]]
            return await answer["body"].read() if operation == "invoke_model" else answer

        answer = asyncio.run(go())
        assert json.loads(answer)["usage"] if operation == "invoke_model" else answer
        [entry] = bedrock.log
        assert (ward.record.request_id, ward.record.status) == (entry.request_id, "success")
        if operation != "count_tokens":
            assert ward.record.input_tokens == entry.input_tokens

    def test_tries_are_counted_there_too(self, ward, bedrock):
        bedrock.set_faults([Fault("reset")])
        with pytest.raises(Exception, match="closed"):
            asyncio.run(
                self.wrapper(ward, client(bedrock.url, retries=1)).converse(modelId=HAIKU, messages=HELLO)
            )
        assert ward.record.retry_count == len(bedrock.log) - 1 == 1

    def test_the_loop_goes_on_while_a_thread_waits(self, ward, bedrock, bedrock_client):
        bedrock.set_faults([Fault("slow", delay_s=0.3)])

        async def go():
            turns = 0
            task = asyncio.create_task(
                self.wrapper(ward, bedrock_client).converse(modelId=HAIKU, messages=HELLO)
            )
            while not task.done():
                await asyncio.sleep(0.01)
                turns += 1
            return turns

        assert asyncio.run(go()) > 3

    def test_a_cancelled_task_does_not_wait_for_its_thread(self, ward, bedrock, bedrock_client):
        bedrock.set_faults([Fault("slow", delay_s=1)])

        async def go():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await self.wrapper(ward, bedrock_client).converse(modelId=HAIKU, messages=HELLO)
            return list(ward.records)

        [record] = asyncio.run(go())
        assert record.cancelled

    def test_many_at_once_with_threads_of_their_own(self, ward, bedrock):
        async def go(threads):
            wrapper = self.wrapper(ward, InThreads(client(bedrock.url), threads))

            async def one():
                stream = (await wrapper.converse_stream(modelId=HAIKU, messages=HELLO))["stream"]
                return [event async for event in stream]

            return await asyncio.gather(*(one() for _ in range(60)))

        with ThreadPoolExecutor(8) as threads:
            streams = asyncio.run(go(threads))
        assert all("metadata" in events[-1] for events in streams)
        told = Counter((each.request_id, each.output_tokens) for each in ward.records)
        assert told == Counter((each.request_id, each.output_tokens) for each in bedrock.log)

    def test_the_rest_of_the_client_is_there(self, ward, bedrock_client):
        async def go():
            return await self.wrapper(ward, bedrock_client).apply_guardrail(
                guardrailIdentifier="g1",
                guardrailVersion="1",
                source="INPUT",
                content=[{"text": {"text": "x"}}],
            )

        assert asyncio.run(go())["action"] == "NONE"
        assert self.wrapper(ward, bedrock_client).meta.region_name == "ap-northeast-1"
