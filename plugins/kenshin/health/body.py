"""Bodies of InvokeModel: read whole, for what they say of the call, and handed on as if nobody had."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from typing import Any


def reread(body: Any, raw: bytes) -> Any:
    """A body of the same kind with the same content, from its beginning.

    Args:
        body: the one that was read; of botocore, or anything with `read`.
        raw: all of its content.
    """
    if type(body).__module__.startswith("botocore."):
        from botocore.response import StreamingBody

        return StreamingBody(io.BytesIO(raw), len(raw))
    return io.BytesIO(raw)


class AsyncBody:
    """A body for ``await body.read()``, with the methods of aiobotocore's that read.

    Args:
        raw: all of its content.
    """

    def __init__(self, raw: bytes) -> None:
        self._raw = io.BytesIO(raw)

    async def read(self, amt: int | None = None) -> bytes:
        """So many bytes; all that are left unless given."""
        return self._raw.read() if amt is None else self._raw.read(amt)

    async def iter_chunks(self, chunk_size: int = 1024) -> AsyncIterator[bytes]:
        """What is left, in pieces."""
        while chunk := self._raw.read(chunk_size):
            yield chunk

    async def iter_lines(self, chunk_size: int = 1024, keepends: bool = False) -> AsyncIterator[bytes]:
        """What is left, in lines."""
        for line in self._raw.read().splitlines(keepends):
            yield line

    def close(self) -> None:
        """Nothing is held."""

    async def __aenter__(self) -> AsyncBody:
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.close()
