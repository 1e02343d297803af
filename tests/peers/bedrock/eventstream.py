"""Frames of ``application/vnd.amazon.eventstream``, as a server writes them.

A frame is: total length, length of the headers, CRC-32 of these eight bytes; the headers; the payload; CRC-32 of all
that stands before. Headers are strings here (type 7): a length byte, the name, the type, two length bytes, the text.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any
from zlib import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One frame."""
    head = b"".join(_header(name, text) for name, text in headers.items())
    prelude = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack("!I", crc32(prelude)) + head + payload
    return message + struct.pack("!I", crc32(message))


def event(name: str, payload: Mapping[str, Any]) -> bytes:
    """The frame of an event, its payload as JSON."""
    return frame(
        {":event-type": name, ":content-type": "application/json", ":message-type": "event"}, _json(payload)
    )


def exception(name: str, payload: Mapping[str, Any]) -> bytes:
    """The frame of an exception that the service models, with which a stream ends."""
    return frame(
        {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"},
        _json(payload),
    )


def _json(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _header(name: str, text: str) -> bytes:
    raw_name, raw = name.encode(), text.encode()
    return struct.pack("!B", len(raw_name)) + raw_name + struct.pack("!BH", _STRING, len(raw)) + raw
