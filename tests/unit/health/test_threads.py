from __future__ import annotations

import asyncio
import io
import threading
from concurrent.futures import ThreadPoolExecutor

from model_calls import STREAMED, FakeStream

from kenshin.health.threads import InThreads
from kenshin.signals.context import TraceContext, trace_in_force


class Client:
    region = "tokyo"

    def where(self) -> tuple[str, object]:
        return threading.current_thread().name, trace_in_force.get()

    def stream(self):
        return {"stream": FakeStream(*STREAMED)}

    def body(self):
        return {"body": io.BytesIO(b"abc"), "other": 1}


def test_calls_run_elsewhere_with_the_callers_context():
    trace = TraceContext("0" * 32)

    async def go(threads):
        trace_in_force.set(trace)
        return await InThreads(Client(), threads).where()

    with ThreadPoolExecutor(1, thread_name_prefix="mine") as threads:
        name, seen = asyncio.run(go(threads))
    assert name.startswith("mine")
    assert seen is trace


def test_streams_and_bodies_are_awaited():
    async def go():
        adapted = InThreads(Client())
        stream = (await adapted.stream())["stream"]
        events = [event async for event in stream]
        stream.close()
        answer = await adapted.body()
        return events, await answer["body"].read(2), await answer["body"].read(), answer["other"]

    assert asyncio.run(go()) == (STREAMED, b"ab", b"c", 1)


def test_what_is_no_method_is_as_it_was():
    assert InThreads(Client()).region == "tokyo"
