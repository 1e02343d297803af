from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.errors import BackendUnavailable, InvalidInput
from kenshin.schemas import KEPT, NotJson, document_of, is_valid, validator_of

SCHEMA = {"type": "object", "required": ["answer"], "properties": {"answer": {"type": "string"}}}


def test_a_validator_is_compiled_once_a_schema():
    assert validator_of(SCHEMA) is validator_of(dict(SCHEMA))
    text = '{"type": "integer"}'
    assert validator_of(text) is validator_of(text)


def test_a_schema_that_changes_is_another_schema():
    schema = {"type": "string"}
    assert is_valid('"a"', schema)
    schema["type"] = "integer"
    assert not is_valid('"a"', schema)


def test_so_many_are_kept():
    first = validator_of({"const": "first"})
    for number in range(KEPT):
        validator_of({"const": number})
    assert validator_of({"const": "first"}) is not first


@pytest.mark.parametrize(
    "schema",
    [{"type": "nonsense"}, "no JSON", {"type": object()}, {"$ref": "http://127.0.0.1:9/x"}, {"$ref": "#/no"}],
)
def test_what_is_no_schema_is_refused(schema):
    with pytest.raises(InvalidInput, match="no JSON Schema"):
        validator_of(schema)


def test_without_the_package_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    with pytest.raises(BackendUnavailable, match=r"kenshin\[schema\]"):
        validator_of({"const": "never compiled before"})


@pytest.mark.parametrize(
    "answer",
    [
        '```json\n{"a": 1}\n```',
        'Here you are:\n```\n{"a": 1}\n```\nEnjoy!',
        '```JSON\r\n{"a": 1}',
        '{"a": 1}',
    ],
)
def test_a_code_block_is_accepted_on_demand(answer):
    assert document_of(answer, fenced=True) == {"a": 1}


@pytest.mark.parametrize(
    "answer", ['```json\n{"a": 1}\n```', "", "NaN", "[1", '"\ud800"', "[" * 100_000, "```", "```\nno\n```"]
)
def test_what_is_no_json_is_said_so(answer):
    with pytest.raises(NotJson, match="not JSON"):
        document_of(answer)
    assert not is_valid(answer, SCHEMA)


@given(st.text())
def test_any_text_is_a_document_or_none(answer):
    try:
        document_of(answer, fenced=True)
    except NotJson:
        assert not is_valid(answer, {})
