"""What the load generator says: questions about AWS operations in English and Japanese, from installed packages.

English comes from botocore's documentation of the operations (Apache-2.0), Japanese from the translations of Airflow's
page (Apache-2.0) and from question forms around the operations' names. Everything is chosen by a seed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

from kenshin.samples.operations import Operation, operations

SERVICES = ("cloudwatch", "dynamodb", "lambda", "logs", "s3", "sns", "sqs", "xray")
SHORTEST, LONGEST = 100, 300

_ENGLISH = (
    "What does {name} do?",
    "How do I use {name} in {service}?",
    "Is there a limit that I should know before I call {name}?",
    "Why does {name} fail with access denied?",
    "Please explain this in plain words: {text}",
)
_JAPANESE = (
    "{service} の {name} とは何ですか。",
    "{name} の使い方を教えてください。",
    "{name} に上限はありますか。",
    "{name} がエラーになる原因は何ですか。",
    "次のメッセージの意味を教えてください：「{message}」 {service} の {name} と関係がありますか。",
)
_AGAIN = {"en": "That is not what I meant. {question}", "ja": "そういう意味ではありません。{question}"}


def questions(
    count: int, seed: int, *, japanese: float = 0.4, known: Collection[str] | None = None
) -> list[tuple[str, str]]:
    """Different questions, each with its language.

    Args:
        count: how many.
        seed: chooses them.
        japanese: the share in Japanese.
        known: ids of documents, ``service.Operation``; None: all of some services.
    """
    random = Random(seed)  # noqa: S311
    subjects = sorted(_described(known), key=lambda each: each.doc_id)
    messages = sorted(_messages())
    made: dict[str, str] = {}
    while len(made) < count:
        operation = random.choice(subjects)
        service, _, name = operation.doc_id.partition(".")
        language = "ja" if random.random() < japanese else "en"
        form = random.choice(_JAPANESE if language == "ja" else _ENGLISH)
        made.setdefault(
            form.format(
                name=name, service=service, text=operation.text, message=random.choice(messages or [name])
            ),
            language,
        )
    return list(made.items())


def again(question: str, language: str) -> str:
    """The same question once more, by somebody who was not understood."""
    return _AGAIN[language].format(question=question)


def conversation(pool: Sequence[tuple[str, str]], random: Random, turns: int) -> Iterator[str]:
    """What one person says: questions in one language, now and then the same once more."""
    language = random.choice(pool)[1]
    own = [question for question, said in pool if said == language]
    last = ""
    for _ in range(turns):
        if last and random.random() < 0.1:
            yield again(last, language)
            continue
        last = random.choice(own)
        yield last


def _described(known: Collection[str] | None) -> Iterator[Operation]:
    services = SERVICES if known is None else sorted({doc_id.partition(".")[0] for doc_id in known})
    for operation in operations(services):
        if SHORTEST <= len(operation.text) <= LONGEST and (known is None or operation.doc_id in known):
            yield operation


def _messages() -> set[str]:
    """Japanese messages of Airflow's page; none where Airflow is not installed."""
    found = find_spec("airflow")
    if found is None or not found.submodule_search_locations:
        return set()
    folder = Path(next(iter(found.submodule_search_locations))) / "ui/dist/i18n/locales/ja"
    return {
        text
        for path in sorted(folder.glob("*.json"))
        for text in _leaves(json.loads(path.read_text(encoding="utf-8")))
        if len(text) >= 8 and "{{" not in text
    }


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, str):
        yield value
