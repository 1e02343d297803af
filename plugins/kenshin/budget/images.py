"""What an image costs: width × height / 750 tokens, read from the header of a PNG, GIF, JPEG or WebP.

The rule and the most that one image can cost are those that Anthropic documents for Claude; larger images are scaled
down before the model sees them.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from collections.abc import Mapping

MOST_TOKENS = 1_600
"""Of one image; also of one whose size cannot be read."""

PIXELS_PER_TOKEN = 750
HEADER = 1 << 18
"""Bytes within which the size is looked for: a JPEG may carry a preview before it."""

SEGMENTS = 1_024
"""Segments of a JPEG that are stepped over before its size."""

_PNG = b"\x89PNG\r\n\x1a\n"
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MARKER = re.compile(rb"\xff[^\xff]")
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xDA)})


def image_tokens(image: object) -> int:
    """The tokens of an image block, of Converse (bytes) or Messages (base64); the most where its size is unknown.

    Args:
        image: the block, with its ``source``.
    """
    size = image_size(_header(image))
    if size is None:
        return MOST_TOKENS
    return min(math.ceil(size[0] * size[1] / PIXELS_PER_TOKEN), MOST_TOKENS)


def image_size(raw: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None where the header does not tell."""
    try:
        if raw.startswith(_PNG):
            return _positive(*struct.unpack_from(">II", raw, 16))
        if raw.startswith((b"GIF87a", b"GIF89a")):
            return _positive(*struct.unpack_from("<HH", raw, 6))
        if raw.startswith(b"\xff\xd8"):
            return _jpeg(raw)
        if raw.startswith(b"RIFF") and raw[8:12] == b"WEBP":
            return _webp(raw)
    except (struct.error, IndexError):
        return None
    return None


def _header(image: object) -> bytes:
    source = image.get("source") if isinstance(image, Mapping) else None
    if not isinstance(source, Mapping):
        return b""
    raw, data = source.get("bytes"), source.get("data")
    if isinstance(raw, bytes | bytearray | memoryview):
        return bytes(raw[:HEADER])
    if isinstance(data, str):
        try:
            return base64.b64decode(data[: HEADER // 3 * 4])
        except (binascii.Error, ValueError):
            return b""
    return b""


def _positive(width: int, height: int) -> tuple[int, int] | None:
    return (width, height) if width and height else None


def _jpeg(raw: bytes) -> tuple[int, int] | None:
    at = 2
    for _ in range(SEGMENTS):
        marked = _MARKER.search(raw, at)
        if marked is None:
            return None
        at, marker = marked.start(), raw[marked.end() - 1]
        if marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", raw, at + 5)
            return _positive(width, height)
        at += 2 if marker in _WITHOUT_LENGTH else 2 + max(struct.unpack_from(">H", raw, at + 2)[0], 2)
    return None


def _webp(raw: bytes) -> tuple[int, int] | None:
    kind = raw[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", raw, 26)
        return _positive(width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", raw, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        return 1 + int.from_bytes(raw[24:27], "little"), 1 + int.from_bytes(raw[27:30], "little")
    return None
