"""The corpus of operations: real texts, the same on every load, and damage that is known and grows."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from contract.drift_doubles import DictCache, FakeEmbedder

from kenshin.days import day_of
from kenshin.drift.cached import CachedEmbedder
from kenshin.drift.distance import status_of
from kenshin.drift.embedder import text_hash
from kenshin.errors import BackendUnavailable, InvalidInput
from kenshin.samples.operations import load_operations, operations, plain, plan

ZONE = ZoneInfo("Asia/Tokyo")
LAST = date(2026, 11, 22)
SPEC = json.loads((Path(__file__).parents[3] / "include" / "corpora" / "operations.json").read_text())


@pytest.fixture(scope="module")
def planned():
    return plan(SPEC, last_day=LAST, zone=ZONE)


def load(model=None, wrong=None, **rest):
    return list(
        load_operations(
            SPEC,
            model or FakeEmbedder(),
            wrong or FakeEmbedder(model="wrong"),
            last_day=LAST,
            zone=ZONE,
            **rest,
        )
    )


def test_there_are_as_many_real_descriptions_as_promised(planned):
    assert len(planned) == SPEC["count"] >= 400
    assert len({each.operation.doc_id for each in planned}) == len(planned)
    assert {each.operation.doc_id.partition(".")[0] for each in planned} == set(SPEC["services"])
    lengths = [len(each.operation.text) for each in planned]
    assert min(lengths) >= 120
    assert sum(length > 2000 for length in lengths) == SPEC["long"]["count"]
    assert not [each for each in planned if "<p>" in each.operation.text or "<code>" in each.operation.text]


def test_the_plan_is_the_same_again_and_moves_with_the_last_day(planned):
    assert plan(SPEC, last_day=LAST, zone=ZONE) == planned
    later = plan(SPEC, last_day=LAST + timedelta(days=3), zone=ZONE)
    assert [each.embedded_at for each in later] == [each.embedded_at + timedelta(days=3) for each in planned]


def test_as_many_are_wrong_as_the_definition_says(planned):
    found = Counter(
        (each.kind, len(each.embedded_text) if each.kind == "truncated" else None) for each in planned
    )
    for part in SPEC["damage"]["parts"]:
        size = part.get("count", round(part.get("share", 0) * SPEC["count"]))
        assert found[part["kind"], part.get("characters")] == size
    assert all(
        len(each.embedded_text) < len(each.operation.text) for each in planned if each.kind == "truncated"
    )


def test_documents_are_embedded_over_the_month_and_wrong_ones_over_its_last_days(planned):
    days = {each.operation.doc_id: (LAST - day_of(each.embedded_at, ZONE)).days for each in planned}
    assert set(days.values()) == set(range(SPEC["days"]))
    wrong = Counter(days[each.operation.doc_id] for each in planned if each.kind != "sound")
    assert set(wrong) == set(range(SPEC["damage"]["days"]))
    assert max(wrong.values()) < 3 * min(wrong.values())


def test_a_document_says_truly_what_its_vector_was_made_from(planned):
    model, wrong = FakeEmbedder(), FakeEmbedder(model="wrong")
    kinds = {each.operation.doc_id: each for each in planned}
    documents = load(model, wrong)
    assert len(documents) == SPEC["count"]
    for document in documents:
        source = kinds[document.doc_id]
        chosen = wrong if source.kind == "variant" else model
        assert document.fingerprint == str(chosen.fingerprint)
        assert document.text_hash == text_hash(source.embedded_text)
        assert (document.embedded_at, document.language) == (source.embedded_at, "en")
        status = status_of(document.text, document.vector, dimensions=8)
        assert status == (source.kind if source.kind not in ("sound", "variant", "truncated") else "ok")
        if status == "ok":
            assert np.array_equal(document.vector, chosen.vector(source.embedded_text))


def test_loading_again_asks_the_model_nothing_and_gives_the_same():
    model, wrong, cache = FakeEmbedder(), FakeEmbedder(model="wrong"), DictCache()
    told: list[int] = []
    first = load(CachedEmbedder(model, cache), CachedEmbedder(wrong, cache), progress=told.append)
    asked = len(model.asked)
    again = load(CachedEmbedder(model, cache), CachedEmbedder(wrong, cache))
    assert len(model.asked) == asked
    assert [each.doc_id for each in again] == [each.doc_id for each in first]
    assert all(
        np.array_equal(a.vector, b.vector, equal_nan=True)
        for a, b in zip(first, again, strict=True)
        if a.vector is not None
    )
    assert told == sorted(told)
    assert told[-1] == SPEC["count"]


def test_a_text_that_cannot_be_embedded_stops_the_load(planned):
    sound = next(each for each in planned if each.kind == "sound")
    with pytest.raises(BackendUnavailable, match=sound.operation.doc_id):
        load(FakeEmbedder(fail=[sound.embedded_text]))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"services": ["nonexistent"]}, "does not know"),
        ({"count": 100_000}, "have only"),
        ({"damage": {"days": 3, "parts": [{"kind": "burnt", "count": 1}]}}, "unknown damage"),
    ],
)
def test_a_definition_that_cannot_be_met_is_refused(change, reason):
    with pytest.raises(InvalidInput, match=reason):
        plan({**SPEC, **change}, last_day=LAST, zone=ZONE)


def test_markup_is_taken_off_and_words_stay_apart():
    assert plain(
        "<p>Puts an <code>Item</code>, or not.</p><ul><li>One</li><li>Two&nbsp;&amp; three</li></ul>"
    ) == ("Puts an Item, or not. One Two & three")
    assert plain("") == ""


def test_operations_bear_the_name_of_their_service():
    found = {each.doc_id: each.text for each in operations(["sqs"])}
    assert found["sqs.SendMessage"].startswith("Delivers a message to the specified queue.")


def test_instants_are_aware(planned):
    assert all(each.embedded_at.astimezone(UTC) < datetime(2026, 11, 22, 15, tzinfo=UTC) for each in planned)
