"""Schema validity: is an answer JSON, and does it keep to a JSON Schema?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kenshin.errors import BackendUnavailable, InvalidInput


def is_valid(answer: str, schema: Mapping[str, Any]) -> bool:
    """Whether an answer is one JSON document that keeps to a schema.

    Raises:
        InvalidInput: the schema is none.
        BackendUnavailable: the package jsonschema-rs is not installed.
    """
    validator = _validator(schema)
    try:
        document = json.loads(answer, parse_constant=_refuse_constant)
        answer.encode()
        return bool(validator.is_valid(document))
    except (ValueError, RecursionError):
        return False


def _validator(schema: Mapping[str, Any]) -> Any:
    try:
        import jsonschema_rs
    except ImportError as error:
        raise BackendUnavailable(
            value="jsonschema-rs",
            reason="the package that checks JSON Schemas is not installed",
            mend="Install kenshin[schema], or check the answer yourself and give schema_valid.",
        ) from error
    try:
        return jsonschema_rs.validator_for(dict(schema))
    except ValueError as error:
        raise InvalidInput(
            value=schema, reason=f"no JSON Schema ({error})", mend="Correct the schema."
        ) from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
