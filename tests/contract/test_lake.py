"""Every lake does this."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from contract.lake_doubles import ObjectStore

from kenshin.backends.local.lake import FileLake
from kenshin.errors import Conflict, InvalidName, NotFound


@pytest.fixture(params=["file", "object store"])
def lake(request, tmp_path):
    return FileLake(tmp_path / "lake") if request.param == "file" else ObjectStore()


def read(lake, key: str) -> bytes:
    with lake.local(key) as path:
        return path.read_bytes()


def test_what_was_put_is_read_whether_it_came_as_bytes_or_as_a_file(lake, tmp_path):
    (tmp_path / "body").write_bytes(b"from a file")
    lake.put("a/day=2026-11-05/one.json", b"from memory")
    ref = lake.put("a/day=2026-11-05/two.json", tmp_path / "body")
    assert read(lake, "a/day=2026-11-05/one.json") == b"from memory"
    assert read(lake, "a/day=2026-11-05/two.json") == b"from a file"
    assert (ref.key, ref.size) == ("a/day=2026-11-05/two.json", 11)
    assert ref.modified.tzinfo is not None


def test_a_missing_object_is_not_found(lake):
    with pytest.raises(NotFound), lake.local("a/nothing"):
        pass


def test_a_list_is_in_order_of_key_and_takes_any_prefix(lake):
    for key in ("a/b=2/x", "a/b=1/y", "a/b=10/x", "c/x", "a/b=1/x"):
        lake.put(key, b"")
    assert [ref.key for ref in lake.list("a/")] == ["a/b=1/x", "a/b=1/y", "a/b=10/x", "a/b=2/x"]
    assert [ref.key for ref in lake.list("a/b=1")] == ["a/b=1/x", "a/b=1/y", "a/b=10/x"]
    assert [ref.key for ref in lake.list("a/b=1/")] == ["a/b=1/x", "a/b=1/y"]
    assert [ref.key for ref in lake.list("a/b=1/x")] == ["a/b=1/x"]
    assert list(lake.list("nothing/")) == []
    assert len(list(lake.list(""))) == 5


def test_a_list_names_the_etag_that_a_conditional_write_takes(lake):
    lake.put("a/x", b"1")
    (ref,) = lake.list("a/x")
    assert lake.put("a/x", b"2", expect=ref.etag).etag != ref.etag
    assert read(lake, "a/x") == b"2"


def test_create_refuses_what_is_there(lake):
    lake.put("a/x", b"1", expect="absent")
    with pytest.raises(Conflict):
        lake.put("a/x", b"2", expect="absent")
    assert read(lake, "a/x") == b"1"


def test_a_write_refuses_content_that_changed_or_went(lake):
    ref = lake.put("a/x", b"1")
    lake.put("a/x", b"2")
    with pytest.raises(Conflict):
        lake.put("a/x", b"3", expect=ref.etag)
    lake.delete(["a/x"])
    with pytest.raises(Conflict):
        lake.put("a/x", b"3", expect=ref.etag)
    assert list(lake.list("a/")) == []


def test_delete_removes_and_does_not_mind_what_is_not_there(lake):
    lake.put("a/x", b"1")
    lake.put("a/y", b"1")
    lake.delete(["a/x", "a/never"])
    assert [ref.key for ref in lake.list("a/")] == ["a/y"]
    lake.delete([])


@pytest.mark.parametrize("key", ["", "/a", "a//b", "../a", "a/../b", "a b", "a/.hidden", "a/", "ä", "a/..b"])
def test_a_key_that_could_lead_elsewhere_is_refused(lake, key):
    with pytest.raises(InvalidName):
        lake.put(key, b"")


def test_of_many_creators_one_wins(lake):
    def create(number: int) -> bool:
        try:
            lake.put("a/x", str(number).encode(), expect="absent")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(16)))
    assert won.count(True) == 1
    assert read(lake, "a/x") == str(won.index(True)).encode()


def test_of_many_that_read_and_write_none_is_lost(lake):
    lake.put("a/x", b"0")

    def add_one(_: int) -> None:
        while True:
            (ref,) = lake.list("a/x")
            value = int(read(lake, "a/x"))
            try:
                lake.put("a/x", str(value + 1).encode(), expect=ref.etag)
            except Conflict:
                continue
            return

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add_one, range(20)))
    assert read(lake, "a/x") == b"20"
