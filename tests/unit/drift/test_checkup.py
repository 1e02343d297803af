"""The steps of a check-up: idempotent each, killed or not, and a day keeps its figures."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from contract.drift_doubles import FakeEmbedder

from kenshin.backends.local.embeddings import SCHEMA, SqliteEmbeddings
from kenshin.backends.local.lake import FileLake
from kenshin.backends.local.sqlite import Database
from kenshin.drift.checkup import CHUNK, viewpoint
from kenshin.drift.documents import read_documents
from kenshin.drift.report import read_report
from kenshin.drift.sampling import start_key
from kenshin.errors import BackendUnavailable, Conflict, InvalidInput, InvalidName, NotFound
from kenshin.publishing import read_manifest

ZONE = ZoneInfo("Asia/Tokyo")
DAY = date(2026, 11, 5)
NOW = datetime(2026, 11, 5, 3, tzinfo=ZONE)
INDEX = "products"
ROOT = Path(__file__).resolve().parents[3]


def content(lake) -> dict[str, bytes]:
    return {key: body for key, (_, body) in lake.objects.items()}


def test_a_sound_index_has_no_drift(make_house):
    report = make_house(150).run(size=100)
    assert (report.drawn, report.sample_size, report.drifted_count, report.alert) == (100, 100, 0, False)
    assert report.max_drift == pytest.approx(0, abs=1e-6)
    assert {each.name for each in report.strata} == {"en", "ja"}


def test_wrong_documents_are_found_by_name_and_kind(make_house, make_document):
    other = FakeEmbedder(model="another")
    bad = [
        make_document(1, vector=other.vector("text 1")),
        make_document(2, text=None),
        make_document(3, vector=None),
        make_document(4, vector=np.ones(5, np.float32)),
        make_document(5, vector=np.full(8, np.nan, np.float32)),
        make_document(6, vector=np.zeros(8, np.float32)),
    ]
    report = make_house(100, bad=bad).run()
    assert report.drifted_ids == ("doc-0001",)
    assert report.repair_ids == tuple(f"doc-{number:04}" for number in range(2, 7))
    assert set(report.invalid.values()) == {1}
    assert report.sample_size == 95


def test_what_cannot_be_compared_is_not_embedded(make_house, make_document):
    bad = [make_document(2, text=" "), make_document(3, vector=None), make_document(6, vector=np.zeros(8))]
    house = make_house(10, bad=bad)
    house.run()
    assert sorted(house.embedder.asked) == sorted(f"text {n}" for n in (0, 1, 4, 5, 7, 8, 9))


def test_chunks_hold_at_most_64_texts_and_every_text_once(make_house):
    house = make_house(2 * CHUNK + 1)
    drawn = house.draw()
    assert drawn["chunks"] == [0, 1, 2]
    sizes = [house.embed(chunk)["texts"] for chunk in drawn["chunks"]]
    assert sizes == [43, 43, 43]
    assert len(set(house.embedder.asked)) == len(house.embedder.asked) == 2 * CHUNK + 1


def test_answers_are_small_and_json_ready(make_house):
    house = make_house(70)
    drawn = house.draw()
    answers = [drawn, *(house.embed(chunk) for chunk in drawn["chunks"]), house.compare()]
    assert all(len(json.dumps(each)) < 600 for each in answers)
    assert answers[-1]["report_key"] == f"reports/index={INDEX}/day={DAY}"


def test_a_rerun_of_a_day_is_byte_identical_and_asks_nobody(make_house):
    house = make_house(100)
    house.run(size=60)
    before, asked = content(house.lake), list(house.embedder.asked)
    for document in house.index.fetch([f"doc-{n:04}" for n in range(100)]):
        house.index.replace([(document, replace(document, text="changed"))])
    again = house.draw(size=99, fingerprint="another/model")
    assert (again["chunks"], again["reused_snapshot"]) == ([], True)
    assert house.compare()["reused_snapshot"]
    assert content(house.lake) == before
    assert house.embedder.asked == asked


def test_two_houses_with_the_same_documents_write_the_same_bytes(make_house):
    one, other = make_house(100), make_house(100)
    one.run(size=60)
    other.run(size=60)
    assert content(one.lake) == content(other.lake)


def test_the_texts_are_gone_once_the_day_is_compared(make_house):
    house = make_house(30)
    for chunk in house.draw()["chunks"]:
        house.embed(chunk)
    assert any(key.startswith("drift_draws/") for key in content(house.lake))
    house.compare()
    datasets = {key.partition("/")[0] for key in content(house.lake)}
    assert datasets == {"drift_snapshots", "drift_documents", "drift_days", "reports"}
    assert not [key for key, body in content(house.lake).items() if b"text 7" in body]


def test_another_threshold_is_a_replay_that_replaces_the_report(make_house, make_document):
    house = make_house(100, bad=[make_document(1, vector=FakeEmbedder(model="b").vector("text 1"))])
    assert house.run().drifted_count == 1
    asked = list(house.embedder.asked)
    strict = house.run(threshold=0.0)
    assert strict.threshold == 0.0
    assert strict.drifted_count >= 1
    assert house.run(threshold=2.0).drifted_count == 0
    assert house.embedder.asked == asked
    assert house.run().drifted_count == 1


def test_the_sample_is_that_of_index_and_day(make_house):
    house = make_house(150)
    first, other = house.run(size=40), house.run(size=40, day=DAY + timedelta(days=1))
    documents = [
        {
            each.doc_id
            for each in read_documents(
                house.lake, read_manifest(house.lake, f"drift_documents/index={INDEX}/day={day}")
            )
        }
        for day in (first.day, other.day)
    ]
    assert documents[0] != documents[1]
    assert start_key(INDEX, DAY) != start_key(INDEX, DAY + timedelta(days=1))


def test_a_retried_draw_gives_the_sample_that_was_drawn_first(make_house):
    house = make_house(150)
    first = house.draw(size=100)
    assert house.draw(size=100) == first
    assert house.draw(size=20) == first


def test_a_retried_chunk_costs_nothing_and_changes_nothing(make_house):
    house = make_house(30)
    house.draw()
    assert house.embed(0)["reused"] is False
    before, asked = content(house.lake), len(house.embedder.asked)
    house.cache.kept.clear()
    assert house.embed(0)["reused"] is True
    assert (content(house.lake), len(house.embedder.asked)) == (before, asked)


def test_a_chunk_that_is_cleared_after_the_comparison_changes_nothing(make_house):
    house = make_house(30)
    house.run()
    before = content(house.lake)
    assert house.embed(0)["reused"] is True
    assert content(house.lake) == before


def test_texts_that_fail_alone_are_counted_and_the_rest_is_compared(make_house):
    house = make_house(30, embedder=FakeEmbedder(fail=["text 3", "text 4"]))
    report = house.run()
    assert (report.embed_errors, report.sample_size, report.invalid_count) == (2, 28, 0)


def test_a_model_that_gives_nothing_fails_the_task_and_a_retry_mends_it(make_house):
    house = make_house(30)
    house.draw()
    with pytest.raises(BackendUnavailable, match="not one of 30 texts"):
        house.embed(0, deadline=0.0)
    with pytest.raises(NotFound, match="has not been embedded"):
        house.compare()
    house.embed(0)
    assert house.compare()["sample_size"] == 30


def test_a_model_that_takes_one_text_a_call_is_asked_one_by_one(make_house):
    house = make_house(5, embedder=FakeEmbedder(max_batch=1))
    assert house.run().sample_size == 5


def test_vectors_of_another_model_do_not_get_into_a_sample(make_house):
    house = make_house(30)
    house.draw()
    with pytest.raises(Conflict):
        house.embed(0, embedder=FakeEmbedder(model="another"))


def test_an_unfinished_day_whose_model_was_exchanged_keeps_its_documents_and_takes_the_new_model(make_house):
    house = make_house(150)
    house.draw(size=40)
    house.embed(0)
    house.embedder = FakeEmbedder(model="another")
    report = house.run(size=99)
    assert report.fingerprint == str(house.embedder.fingerprint)
    assert (report.drawn, len(house.embedder.asked)) == (40, 40)
    assert report.drifted_count == 40


def test_steps_out_of_order_are_told_what_is_missing(make_house):
    house = make_house(30)
    with pytest.raises(NotFound, match="no sample was drawn"):
        house.embed(0)
    with pytest.raises(NotFound, match="no sample was drawn"):
        house.compare()
    house.draw()
    with pytest.raises(NotFound, match="no such chunk"):
        house.embed(7)


def test_an_empty_index_and_one_without_a_valid_vector_are_answers(make_house, make_document):
    empty = make_house(0)
    assert empty.run().note == "No documents to check"
    assert empty.run(size=7).note == "No documents to check"
    broken = make_house(0, bad=[make_document(1, vector=None), make_document(2, text="")])
    report = broken.run()
    assert (report.note, report.invalid_count, report.alert) == ("No valid comparisons", 2, True)


def test_what_was_embedded_later_is_left_out_of_a_reconstructed_day(make_house, make_document):
    late = make_document(1, embedded_at=datetime(2026, 11, 5, 15, 0, 1, tzinfo=UTC))
    house = make_house(10, bad=[late])
    view = viewpoint(DAY, now=NOW + timedelta(days=3), zone=ZONE)
    report = house.run(**view)
    assert (report.mode, report.drawn) == ("reconstructed", 9)


def test_a_day_is_observed_reconstructed_or_not_yet_there():
    assert viewpoint(DAY, now=NOW, zone=ZONE) == {"mode": "observed", "as_of": None}
    past = viewpoint(DAY, now=NOW + timedelta(days=1), zone=ZONE)
    assert past["mode"] == "reconstructed"
    assert past["as_of"] == datetime(2026, 11, 5, 23, 59, 59, 999999, tzinfo=ZONE)
    with pytest.raises(InvalidInput, match="future"):
        viewpoint(DAY, now=NOW - timedelta(hours=4), zone=ZONE)


@pytest.mark.parametrize("threshold", [-0.1, 2.1, float("nan")])
def test_a_threshold_that_is_no_distance_is_refused(make_house, threshold):
    with pytest.raises(InvalidInput):
        make_house(3).run(threshold=threshold)


def test_a_name_that_is_no_name_is_refused_before_anything_is_written(make_house):
    house = make_house(3)
    house.name = "../elsewhere"
    with pytest.raises(InvalidName):
        house.draw()
    assert content(house.lake) == {}


KILLED = """
import os, signal, sys
from datetime import date
from pathlib import Path
from contract.drift_doubles import FakeEmbedder
from kenshin.backends.local.embeddings import SCHEMA, SqliteEmbeddings
from kenshin.backends.local.lake import FileLake
from kenshin.backends.local.sqlite import Database
from kenshin.drift.checkup import embed_chunk

home, where = Path(sys.argv[1]), sys.argv[2]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Model(FakeEmbedder):
    def embed(self, texts, **how):
        if where == "model" and self.asked:
            die()
        return super().embed(texts, **how)

class Lake(FileLake):
    def put(self, key, body, **how):
        if "drift_embeddings" in key and key.endswith(where):
            die()
        return super().put(key, body, **how)

embed_chunk(
    Lake(home / "lake"), Model(), SqliteEmbeddings(Database(home / "cache.db", SCHEMA)),
    index_name="products", day=date(2026, 11, 5), chunk=0,
)
"""


@pytest.mark.parametrize(("where", "asked_again"), [("model", 24), (".parquet", 0), ("_manifest.json", 0)])
def test_a_killed_and_retried_chunk_loses_and_doubles_nothing(tmp_path, make_house, where, asked_again):
    undisturbed = make_house(40)
    expected = undisturbed.run().as_dict()

    house = make_house(40, lake=FileLake(tmp_path / "lake"))
    house.draw()
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), where],
        env={"PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT / 'tests'}"},
    )
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(NotFound, match="has not been embedded"):
        house.compare()

    house.cache = SqliteEmbeddings(Database(tmp_path / "cache.db", SCHEMA))
    assert house.embed(0)["texts"] == 40
    assert len(house.embedder.asked) == asked_again
    house.compare()
    assert read_report(house.lake, INDEX, DAY).as_dict() == expected
    with (
        tmp_path / "lake" / "drift_days" / f"index={INDEX}" / f"day={DAY}" / "_manifest.json"
    ).open() as file:
        assert len(json.load(file)["parts"]) == 1
