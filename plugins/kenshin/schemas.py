"""JSON Schemas: is an answer JSON, and does it keep to a schema?

Validators are jsonschema-rs's, compiled once a schema and kept. A schema that refers to another document is refused:
nothing is fetched while a request waits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from kenshin.errors import BackendUnavailable, InvalidInput

KEPT = 128
"""Compiled schemas that are kept."""

_FENCE = "```"


class NotJson(ValueError):
    """An answer is no JSON document; says where."""


def is_valid(answer: str, schema: Mapping[str, Any] | str) -> bool:
    """Whether an answer is one JSON document that keeps to a schema.

    Raises:
        InvalidInput: the schema is none.
        BackendUnavailable: the package jsonschema-rs is not installed.
    """
    validator = validator_of(schema)
    try:
        return bool(validator.is_valid(document_of(answer)))
    except (ValueError, RecursionError):
        return False


def validator_of(schema: Mapping[str, Any] | str) -> Any:
    """The compiled validator of a schema.

    Args:
        schema: as a mapping, or as JSON text, whose validator is found faster.

    Raises:
        InvalidInput: the schema is none.
        BackendUnavailable: the package jsonschema-rs is not installed.
    """
    try:
        import jsonschema_rs  # noqa: F401
    except ImportError as error:
        raise BackendUnavailable(
            value="jsonschema-rs",
            reason="the package that checks JSON Schemas is not installed",
            mend="Install kenshin[schema], or check the answer yourself and give schema_valid.",
        ) from error
    try:
        text = schema if isinstance(schema, str) else json.dumps(schema)
    except (TypeError, ValueError, RecursionError) as error:
        raise _refused(schema, error) from error
    return _compiled(text)


def document_of(answer: str, *, fenced: bool = False) -> Any:
    """What an answer says as JSON.

    Args:
        answer: one JSON document.
        fenced: where it is none, take the first Markdown code block.

    Raises:
        NotJson: it is none.
    """
    try:
        return _loaded(answer)
    except NotJson:
        if fenced and (block := _block(answer)) is not None:
            return _loaded(block)
        raise


def _loaded(text: str) -> Any:
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
        # A lone surrogate can be neither stored nor sent.
        text.encode()
    except RecursionError as error:
        raise NotJson("not JSON: nested too deeply") from error
    except ValueError as error:
        raise NotJson(f"not JSON: {error}") from error
    return document


def _block(answer: str) -> str | None:
    start = answer.find(_FENCE)
    if start < 0:
        return None
    body = answer.find("\n", start)
    if body < 0:
        return None
    end = answer.find(_FENCE, body)
    return answer[body:] if end < 0 else answer[body:end]


@lru_cache(maxsize=KEPT)
def _compiled(text: str) -> Any:
    import jsonschema_rs

    try:
        return jsonschema_rs.validator_for(json.loads(text), retriever=_refuse_reference)
    except (ValueError, RecursionError) as error:
        raise _refused(text, error) from error


def _refused(schema: object, error: Exception) -> InvalidInput:
    reason = str(getattr(error, "message", "") or error)
    return InvalidInput(value=schema, reason=f"no JSON Schema ({reason})", mend="Correct the schema.")


def _refuse_reference(uri: str) -> Any:
    raise ValueError(f"{uri} is another document; put what it defines under $defs")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
