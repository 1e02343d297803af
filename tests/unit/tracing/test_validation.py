from __future__ import annotations

import json

import pytest

from kenshin.errors import InvalidInput
from kenshin.tracing.trace import PromptTrace
from kenshin.tracing.validation import MOST_ERRORS, validate_response

SCHEMA = {
    "type": "object",
    "required": ["answer", "items"],
    "properties": {
        "answer": {"type": "string"},
        "items": {"type": "array", "items": {"properties": {"a/b~": {"type": "integer"}}}},
    },
}


def test_a_valid_answer_gives_its_value_and_sets_the_trace():
    trace = PromptTrace()
    assert not trace.schema_checked
    result = validate_response('{"answer": "はい", "items": []}', SCHEMA, trace=trace)
    assert result
    assert result.value == {"answer": "はい", "items": []}
    assert result.errors == ()
    assert (trace.schema_valid, trace.schema_checked) == (True, True)


def test_an_invalid_answer_says_where():
    trace = PromptTrace()
    result = validate_response('{"answer": 3, "items": [{}, {"a/b~": "x"}]}', SCHEMA, trace=trace)
    assert not result
    assert [error.path for error in result.errors] == ["/answer", "/items/1/a~1b~0"]
    assert "is not of type" in result.errors[0].message
    assert result.value["answer"] == 3
    assert (trace.schema_valid, trace.schema_checked) == (False, True)


@pytest.mark.parametrize("answer", ["no JSON", "", "NaN", '```json\n{"answer": "", "items": []}\n```'])
def test_what_is_no_json_is_invalid(answer):
    result = validate_response(answer, SCHEMA)
    assert (result.valid, result.value, result.errors[0].path) == (False, None, "")
    assert result.errors[0].message.startswith("not JSON")


def test_a_code_block_is_accepted_if_asked_for():
    answer = 'Sure!\n```json\n{"answer": "", "items": []}\n```'
    assert validate_response(answer, SCHEMA, fenced=True)


@pytest.mark.parametrize(
    ("value", "valid"), [({"answer": "", "items": []}, True), ({}, False), (None, False)]
)
def test_what_was_parsed_already_is_taken_as_it_is(value, valid):
    assert validate_response(value, SCHEMA).valid is valid


@pytest.mark.parametrize("value", [object(), {1: 2}])
def test_what_json_has_no_word_for_is_invalid(value):
    assert not validate_response(value, {})


def test_errors_are_bounded():
    schema = {"items": {"type": "integer"}}
    result = validate_response(json.dumps(["x" * 500] * 100), schema)
    assert len(result.errors) == MOST_ERRORS
    assert all(len(error.message) <= 200 for error in result.errors)


def test_a_broken_schema_is_loud_and_leaves_the_trace_alone():
    trace = PromptTrace()
    with pytest.raises(InvalidInput, match="no JSON Schema"):
        validate_response("{}", {"type": "nonsense"}, trace=trace)
    assert not trace.schema_checked
