"""Reads EMF lines as CloudWatch would: against the published schema, and refusing what it refuses."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

SCHEMA = Path(__file__).parent / "data" / "emf-schema.json"


@cache
def _validator() -> Draft7Validator:
    return Draft7Validator(json.loads(SCHEMA.read_text()))


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def parse(line: bytes | str) -> dict[str, Any]:
    """The line's members, once everything that the specification demands of it holds."""
    if isinstance(line, str):
        line = line.encode()
    assert len(line) <= 1 << 20
    text = line.decode("utf-8").rstrip("\n")
    assert "\n" not in text
    members: dict[str, Any] = json.loads(text, parse_constant=_refuse)
    _validator().validate(members)
    for directive in members["_aws"]["CloudWatchMetrics"]:
        for metric in directive["Metrics"]:
            value = members[metric["Name"]]
            values = value if isinstance(value, list) else [value]
            assert 1 <= len(values) <= 100
            assert all(type(each) in {int, float} and abs(each) <= 2**360 for each in values)
            assert len(metric["Name"]) <= 255
        for name in {name for names in directive["Dimensions"] for name in names}:
            value = members[name]
            assert isinstance(value, str)
            assert value.strip()
            assert value.isascii()
            assert value.isprintable()
            assert len(value) <= 1024
    return members


def metrics(line: dict[str, Any]) -> set[str]:
    """The names of the metrics that CloudWatch would take from a parsed line."""
    return {metric["Name"] for each in line["_aws"]["CloudWatchMetrics"] for metric in each["Metrics"]}


def sets_of(line: dict[str, Any], metric: str) -> list[list[str]]:
    """The dimension sets under which a parsed line publishes a metric."""
    return [
        names
        for directive in line["_aws"]["CloudWatchMetrics"]
        if metric in {each["Name"] for each in directive["Metrics"]}
        for names in directive["Dimensions"]
    ]
