"""The DAG embedding_drift, run whole in this process on the embedded default and the packaged model."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from kenshin.days import start_of
from kenshin.drift.checkup import CHUNK
from kenshin.drift.history import read_history
from kenshin.drift.index import StoredDocument
from kenshin.drift.report import read_report
from kenshin.runtime import Runtime, utc_now
from kenshin.settings import Settings

DOCUMENTS = CHUNK + 16


@pytest.fixture(scope="module")
def documents():
    """Short sound documents of the real model, four of them with another's vector since yesterday noon."""
    runtime = Runtime(Settings.from_env())
    texts = [
        f"Operation {number} lists {number * 7} things of kind {number % 5}." for number in range(DOCUMENTS)
    ]
    answers = [*runtime.embedder.embed(texts[:CHUNK], kind="passage", deadline=60)]
    answers += runtime.embedder.embed(texts[CHUNK:], kind="passage", deadline=60)
    week_ago = utc_now() - timedelta(days=7)
    sound = [
        StoredDocument(f"doc.{number}", text, answer.vector, embedded_at=week_ago, language="en")
        for number, (text, answer) in enumerate(zip(texts, answers, strict=True))
    ]
    noise = np.random.default_rng(1).normal(size=(4, 384)).astype(np.float32)
    return sound[:-4], [
        StoredDocument(
            each.doc_id, each.text, vector, embedded_at=utc_now() - timedelta(days=1), language="en"
        )
        for each, vector in zip(sound[-4:], noise, strict=True)
    ]


@pytest.fixture
def home(tmp_path, monkeypatch, documents):
    """A Kenshin of its own with an index in which four documents have drifted since yesterday."""
    monkeypatch.setenv("KENSHIN_HOME", str(tmp_path))
    runtime = Runtime(Settings.from_env())
    runtime.index().add([*documents[0], *documents[1]])
    yield runtime
    runtime.close()


def run(load_dag, *, logical_date=None, **conf):
    dag = load_dag("embedding_drift")
    for task in dag.tasks:
        task.retries = 0
    return dag.test(logical_date=logical_date or datetime.now(UTC), run_conf=conf or None)


def states(finished) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each in finished.get_task_instances():
        found.setdefault(each.task_id, set()).add(str(each.state))
    return found


def signals(home) -> list[dict]:
    files = (home.settings.home / "signals").rglob("*.jsonl")
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def drift_files(home) -> dict[str, bytes]:
    lake = home.settings.home / "lake"
    return {
        path.relative_to(lake).as_posix(): path.read_bytes()
        for path in lake.rglob("*.*")
        if path.name != ".lock"
    }


def today(home) -> date:
    return home.clock().astimezone(home.settings.zone).date()


def test_today_is_observed_measured_sent_out_and_asks_for_re_embedding(home, load_dag):
    finished = run(load_dag)

    assert finished.state == "success"
    assert states(finished)["drifted"] == {"success"}
    assert len([each for each in finished.get_task_instances() if each.task_id == "embed"]) == 2
    report = read_report(home.lake, home.index_name, today(home))
    assert report.mode == "observed"
    assert report.drawn == report.sample_size == DOCUMENTS
    assert set(report.drifted_ids) == {f"doc.{number}" for number in range(DOCUMENTS - 4, DOCUMENTS)}
    [line] = signals(home)
    assert line["log_type"] == "drift_report"
    assert line["DriftedDocumentCount"] == 4
    assert line["EmbeddingDriftP95"] == report.as_dict()["p95_drift"]


def test_a_rerun_reuses_the_snapshot_and_leaves_every_figure_byte_for_byte(home, load_dag):
    assert run(load_dag).state == "success"
    before = drift_files(home)
    assert not [key for key in before if key.startswith(("drift_draws", "drift_embeddings"))]
    home.index().add([StoredDocument("doc.0", "Something else by now.", [1.0] * 384)])
    again = run(load_dag, day=today(home).isoformat(), sample_size=5)

    assert again.state == "success"
    assert states(again)["embed"] == {"skipped"}
    assert states(again)["compare"] == {"success"}
    assert drift_files(home) == before


def test_a_past_day_is_reconstructed_and_is_no_news(home, load_dag):
    day = today(home) - timedelta(days=3)
    finished = run(load_dag, logical_date=start_of(day, home.settings.zone) + timedelta(hours=3))

    assert finished.state == "success"
    assert states(finished)["drifted"] == {"skipped"}
    report = read_report(home.lake, home.index_name, day)
    assert report.mode == "reconstructed"
    assert report.drawn == DOCUMENTS - 4
    assert report.drifted_ids == ()
    assert signals(home) == []
    assert [each.day for each in read_history(home.lake, home.index_name, day, today(home)).days] == [day]


def test_an_empty_index_is_an_answer_not_a_failure(tmp_path, monkeypatch, load_dag):
    monkeypatch.setenv("KENSHIN_HOME", str(tmp_path))
    home = Runtime(Settings.from_env())
    home.index().add([])
    finished = run(load_dag)

    assert finished.state == "success"
    assert states(finished)["drifted"] == {"skipped"}
    assert read_report(home.lake, home.index_name, today(home)).note == "No documents to check"


@pytest.mark.parametrize(
    "conf", [{"sample": 5}, {"index": "unknown"}, {"day": "2999-01-01"}, {"index": "../up"}]
)
def test_bad_conf_fails_the_run_before_anything_is_written(home, load_dag, conf):
    finished = run(load_dag, **conf)

    assert finished.state == "failed"
    assert states(finished)["draw"] == {"failed"}
    assert states(finished)["compare"] == {"upstream_failed"}
    assert drift_files(home) == {}
