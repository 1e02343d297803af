"""Every store of documents does this."""

from __future__ import annotations

import json

import pytest

from kenshin.backends.local.documents import LARGEST, SCHEMA, SqliteDocuments
from kenshin.backends.local.experiments import SCHEMA as EXPERIMENTS
from kenshin.backends.local.experiments import SqliteExperiments
from kenshin.backends.local.sqlite import Database
from kenshin.documents import Documents
from kenshin.errors import Conflict, InvalidInput, InvalidName, KenshinError
from kenshin.names import checked
from kenshin.ports import Versioned

BODY = {"weights": [0.1, -3, None], "語": {"nested": True}}
ITEM_BYTES = 400 * 1024


class ItemDocuments:
    """Keeps JSON items of at most 400 KB; every write is conditional on the version."""

    def __init__(self) -> None:
        self._items: dict[str, tuple[int, str]] = {}

    def get(self, key):
        item = self._items.get(key)
        return None if item is None else Versioned(json.loads(item[1]), item[0])

    def put(self, key, body, *, expected):
        checked(key, what="a document")
        try:
            text = json.dumps(body, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InvalidInput(value=key, reason="no JSON", mend="Plain values.") from error
        if len(text) > LARGEST:
            raise InvalidInput(value=key, reason="too large", mend="Less.")
        assert len(text) < ITEM_BYTES
        version, _ = self._items.get(key, (None, ""))
        if version != expected:
            raise Conflict(value=key, reason=f"version is {version}", mend="Read again.")
        self._items[key] = ((version or 0) + 1, text)
        return (version or 0) + 1


@pytest.fixture(params=["sqlite", "double"])
def documents(request, tmp_path) -> Documents:
    if request.param == "double":
        return ItemDocuments()
    return SqliteDocuments(Database(tmp_path / "experiments.db", SCHEMA))


def test_what_is_put_comes_back_whole(documents):
    assert documents.get("tokens") is None
    assert documents.put("tokens", BODY, expected=None) == 1
    assert documents.get("tokens") == Versioned(BODY, 1)


def test_a_put_needs_the_version_in_force(documents):
    documents.put("tokens", BODY, expected=None)
    assert documents.put("tokens", {"next": 1}, expected=1) == 2
    for stale in (None, 1, 3):
        with pytest.raises(Conflict):
            documents.put("tokens", {}, expected=stale)
    assert documents.get("tokens") == Versioned({"next": 1}, 2)
    with pytest.raises(Conflict):
        documents.put("other", {}, expected=1)
    assert documents.get("other") is None


@pytest.mark.parametrize(
    "body", [{"x": float("nan")}, {"x": object()}, {"x": "a" * LARGEST}], ids=["nan", "object", "large"]
)
def test_what_no_backend_could_hold_is_refused(documents, body):
    with pytest.raises(InvalidInput):
        documents.put("tokens", body, expected=None)
    assert documents.get("tokens") is None


def test_a_key_is_a_name(documents):
    with pytest.raises(InvalidName):
        documents.put("../up", {}, expected=None)


def test_documents_share_a_file_with_the_registry(tmp_path):
    path = tmp_path / "experiments.db"
    registry = SqliteExperiments(Database(path, EXPERIMENTS))
    documents = SqliteDocuments(Database(path, SCHEMA))
    documents.put("tokens", BODY, expected=None)
    assert registry.list() == []
    assert documents.get("tokens") == Versioned(BODY, 1)


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "experiments.db").write_text("not a database, and long enough to be read as one" * 100)
    with pytest.raises(KenshinError):
        SqliteDocuments(Database(tmp_path / "experiments.db", SCHEMA)).get("tokens")
