"""The questions that page, README and `make chat` suggest: the stand-in quotes what answers them."""

from __future__ import annotations

import html
import json
import re
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from peers.bedrock import ChatAnswers
from peers.bedrock.prompts import Prompt, Turn

from kenshin.samples.operations import Planned, plan
from local_chat import EXAMPLE_QUESTION
from orchestrator import prompts
from orchestrator.app import PAGE
from orchestrator.load.corpus import SPEC

ANSWERS = {
    "How many topics can I create?": ("sns.CreateTopic", "100,000 standard topics"),
    "How many tables does a page of ListTables return?": (
        "dynamodb.ListTables",
        "a maximum of 100 table names",
    ),
    "DeleteGuardrail でガードレールを削除するとどうなりますか。": (
        "bedrock.DeleteGuardrail",
        "all of its versions will be deleted",
    ),
}


@pytest.fixture(scope="module")
def planned() -> dict[str, Planned]:
    """The sample's documents by id."""
    spec = json.loads(SPEC.read_text(encoding="utf-8"))
    documents = plan(spec, last_day=date(2026, 11, 23), zone=ZoneInfo("Asia/Tokyo"))
    return {each.operation.doc_id: each for each in documents}


def test_these_are_the_questions() -> None:
    page = (PAGE / "chat.html").read_text(encoding="utf-8")
    offered = re.findall(r'<button type="button">(.*?)</button>', page)
    assert [html.unescape(each) for each in offered] == list(ANSWERS)
    assert EXAMPLE_QUESTION in ANSWERS
    readme = PAGE.with_name("README.md").read_text(encoding="utf-8")
    assert f'"message": "{EXAMPLE_QUESTION}"' in readme


@pytest.mark.parametrize("question", ANSWERS)
def test_the_stand_in_quotes_what_answers_them(question: str, planned: dict[str, Planned]) -> None:
    doc_id, words = ANSWERS[question]
    assert planned[doc_id].kind == "sound"
    service = doc_id.partition(".")[0]
    passages = [
        str(prompts.passage_block(name, each.operation.text, 1.0)["text"])
        for name, each in planned.items()
        if name.startswith(f"{service}.")
    ]
    assert len(passages) > 10
    turn = Turn("user", "".join(passages) + question)
    assert words in ChatAnswers()(Prompt("Converse", "a-model", turns=(turn,))).text
