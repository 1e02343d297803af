"""A small index and a cheap, real embedder for the tests of the example service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from peers.bedrock import count_tokens
from peers.bedrock.embeddings import embed

from kenshin.drift.embedder import Embedded, Fingerprint, Kind
from kenshin.drift.index import StoredDocument

DOCUMENTS = {
    "logs.PutRetentionPolicy": "Sets the retention of a log group. Log groups keep events for 30 days, unless set.",
    "sns.Publish": "Sends a message to a topic. A message has at most 262144 bytes.",
    "s3.DeleteBucket": "Deletes a bucket. All objects in it must be deleted before.",
}


class Trigrams:
    """A real, cheap embedder: the one of the stand-in."""

    fingerprint = Fingerprint("trigrams", "1", 256, True, "", "")
    max_batch = 16

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str], *, kind: Kind, deadline: float) -> Sequence[Embedded]:
        self.texts.extend(texts)
        bodies = [{"inputText": text, "dimensions": 256} for text in texts]
        return [Embedded(embed(body, count_tokens)[0]["embedding"]) for body in bodies]


def documents(embedder: Trigrams) -> Iterator[StoredDocument]:
    for doc_id, text in DOCUMENTS.items():
        (found,) = embedder.embed([text], kind="passage", deadline=1)
        yield StoredDocument(doc_id=doc_id, text=text, vector=found.vector)
