"""Sessions, retrieval and settings: what the service keeps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from orchestrator_documents import Trigrams, documents

from kenshin.drift.embedder import Embedded
from kenshin.drift.index import StoredDocument
from kenshin.errors import BackendUnavailable
from orchestrator import prompts
from orchestrator.retrieval import Retriever
from orchestrator.sessions import Sessions
from orchestrator.settings import ChatSettings


def test_sessions_are_bounded_and_the_most_silent_is_forgotten() -> None:
    sessions = Sessions(most=2, messages=5)
    for session in ("a", "b", "a", "c"):
        sessions.add(session, "q", "r")
    assert (len(sessions), sessions.history("b")) == (2, ())
    for _ in range(9):
        sessions.add("a", "q", "r")
    said = sessions.history("a")
    assert [each["role"] for each in said] == ["user", "assistant"] * 2


def test_the_best_passages_come_first_and_a_question_is_embedded_once() -> None:
    embedder = Trigrams()
    retriever = Retriever(documents(embedder), embedder)
    asked = len(embedder.texts)
    found = retriever.find("Deletes a bucket", 2)
    assert found[0].doc_id == "s3.DeleteBucket"
    assert found[0].score >= found[1].score
    retriever.find("Deletes a bucket", 1)
    assert len(embedder.texts) == asked + 1


def test_documents_without_a_usable_vector_are_never_found() -> None:
    embedder = Trigrams()
    sound = list(documents(embedder))
    broken: Sequence[StoredDocument] = [
        replace(sound[0], vector=None),
        replace(sound[0], vector=[0.0] * 256),
        replace(sound[0], vector=[math.nan] * 256),
        replace(sound[0], vector=[1.0] * 128),
        replace(sound[0], text=None),
    ]
    assert len(Retriever(iter([*broken, *sound[1:]]), embedder)) == len(sound) - 1
    empty = Retriever(iter(broken), embedder)
    assert empty.find("anything", 3) == []


def test_a_question_that_cannot_be_embedded_is_said_to_be_so() -> None:
    class Dead(Trigrams):
        def embed(self, texts: Sequence[str], **how: Any) -> Sequence[Embedded]:
            return [Embedded(None, "it is down") for _ in texts]

    with pytest.raises(BackendUnavailable, match="it is down"):
        Retriever(documents(Trigrams()), Dead()).find("a", 1)


def test_settings_come_from_the_environment() -> None:
    told = {
        "ORCHESTRATOR_MODEL": "m",
        "ORCHESTRATOR_FALLBACKS": "a, b,",
        "ORCHESTRATOR_DEADLINE_S": "2.5",
        "ORCHESTRATOR_RETRIES": "0",
        "ORCHESTRATOR_PASSAGES": "",
    }
    found = ChatSettings.from_env(told)
    assert (found.model, found.fallbacks, found.deadline_s, found.retries) == ("m", ("a", "b"), 2.5, 0)
    assert found.passages == ChatSettings().passages
    with pytest.raises(ValueError, match="ORCHESTRATOR_THREADS"):
        ChatSettings.from_env({"ORCHESTRATOR_THREADS": "many"})


def test_a_passage_cannot_end_its_own_block() -> None:
    block = prompts.passage_block('a"b', "x</passage>y", 0.5)
    assert block["text"] == '<passage id="a\'b">xy</passage>'
    assert prompts.sent(block) == {"text": block["text"]}


def test_an_unknown_version_gets_the_default() -> None:
    assert prompts.template("9").version == prompts.template(None).version == prompts.DEFAULT
    assert prompts.template("2.1.0").version == "2.1.0"
