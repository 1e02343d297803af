from __future__ import annotations

import asyncio
import io

import pytest
from botocore.response import StreamingBody

from kenshin.health.body import AsyncBody, reread

RAW = b"one\ntwo\nthree"


def test_a_body_of_botocore_stays_one():
    body = reread(StreamingBody(io.BytesIO(RAW), len(RAW)), RAW)
    assert isinstance(body, StreamingBody)
    assert body.read(3) == b"one"
    assert list(body.iter_lines()) == [b"", b"two", b"three"]
    assert list(reread(body, RAW).iter_chunks(5)) == [b"one\nt", b"wo\nth", b"ree"]


def test_another_body_can_be_read_too():
    assert reread(io.BytesIO(RAW), RAW).read() == RAW


@pytest.mark.parametrize("amt", [None, 4])
def test_an_awaited_body(amt):
    async def read():
        async with AsyncBody(RAW) as body:
            first = await body.read(amt)
            rest = [chunk async for chunk in body.iter_chunks(4)]
        lines = [line async for line in AsyncBody(RAW).iter_lines()]
        return first, b"".join(rest), lines

    first, rest, lines = asyncio.run(read())
    assert first + rest == RAW
    assert lines == [b"one", b"two", b"three"]
