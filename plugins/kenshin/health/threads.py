"""A boto3 client for asyncio: each call runs in a thread, so that the event loop goes on.

For services on asyncio that have boto3 and nothing else. The number of threads bounds how many calls run at once; so
does the client's own pool of connections (`max_pool_connections`).
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any

_END = object()


class InThreads:
    """A client's methods as coroutines.

    Args:
        client: of boto3.
        executor: runs the calls; None: the event loop's own.
    """

    def __init__(self, client: Any, executor: Executor | None = None) -> None:
        self.client = client
        self._executor = executor

    def __getattr__(self, name: str) -> Any:
        if name == "client" or name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self.client, name)
        if not callable(found) or name.startswith("_"):
            return found

        async def method(*positional: Any, **arguments: Any) -> Any:
            return self._adapted(
                await _in_thread(self._executor, lambda: found(*positional, **arguments)),
            )

        return method

    def _adapted(self, response: Any) -> Any:
        if isinstance(response, dict):
            for key in ("stream", "body"):
                inner = response.get(key)
                if hasattr(inner, "read"):
                    response[key] = _Body(inner, self._executor)
                elif inner is not None and not isinstance(inner, Mapping | bytes | str):
                    response[key] = _Events(inner, self._executor)
        return response


class _Events:
    """A stream of botocore, each event fetched in a thread."""

    def __init__(self, source: Any, executor: Executor | None) -> None:
        self._source = source
        self._events = iter(source)
        self._executor = executor

    def __aiter__(self) -> _Events:
        return self

    async def __anext__(self) -> Any:
        event = await _in_thread(self._executor, lambda: next(self._events, _END))
        if event is _END:
            raise StopAsyncIteration
        return event

    def close(self) -> None:
        self._source.close()


class _Body:
    """A body of botocore, read in a thread."""

    def __init__(self, source: Any, executor: Executor | None) -> None:
        self._source = source
        self._executor = executor

    async def read(self, amt: int | None = None) -> Any:
        return await _in_thread(self._executor, lambda: self._source.read(amt))


async def _in_thread(executor: Executor | None, work: Callable[[], Any]) -> Any:
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(executor, context.run, work)
