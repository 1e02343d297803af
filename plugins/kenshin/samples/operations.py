"""Descriptions of AWS operations as a corpus: botocore's own documentation, embedded, a known part of it wrongly.

Which operations, what is wrong with how many, and since when is said in ``include/corpora/operations.json``. Everything
is chosen by hashes and ranks, so that loading again gives the same documents. The damage grows over the last days of
the month, so that a history of drift has something to show. A document says truly which embedder and which text its
vector was made from, as a careful job would have recorded. The texts are botocore's (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

from kenshin.days import start_of
from kenshin.drift.embedder import Embedder, text_hash
from kenshin.drift.index import StoredDocument, sample_key
from kenshin.errors import BackendUnavailable, InvalidInput

BATCH = 16
DEADLINE_S = 300.0
_DAY_S = 24 * 3600
_INLINE = {"a", "b", "code", "em", "i", "span", "strong"}
_SOUND = "sound"
_KINDS = {_SOUND, "variant", "truncated", "zero", "nan", "dimension", "missing_vector", "missing_text"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: `doc_id` is ``service.Operation``, `text` its description without markup."""

    doc_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Planned:
    """How one document comes into the index.

    Args:
        operation: which.
        kind: ``sound``, or what is wrong with its vector.
        embedded_at: when its vector was made.
        embedded_text: what it was made from.
    """

    operation: Operation
    kind: str
    embedded_at: datetime
    embedded_text: str


def load_operations(
    spec: Mapping[str, Any],
    embedder: Embedder,
    wrong_embedder: Embedder,
    *,
    last_day: date,
    zone: tzinfo,
    progress: Callable[[int], object] | None = None,
) -> Iterator[StoredDocument]:
    """The corpus as documents of an index. Embedders with a cache make a second load quick.

    Args:
        spec: see ``include/corpora/operations.json``.
        embedder: the current model, of sound documents.
        wrong_embedder: the one that `spec` names as ``wrong_embedder``.
        last_day: the last of the month's days.
        zone: whose dates the days are.
        progress: is told how many documents are done.

    Raises:
        InvalidInput: the definition asks for what there is not.
        BackendUnavailable: botocore is not installed, or a text could not be embedded.
    """
    planned = plan(spec, last_day=last_day, zone=zone)
    done = 0
    for chosen, kind in ((wrong_embedder, "variant"), (embedder, None)):
        members = [each for each in planned if (each.kind == "variant") == (kind == "variant")]
        for first in range(0, len(members), BATCH):
            batch = members[first : first + BATCH]
            answers = chosen.embed(
                [each.embedded_text for each in batch], kind="passage", deadline=DEADLINE_S
            )
            for each, answer in zip(batch, answers, strict=True):
                if answer.vector is None:
                    raise BackendUnavailable(
                        value=each.operation.doc_id,
                        reason=f"its text could not be embedded ({answer.error})",
                        mend="Load the sample again; what is embedded is kept in the cache.",
                    )
                yield _stored(each, answer.vector, str(chosen.fingerprint), str(spec["language"]))
            done += len(batch)
            if progress is not None:
                progress(done)


def plan(spec: Mapping[str, Any], *, last_day: date, zone: tzinfo) -> list[Planned]:
    """What is embedded how and when, in order of id; see `load_operations`."""
    chosen = _chosen(spec)
    by_damage = sorted(chosen, key=lambda each: _rank("damage", each.doc_id))
    kinds: dict[str, tuple[str, int | None, int]] = {}
    for part in spec["damage"]["parts"]:
        if part["kind"] not in _KINDS:
            raise InvalidInput(
                value=part["kind"], reason="unknown damage", mend=f"Known: {', '.join(sorted(_KINDS))}."
            )
        size = int(part["count"]) if "count" in part else round(float(part["share"]) * len(chosen))
        cut = part.get("characters")
        members = [each for each in by_damage if cut is None or len(each.text) > cut][:size]
        by_damage = [each for each in by_damage if each not in members]
        days = int(spec["damage"]["days"])
        for position, each in enumerate(members):
            # Evenly over the last days, so that each day adds to what the day before showed.
            passed = (position * days + _rank("day", each.doc_id) % days) // size
            kinds[each.doc_id] = (part["kind"], cut, days - 1 - passed)
    planned = []
    for each in chosen:
        kind, characters, days_ago = kinds.get(
            each.doc_id, (_SOUND, None, _rank("day", each.doc_id) % int(spec["days"]))
        )
        at = start_of(last_day - timedelta(days=days_ago), zone)
        at += timedelta(seconds=_rank("time", each.doc_id) % _DAY_S)
        planned.append(Planned(each, kind, at, each.text if characters is None else each.text[:characters]))
    return planned


def operations(services: Sequence[str]) -> Iterator[Operation]:
    """Every documented operation of some services.

    Raises:
        BackendUnavailable: botocore is not installed.
        InvalidInput: botocore does not know a service.
    """
    try:
        from botocore.exceptions import UnknownServiceError
        from botocore.loaders import Loader
    except ImportError as error:
        raise BackendUnavailable(
            value="botocore",
            reason="the package whose documentation the corpus is made of is not installed",
            mend="Run: pip install 'kenshin[demo]'.",
        ) from error
    loader = Loader()
    for service in services:
        try:
            model = loader.load_service_model(service, "service-2")
        except UnknownServiceError as error:
            raise InvalidInput(
                value=service, reason="botocore does not know the service", mend="Correct 'services'."
            ) from error
        for name, operation in model["operations"].items():
            yield Operation(f"{service}.{name}", plain(operation.get("documentation", "")))


def plain(markup: str) -> str:
    """A description without its markup, in one line."""
    reader = _Text()
    reader.feed(markup)
    reader.close()
    return " ".join("".join(reader.parts).split())


class _Text(HTMLParser):
    """Collects text; a block's end separates words, an inline element's does not."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Separate a block from what stands before it."""
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """Separate a block from what follows."""
        if tag not in _INLINE:
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        """Keep text."""
        self.parts.append(data)


def _chosen(spec: Mapping[str, Any]) -> list[Operation]:
    ranked = sorted(operations(spec["services"]), key=lambda each: _rank("choice", each.doc_id))
    long = _of_length(ranked, spec["long"])[: int(spec["long"]["count"])]
    usual = _of_length(ranked, spec["characters"])[: int(spec["count"]) - len(long)]
    chosen = long + usual
    if len(chosen) < int(spec["count"]):
        raise InvalidInput(
            value=f"count={spec['count']}",
            reason=f"the services have only {len(chosen)} operations with descriptions of the asked length",
            mend="Add services, or ask for fewer.",
        )
    return sorted(chosen, key=lambda each: each.doc_id)


def _of_length(ranked: Sequence[Operation], bounds: Mapping[str, Any]) -> list[Operation]:
    return [each for each in ranked if int(bounds["least"]) <= len(each.text) <= int(bounds["most"])]


def _stored(planned: Planned, vector: Sequence[float], fingerprint: str, language: str) -> StoredDocument:
    import numpy as np

    operation, made = planned.operation, np.array(vector, dtype=np.float32)
    if planned.kind == "zero":
        made = np.zeros_like(made)
    elif planned.kind == "nan":
        made[0] = np.nan
    elif planned.kind == "dimension":
        made = made[: len(made) // 2]
    document = StoredDocument(
        doc_id=operation.doc_id,
        text=operation.text,
        vector=made,  # type: ignore[arg-type]
        sample_key=sample_key(operation.doc_id),
        text_hash=text_hash(planned.embedded_text),
        fingerprint=fingerprint,
        embedded_at=planned.embedded_at,
        language=language,
    )
    if planned.kind == "missing_vector":
        return replace(document, vector=None)
    return replace(document, text=None) if planned.kind == "missing_text" else document


def _rank(what: str, doc_id: str) -> int:
    return int.from_bytes(sha256(f"operations-{what}:{doc_id}".encode()).digest()[:8], "big")
