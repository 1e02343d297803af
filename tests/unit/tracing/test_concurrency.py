from __future__ import annotations

import asyncio
import gc
import os
import random
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from kenshin.signals.context import trace_in_force
from kenshin.signals.traces import PromptTraced
from kenshin.tracing.pipeline import TracePipeline
from kenshin.tracing.trace import current_trace

from .conftest import AT


def parents(record: PromptTraced) -> dict[str, str | None]:
    """Each span's parent, by names; a record whose ids contradict its names has a KeyError."""
    names = {span.span_id: span.name for span in record.spans}
    assert len(names) == len(record.spans)
    return {span.name: None if span.parent_id is None else names[span.parent_id] for span in record.spans}


def test_a_thousand_concurrent_traces_have_every_span_under_its_own_parent(real):
    pipeline, records = real()
    draw = random.Random(7)

    async def branch(trace: object, number: int) -> None:
        async with pipeline.span(trace, f"branch-{number}"):
            await asyncio.sleep(draw.random() / 100)
            async with pipeline.span(trace, f"leaf-{number}"):
                await asyncio.sleep(0)
                assert trace_in_force.get().trace_id == trace.trace_id

    async def request(number: int) -> None:
        async with pipeline.trace(f"session-{number}", f"intent-{number}") as trace:
            async with pipeline.span(trace, "intent_classification"):
                await asyncio.sleep(0)
            async with pipeline.span(trace, "gather"):
                await asyncio.gather(*(branch(trace, each) for each in range(3)))
            assert trace_in_force.get().span_id == trace.span_id

    async def everything() -> None:
        await asyncio.gather(*(request(number) for number in range(1000)))

    asyncio.run(everything())
    assert len(records) == 1000
    assert len({record.trace_id for record in records}) == 1000
    assert len({span.span_id for record in records for span in record.spans}) == 8000
    expected = {"intent_classification": None, "gather": None}
    expected |= {f"branch-{each}": "gather" for each in range(3)}
    expected |= {f"leaf-{each}": f"branch-{each}" for each in range(3)}
    for record in records:
        assert parents(record) == expected
        assert record.session_id.removeprefix("session-") == record.intent.removeprefix("intent-")
    assert pipeline.stats() == type(pipeline.stats())(0, 0, 0, 0)


def test_threads_with_copied_contexts_and_without(real):
    pipeline, records = real()

    def work(trace: object, name: str) -> None:
        with pipeline.span(trace, name), pipeline.span(trace, f"{name}/inner"):
            pass

    with ThreadPoolExecutor(8) as pool, pipeline.trace("s", "i") as trace, pipeline.span(trace, "outer"):
        jobs = [pool.submit(copy_context().run, work, trace, f"copied-{each}") for each in range(50)]
        jobs += [pool.submit(work, trace, f"bare-{each}") for each in range(50)]
        for job in jobs:
            job.result()
    expected = {"outer": None}
    for each in range(50):
        expected |= {f"copied-{each}": "outer", f"copied-{each}/inner": f"copied-{each}"}
        expected |= {f"bare-{each}": None, f"bare-{each}/inner": f"bare-{each}"}
    assert parents(records[0]) == expected


def test_of_many_threads_that_finish_a_trace_one_does(real):
    pipeline, records = real()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(50):
            trace = pipeline.start_trace("s")
            lines = list(pool.map(pipeline.finish_trace, [trace] * 8))
            assert {line["trace_id"] for line in lines} == {trace.trace_id}
            assert lines.count(pipeline.finish_trace(trace)) >= 1
    assert Counter(record.trace_id for record in records).most_common(1)[0][1] == 1
    assert len(records) == 50


def test_a_task_that_outlives_its_span_stays_under_it(real):
    pipeline, records = real()

    async def request() -> None:
        async with pipeline.trace("s") as trace:

            async def late() -> None:
                await asyncio.sleep(0.01)
                with pipeline.span(trace, "log it"):
                    pass

            with pipeline.span(trace, "outer"):
                task = asyncio.create_task(late())
            with pipeline.span(trace, "after"):
                await task

    asyncio.run(request())
    assert parents(records[0]) == {"outer": None, "after": None, "log it": "outer"}


def test_a_stream_that_is_read_in_other_contexts(real):
    pipeline, records = real()

    async def stream(trace: object) -> AsyncIterator[int]:
        with pipeline.span(trace, "response_delivery"):
            for each in range(3):
                yield each

    async def request() -> None:
        trace = pipeline.start_trace("s")
        chunks = stream(trace)
        seen = [await asyncio.create_task(anext(chunks)) for _ in range(3)]
        assert await asyncio.create_task(anext(chunks, None)) is None
        assert seen == [0, 1, 2]
        assert trace_in_force.get().span_id == trace.span_id
        pipeline.finish_trace(trace)
        assert trace_in_force.get() is None

    asyncio.run(request())
    (span,) = records[0].spans
    assert span.success
    assert pipeline.stats().failures == 0


def test_a_generator_that_ends_within_its_consumers_span_leaves_nothing_in_force(real):
    pipeline, records = real()

    def stream(trace: object) -> Iterator[int]:
        with pipeline.span(trace, "stream"):
            yield 1

    with pipeline.trace("s") as trace:
        chunks = stream(trace)
        next(chunks)
        with pipeline.span(trace, "render"):
            chunks.close()
        assert trace_in_force.get().span_id == trace.span_id
        with pipeline.span(trace, "after"):
            pass
    assert parents(records[0])["after"] is None
    assert trace_in_force.get() is None


def test_a_span_in_a_thread_without_the_context_is_found_by_code_within_it(real):
    pipeline, records = real()

    def work(trace: object) -> None:
        with pipeline.span(trace, "work"), pipeline.span(None, "inner"):
            assert current_trace() is trace

    with ThreadPoolExecutor(1) as pool, pipeline.trace("s") as trace:
        pool.submit(work, trace).result()
        assert pool.submit(current_trace).result() is None
    assert parents(records[0]) == {"work": None, "inner": "work"}


def test_a_trace_that_is_gone_on_with_under_the_same_id_is_another(real):
    pipeline, records = real()
    with pipeline.trace("s", "outer") as outer, pipeline.span(outer, "call"):
        with pipeline.trace("s", "inner", headers=outer.headers()) as inner, pipeline.span(inner, "a"):
            outer.intent = "found out"
            assert trace_in_force.get().intent == "inner"
        assert trace_in_force.get().intent == "found out"
    told_inner, told_outer = records
    assert told_inner.trace_id == told_outer.trace_id
    assert parents(told_inner) == {"a": None}
    assert told_inner.parent_id == told_outer.spans[0].span_id


def test_traces_that_are_finished_elsewhere_hold_each_other_in_no_thread(real):
    pipeline, _ = real()
    first = weakref.ref(pipeline.start_trace("s"))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: pipeline.finish_trace(first())).result()
        for _ in range(3):
            pool.submit(pipeline.finish_trace, pipeline.start_trace("s")).result()
    gc.collect()
    assert first() is None


def test_forgotten_traces_hold_each_other_in_no_thread(kept):
    pipeline = kept.pipeline(max_open=3)
    first = weakref.ref(pipeline.start_trace("s"))
    for _ in range(5):
        pipeline.start_trace("s")
    gc.collect()
    assert first() is None


def test_a_cancelled_task_ends_its_spans(real):
    pipeline, records = real()

    async def request() -> None:
        async with pipeline.trace("s") as trace, pipeline.span(trace, "bedrock_invocation"):
            await asyncio.sleep(60)

    async def cancelled() -> None:
        task = asyncio.create_task(request())
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cancelled())
    assert records[0].spans[0].error == "CancelledError"
    assert records[0].error == "CancelledError"


def test_forked_processes_make_ids_of_their_own(real):
    pipeline, _ = real()
    trace = pipeline.start_trace("s")
    with pipeline.span(trace, "warm"):
        pass

    def ids() -> str:
        with pipeline.span(trace, "after the fork") as span:
            return f"{span.span_id} {pipeline.start_trace('s').trace_id}"

    told = [ids()]
    for _ in range(3):
        reader, writer = os.pipe()
        if (child := os.fork()) == 0:
            os.write(writer, ids().encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as answers:
            told.append(answers.read())
        assert os.waitpid(child, 0)[1] == 0
    assert len({one for line in told for one in line.split()}) == 8
    pipeline.finish_trace(trace)


def test_in_a_forked_child_a_pipeline_counts_anew_and_waits_for_no_lock_of_the_parent(real):
    pipeline, _ = real()
    with pipeline.trace("s"):
        reader, writer = os.pipe()
        with pipeline._counting:
            if (child := os.fork()) == 0:
                os.write(writer, str(pipeline.stats().open).encode())
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as told:
            assert told.read() == "0"
        assert os.waitpid(child, 0)[1] == 0
        assert pipeline.stats().open == 1


def test_a_trace_started_before_a_fork_is_finished_in_the_child(real):
    reader, writer = os.pipe()
    pipeline = TracePipeline(
        lambda record: os.write(writer, record.session_id.encode()), lambda: AT, otel=False
    )
    trace = pipeline.start_trace("forked")
    if (child := os.fork()) == 0:
        with pipeline.span(trace, "a"):
            pass
        pipeline.finish_trace(trace)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    os.close(writer)
    with os.fdopen(reader) as told:
        assert told.read() == "forked"
