"""A small index for runs that have a folder of their own; `make demo` and `kenshin demo load` make the large one."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from kenshin.cli.demo import Loadable
from kenshin.drift.cached import CachedEmbedder
from kenshin.errors import InvalidInput
from kenshin.runtime import Runtime
from kenshin.samples.operations import load_operations

LONGEST = 300
"""Characters of a document: short ones are embedded in a tenth of a second."""

SPEC = Path(__file__).resolve().parents[3] / "include" / "corpora" / "operations.json"


def load_corpus(runtime: Runtime, count: int) -> list[str]:
    """Embed so many of the sample's documents, all of them soundly, into the runtime's index; answers their ids.

    Raises:
        InvalidInput: the index takes no documents.
        KenshinError: the sample cannot be made.
    """
    spec: dict[str, Any] = json.loads(SPEC.read_text(encoding="utf-8"))
    spec |= {
        "count": count,
        "long": {**spec["long"], "count": 0},
        "characters": {"least": 100, "most": LONGEST},
        "damage": {"days": 1, "parts": []},
    }
    index = runtime.index()
    if not isinstance(index, Loadable):
        raise InvalidInput(
            value=runtime.settings.index.raw, reason="it takes no documents", mend="Unset KENSHIN_INDEX."
        )
    embedder = CachedEmbedder(runtime.embedder, runtime.embeddings)
    zone = runtime.settings.zone
    yesterday = runtime.clock().astimezone(zone).date() - timedelta(days=1)
    documents = list(load_operations(spec, embedder, embedder, last_day=yesterday, zone=zone))
    index.add(documents)
    return [each.doc_id for each in documents]
