"""Titan text embeddings as the stand-in makes them: hashed character trigrams, so that like texts lie together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from zlib import crc32

from peers.bedrock.shapes import ServiceError
from peers.bedrock.tokens import Counter

DIMENSIONS = (256, 512, 1024)
MOST_CHARACTERS, MOST_TOKENS = 50_000, 8_192
_KEYS = {"inputText", "dimensions", "normalize", "embeddingTypes"}


def embed(body: Mapping[str, Any], counter: Counter) -> tuple[dict[str, Any], int]:
    """The answer to a body of ``amazon.titan-embed-text-v2:0``, and its tokens.

    Raises:
        ServiceError: ValidationException.
    """
    text, dimensions = body.get("inputText"), body.get("dimensions", 1024)
    if unknown := set(body) - _KEYS:
        raise ServiceError(
            "ValidationException", f"Malformed input request: extraneous keys {sorted(unknown)}"
        )
    if not isinstance(text, str) or not text:
        raise ServiceError("ValidationException", "Malformed input request: inputText needs 1 character")
    if dimensions not in DIMENSIONS:
        raise ServiceError(
            "ValidationException", f"Malformed input request: dimensions is none of {DIMENSIONS}"
        )
    kinds = body.get("embeddingTypes", ["float"])
    if not isinstance(kinds, list) or not set(kinds) <= {"float", "binary"}:
        raise ServiceError("ValidationException", "Malformed input request: embeddingTypes: float, binary")
    tokens = counter(text)
    if len(text) > MOST_CHARACTERS or tokens > MOST_TOKENS:
        raise ServiceError(
            "ValidationException",
            f"Too many input tokens. Max input tokens: {MOST_TOKENS}, request input token count: {tokens}",
        )
    vector = _vector(text, dimensions, normalize=bool(body.get("normalize", True)))
    answer: dict[str, Any] = {"embedding": vector, "inputTextTokenCount": tokens}
    answer["embeddingsByType"] = {
        kind: vector if kind == "float" else [int(each > 0) for each in vector] for kind in kinds
    }
    return answer, tokens


def _vector(text: str, dimensions: int, *, normalize: bool) -> list[float]:
    made = [0.0] * dimensions
    padded = f" {text.lower()} "
    for start in range(len(padded) - 2):
        code = crc32(padded[start : start + 3].encode("utf-8", "surrogatepass"))
        made[code % dimensions] += 1.0 if code & 0x80000000 else -1.0
    length = math.sqrt(sum(each * each for each in made)) or 1.0
    return [each / length for each in made] if normalize else made
