from __future__ import annotations

from datetime import UTC, datetime

import pytest
from model_calls import HAIKU, FakeDocuments

from kenshin.errors import Conflict, InvalidInput
from kenshin.health.overrides import (
    DOCUMENT,
    BreakerOverride,
    clear_override,
    now_as_text,
    overrides_in,
    place_of,
    set_override,
)
from kenshin.ports import Versioned

OPEN = BreakerOverride(HAIKU, "open", by="vera", at="2026-11-26T09:00:00+00:00")
TOKYO = BreakerOverride(HAIKU, "closed", "ap-northeast-1")


@pytest.fixture
def documents():
    return FakeDocuments()


def test_nothing_is_set_at_first(documents):
    assert overrides_in(documents) == []
    assert not clear_override(documents, HAIKU)
    assert documents.kept == {}


def test_one_is_set_replaced_and_cleared(documents):
    set_override(documents, OPEN)
    set_override(documents, TOKYO)
    assert overrides_in(documents) == [OPEN, TOKYO]
    changed = BreakerOverride(HAIKU, "closed")
    set_override(documents, changed)
    assert overrides_in(documents) == [changed, TOKYO]
    assert clear_override(documents, f"arn:aws:bedrock:x:1:foundation-model/{HAIKU}")
    assert overrides_in(documents) == [TOKYO]
    assert documents.kept[DOCUMENT].version == 4


def test_writers_do_not_lose_each_others(documents):
    documents.conflicts = 4
    set_override(documents, OPEN)
    assert overrides_in(documents) == [OPEN]
    documents.conflicts = 5
    with pytest.raises(Conflict):
        set_override(documents, TOKYO)


@pytest.mark.parametrize(
    "body", [{}, {"overrides": 1}, {"overrides": [{"model": HAIKU}]}, {"overrides": [1]}]
)
def test_another_document_is_refused(documents, body):
    documents.kept[DOCUMENT] = Versioned(body, 1)
    with pytest.raises(InvalidInput, match="breakers"):
        overrides_in(documents)


@pytest.mark.parametrize("wrong", [{"model": " "}, {"mode": "half_open"}, {"mode": None}], ids=str)
def test_an_override_that_means_nothing_is_refused(wrong):
    with pytest.raises(InvalidInput):
        BreakerOverride(**{"model": HAIKU, "mode": "open", **wrong})


def test_places_and_instants():
    assert place_of(f"arn:x/{HAIKU}", "tokyo") == TOKYO.place.replace("ap-northeast-1", "tokyo")
    assert place_of(HAIKU, None) == OPEN.place == HAIKU
    assert now_as_text(datetime(2026, 11, 26, 9, 0, 0, 5, tzinfo=UTC)) == OPEN.at
