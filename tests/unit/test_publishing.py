"""A partition is what its manifest names: published whole, once, by whoever wins, on a disk and in an object store."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from contract.lake_doubles import ObjectStore
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kenshin.backends.local.lake import FileLake
from kenshin.errors import Conflict, InvalidInput, InvalidName, NotFound
from kenshin.publishing import (
    MANIFEST,
    ORPHAN_AGE,
    as_json,
    local_parts,
    manifests,
    partition,
    publish,
    read_json,
    read_manifest,
    sweep,
)

WHERE = "figures/index=a/day=2026-11-05"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["file", "object store"])
def lake(request, tmp_path):
    return FileLake(tmp_path / "lake") if request.param == "file" else ObjectStore()


def bodies(lake, where=WHERE) -> list[bytes]:
    with local_parts(lake, [read_manifest(lake, where)]) as paths:
        return [path.read_bytes() for path in paths]


def keys(lake, prefix="") -> list[str]:
    return [ref.key for ref in lake.list(prefix)]


def test_a_partition_is_named_in_the_order_given_and_checked():
    assert partition("looks", experiment="e-1", day="2026-11-05") == "looks/experiment=e-1/day=2026-11-05"
    with pytest.raises(InvalidName):
        partition("looks", experiment="../other")


def test_nothing_is_published_until_something_is(lake):
    assert read_manifest(lake, WHERE) is None
    assert list(manifests(lake, "figures/")) == []
    with pytest.raises(NotFound):
        read_json(lake, WHERE)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    contents=st.lists(st.binary(max_size=50), max_size=4),
    inputs=st.dictionaries(st.text(max_size=5), st.text()),
)
def test_what_is_published_is_read_back_in_order(tmp_path, contents, inputs):
    for made in (
        ObjectStore(),
        FileLake(tmp_path / "lake" / sha256(repr((contents, inputs)).encode()).hexdigest()),
    ):
        manifest = publish(
            made, WHERE, [("bin", body) for body in contents], schema="figures/1", inputs=inputs
        )
        assert read_manifest(made, WHERE) == manifest
        assert bodies(made) == contents
        assert dict(manifest.inputs) == inputs
        assert [part.sha256 for part in manifest.parts] == [sha256(body).hexdigest() for body in contents]
        assert [each.partition for each in manifests(made, "figures/")] == [WHERE]


def test_the_same_again_changes_nothing_not_even_the_manifest_object(lake):
    first = publish(lake, WHERE, [("json", b"{}")], schema="figures/1", inputs={"a": "1"})
    (before,) = (ref for ref in lake.list(WHERE) if ref.key.endswith(MANIFEST))
    again = publish(lake, WHERE, [("json", b"{}")], schema="figures/1", inputs={"a": "1"})
    (after,) = (ref for ref in lake.list(WHERE) if ref.key.endswith(MANIFEST))
    assert (again, after) == (first, before)
    assert again.etag == first.etag


def test_other_content_replaces_and_can_be_replaced_in_turn(lake):
    for content in (b"1", b"2", b"3"):
        publish(lake, WHERE, [("bin", content)], schema="figures/1")
        assert bodies(lake) == [content]


def test_what_is_there_is_kept_where_that_is_asked_for(lake):
    first = publish(lake, WHERE, [("bin", b"1")], schema="figures/1", existing="keep")
    kept = publish(lake, WHERE, [("bin", b"2")], schema="figures/1", existing="keep")
    assert kept == first
    assert bodies(lake) == [b"1"]


class Meddling:
    """A lake in which somebody else publishes just before the next manifest is written."""

    def __init__(self, lake, content: bytes) -> None:
        self._lake = lake
        self._content = content
        self._done = False

    def __getattr__(self, name):
        return getattr(self._lake, name)

    def put(self, key, body, *, expect="any"):
        if key.endswith(MANIFEST) and not self._done:
            self._done = True
            publish(self._lake, WHERE, [("bin", self._content)], schema="figures/1")
        return self._lake.put(key, body, expect=expect)


@pytest.mark.parametrize("earlier", [None, b"earlier"])
def test_of_two_writers_one_wins_and_the_other_is_told(lake, earlier):
    if earlier is not None:
        publish(lake, WHERE, [("bin", earlier)], schema="figures/1")
    with pytest.raises(Conflict):
        publish(Meddling(lake, b"theirs"), WHERE, [("bin", b"ours")], schema="figures/1")
    assert bodies(lake) == [b"theirs"]


@pytest.mark.parametrize("earlier", [None, b"earlier"])
def test_two_writers_of_the_same_content_have_both_done_it(lake, earlier):
    if earlier is not None:
        publish(lake, WHERE, [("bin", earlier)], schema="figures/1")
    manifest = publish(Meddling(lake, b"same"), WHERE, [("bin", b"same")], schema="figures/1")
    assert manifest == read_manifest(lake, WHERE)
    assert bodies(lake) == [b"same"]


def test_the_loser_takes_what_the_winner_kept_where_that_is_asked_for(lake):
    manifest = publish(
        Meddling(lake, b"theirs"), WHERE, [("bin", b"ours")], schema="figures/1", existing="keep"
    )
    assert manifest == read_manifest(lake, WHERE)
    assert bodies(lake) == [b"theirs"]


def test_of_many_writers_at_once_the_last_manifest_is_whole(lake):
    def write(number: int) -> bool:
        try:
            publish(lake, WHERE, [("bin", b"%d" % number), ("bin", b"%d" % -number)], schema="figures/1")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(write, range(1, 17)))
    assert any(won)
    one, other = bodies(lake)
    assert int(one) == -int(other)
    assert won[int(one) - 1]


KILLED = """
import os, signal, sys
from pathlib import Path
from kenshin.backends.local.lake import FileLake
from kenshin.publishing import publish

class Killing(FileLake):
    def put(self, key, body, *, expect="any"):
        if key.endswith(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().put(key, body, expect=expect)

publish(Killing(Path(sys.argv[1])), sys.argv[3], [("one", b"1"), ("two", b"2")], schema="figures/1")
"""


@pytest.mark.parametrize(("at", "left"), [(".one", 0), (".two", 1), (MANIFEST, 2)])
def test_a_killed_writer_publishes_nothing_and_the_next_one_everything(tmp_path, at, left):
    lake = FileLake(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), at, WHERE], env={"PYTHONPATH": str(ROOT / "plugins")}
    )
    assert done.returncode == -signal.SIGKILL
    assert read_manifest(lake, WHERE) is None
    assert len(keys(lake)) == left

    publish(lake, WHERE, [("one", b"1"), ("two", b"2")], schema="figures/1")
    assert bodies(lake) == [b"1", b"2"]
    assert len(keys(lake)) == 3


def test_a_sweep_takes_orphans_of_more_than_seven_days_and_nothing_else(lake):
    publish(lake, WHERE, [("bin", b"old")], schema="figures/1")
    publish(lake, WHERE, [("bin", b"new")], schema="figures/1")
    (orphan,) = [
        key
        for key in keys(lake)
        if not key.endswith(MANIFEST) and key != read_manifest(lake, WHERE).parts[0].key
    ]
    now = datetime.now(UTC)
    assert sweep(lake, "figures/", now=now + ORPHAN_AGE - timedelta(minutes=1)) == []
    assert sweep(lake, "figures/", now=now + ORPHAN_AGE + timedelta(minutes=1)) == [orphan]
    assert bodies(lake) == [b"new"]
    assert sweep(lake, "figures/", now=now + timedelta(days=1000)) == []


def test_json_has_one_form_and_reads_back(lake):
    body = {"b": 1, "a": [0.1, None], "text": "健診"}
    publish(lake, WHERE, [("json", as_json(body))], schema="report/1")
    assert read_json(lake, WHERE) == body
    assert as_json(body) == as_json(json.loads(as_json(body)))
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_json({"figure": float("nan")})


def test_json_that_is_no_object_is_refused(lake):
    publish(lake, WHERE, [("json", b"[]")], schema="report/1")
    with pytest.raises(InvalidInput):
        read_json(lake, WHERE)
