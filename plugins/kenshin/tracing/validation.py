"""Validation: does an answer keep to its JSON Schema, and where does it not?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from kenshin.schemas import NotJson, document_of, validator_of
from kenshin.tracing.trace import PromptTrace

MOST_ERRORS = 20
LONGEST_MESSAGE = 200


@dataclass(frozen=True, slots=True)
class SchemaError:
    """Where an answer breaks its schema.

    Args:
        path: to the value, as a JSON pointer; empty: the whole answer.
        message: what is wrong, cut to 200 characters; it may quote the answer.
    """

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """What validation came to; true where the answer is valid.

    Args:
        valid: whether the answer keeps to the schema.
        errors: the first 20 places where it does not.
        value: what the answer says; None where it is no JSON.
    """

    valid: bool
    errors: tuple[SchemaError, ...]
    value: Any

    def __bool__(self) -> bool:
        return self.valid


def validate_response(
    answer: object,
    schema: Mapping[str, Any] | str,
    *,
    trace: PromptTrace | None = None,
    fenced: bool = False,
) -> ValidationResult:
    """Hold an answer against a JSON Schema; needs the extra ``schema``.

    Args:
        answer: JSON text, or what was parsed already, e.g. a tool's input.
        schema: a mapping, or JSON text.
        trace: its `schema_valid` is set.
        fenced: accept JSON in a Markdown code block.

    Raises:
        InvalidInput: the schema is none, or refers to another document.
        BackendUnavailable: the package jsonschema-rs is not installed.
    """
    validator = validator_of(schema)
    result = _examined(answer, validator, fenced=fenced)
    if trace is not None:
        trace.schema_valid = result.valid
    return result


def _examined(answer: object, validator: Any, *, fenced: bool) -> ValidationResult:
    try:
        value = document_of(answer, fenced=fenced) if isinstance(answer, str) else answer
        if validator.is_valid(value):
            return ValidationResult(True, (), value)
        found = [
            SchemaError(_pointer(error.instance_path), _cut(error.message))
            for error in islice(validator.iter_errors(value), MOST_ERRORS)
        ]
        return ValidationResult(False, tuple(found), value)
    except NotJson as error:
        return ValidationResult(False, (SchemaError("", _cut(str(error))),), None)
    except (ValueError, TypeError, RecursionError) as error:
        # What was parsed already may hold what JSON has no word for.
        return ValidationResult(False, (SchemaError("", _cut(f"not JSON: {error}")),), None)


def _pointer(path: list[str | int]) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def _cut(message: str) -> str:
    return message if len(message) <= LONGEST_MESSAGE else f"{message[: LONGEST_MESSAGE - 1]}…"
