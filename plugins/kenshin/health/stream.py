"""Streams as they pass: the caller gets the model's events, the call hears of them.

A stream is iterated like botocore's own, once; `close` says that no more is wanted. A model that fails before its first
event can still be replaced by another, since nobody has seen anything of its answer.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from kenshin.errors import DeadlineExceeded
from kenshin.health.call import Call
from kenshin.health.request import MODEL_KEY

Event = Mapping[str, Any]
Begun = tuple[Call, Any, Mapping[str, Any]]
"""A call that was begun in another's stead, its stream of events, and the metadata of its response."""


class _Stream:
    """What streams of both kinds share.

    Args:
        source: the client's stream.
        call: hears of it.
        metadata: of the response that the caller holds; says which model answers.
    """

    def __init__(self, source: Any, call: Call, metadata: dict[str, Any]) -> None:
        self._source = source
        self._call = call
        self._metadata = metadata

    @property
    def model_id(self) -> str:
        """The model whose events these are."""
        return self._call.model_id

    def __getattr__(self, name: str) -> Any:
        # Only what the caller may want of the client's stream: a half-made object must not look for itself here.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._source, name)

    def __del__(self) -> None:
        call = self.__dict__.get("_call")
        if call is not None:
            call.abandon()

    def _take_over(self, begun: Begun) -> None:
        self._call, self._source, metadata = begun
        self._metadata.clear()
        self._metadata.update(metadata)
        self._metadata[MODEL_KEY] = self._call.model_id


class ObservedStream(_Stream):
    """The events of an answer.

    Args:
        source: the client's stream.
        call: hears of it.
        metadata: of the response that the caller holds.
        instead: begins another call after an error; answers None if there is none.
    """

    def __init__(
        self,
        source: Any,
        call: Call,
        metadata: dict[str, Any],
        instead: Callable[[Call, BaseException], Begun | None] | None = None,
    ) -> None:
        super().__init__(source, call, metadata)
        self._events = iter(source)
        self._instead = instead

    def __iter__(self) -> ObservedStream:
        return self

    def __next__(self) -> Event:
        while True:
            call = self._call
            try:
                call.check_time()
                event: Event = next(self._events)
            except StopIteration:
                call.stream_ended()
                raise
            except BaseException as error:
                if not self._goes_on(call, error):
                    raise
            else:
                call.see(event)
                return event

    def close(self) -> None:
        """Take no more events; before the answer's end, the call counts as cancelled."""
        self._call.stream_closed()
        self._source.close()

    def _goes_on(self, call: Call, error: BaseException) -> bool:
        if self._instead is None or call.delivered or call.over:
            call.failed(error)
            begun = None
        else:
            begun = self._instead(call, error)
        if begun is None:
            if isinstance(error, DeadlineExceeded):
                self._source.close()
            return False
        self._take_over(begun)
        self._events = iter(self._source)
        return True


class AsyncObservedStream(_Stream):
    """The events of an answer, for ``async for``.

    Args:
        source: the client's stream.
        call: hears of it.
        metadata: of the response that the caller holds.
        instead: begins another call after an error; answers None if there is none.
    """

    def __init__(
        self,
        source: Any,
        call: Call,
        metadata: dict[str, Any],
        instead: Callable[[Call, BaseException], Awaitable[Begun | None]],
    ) -> None:
        super().__init__(source, call, metadata)
        self._events = aiter(source)
        self._instead = instead

    def __aiter__(self) -> AsyncObservedStream:
        return self

    async def __anext__(self) -> Event:
        while True:
            call = self._call
            try:
                call.check_time()
                event: Event = await anext(self._events)
            except StopAsyncIteration:
                call.stream_ended()
                raise
            except BaseException as error:
                if not await self._goes_on(call, error):
                    raise
            else:
                call.see(event)
                return event

    async def close(self) -> None:
        """Take no more events; before the answer's end, the call counts as cancelled."""
        self._call.stream_closed()
        await _closed(self._source)

    async def _goes_on(self, call: Call, error: BaseException) -> bool:
        if call.delivered or call.over:
            call.failed(error)
            begun = None
        else:
            begun = await self._instead(call, error)
        if begun is None:
            if isinstance(error, DeadlineExceeded):
                await _closed(self._source)
            return False
        self._take_over(begun)
        self._events = aiter(self._source)
        return True


async def _closed(source: Any) -> None:
    done = source.close()
    if inspect.isawaitable(done):
        await done
