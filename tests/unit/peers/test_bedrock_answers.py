"""What the stand-in quotes: whole sentences, each once."""

from __future__ import annotations

from peers.bedrock import ChatAnswers
from peers.bedrock.prompts import Prompt, Turn


def quoted(question: str, *passages: str) -> str:
    content = "".join(f"<passage>{passage}</passage>" for passage in passages)
    return ChatAnswers()(Prompt("Converse", "a-model", turns=(Turn("user", content + question),))).text


def test_a_fragment_is_not_quoted() -> None:
    bucket = (
        "A bucket has, e.g. for logs, a name. Names of a bucket look like bucket.txt, at 3.5 cents a bucket."
    )
    assert quoted("What is a bucket?", bucket) == bucket
    assert quoted("What is a bucket?", "Bucket. A bucket.") == quoted("What?", "")


def test_a_sentence_is_quoted_once() -> None:
    first, other = "This deletes a bucket for good.", "Empty a bucket before you delete it."
    assert quoted("How do I delete a bucket?", first, first, other) == f"{first} {other}"


def test_a_japanese_sentence_is_whole() -> None:
    assert quoted("バケットとは何ですか。", "バケットは入れ物です。はい。") == "バケットは入れ物です。"
