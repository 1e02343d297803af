from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from kenshin.budget.check import BudgetPolicy, check
from kenshin.budget.event import answer_of, read_event
from kenshin.budget.models import DEFAULT_MODEL, Models
from kenshin.errors import InvalidInput, KenshinError

EVENT = {"system_prompt": "Be brief.", "user_message": "Where is my order?", "model_id": "m", "time": "now"}
ASKED = {"system_prompt": "Be brief.", "user_message": "Where is my order?", "model_id": "m"}


@pytest.mark.parametrize(
    "event",
    [
        EVENT,
        {"requestContext": {}, "body": json.dumps(EVENT)},
        {"body": base64.b64encode(json.dumps(EVENT).encode()).decode(), "isBase64Encoded": True},
        {"body": EVENT},
    ],
    ids=["plain", "gateway", "encoded", "object"],
)
def test_an_event_is_read_whether_it_came_through_a_gateway_or_not(event: Any) -> None:
    assert read_event(event) == ASKED


@pytest.mark.parametrize("event", [None, {}, {"body": None}, {"body": ""}, {"user_message": None}])
def test_an_empty_event_asks_for_the_defaults(event: Any) -> None:
    assert read_event(event) == {}


def test_the_requests_max_tokens_are_the_reserve() -> None:
    assert read_event({"max_tokens": 700, "strict": True}) == {
        "policy": BudgetPolicy(output_reserve=700),
        "strict": True,
    }


@pytest.mark.parametrize(
    "event",
    [
        [],
        "text",
        {"body": "{"},
        {"body": "[1]"},
        {"body": "[" * 100_000},
        {"body": "*", "isBase64Encoded": True},
        {"max_tokens": "many"},
        {"max_tokens": -1},
        {"strict": "yes"},
        {"tools": {"name": "f"}},
        {"conversation_history": "hello"},
    ],
)
def test_what_cannot_be_checked_is_refused(event: Any) -> None:
    with pytest.raises(KenshinError):
        read_event(event)


def test_a_refusal_names_the_mend() -> None:
    with pytest.raises(InvalidInput, match="Send a JSON object"):
        read_event({"body": "{"})


def test_an_answer_has_the_proof_of_concepts_keys_first_and_is_json() -> None:
    answer = answer_of(check(Models.load().find(DEFAULT_MODEL), user_message="何日で届きますか"))
    assert list(answer)[:5] == ["status", "utilization_pct", "total_tokens", "budget_limit", "recommendation"]
    assert json.loads(json.dumps(answer)) == answer
    assert (answer["script"], answer["calibrated"]) == ("japanese", False)
