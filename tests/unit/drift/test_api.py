"""The conveniences, on a runtime of embedded backends with the packaged model, and the seed's Lambda."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

import kenshin.drift
from kenshin.current import use
from kenshin.drift import api
from kenshin.drift.index import StoredDocument
from kenshin.errors import BackendUnavailable, InvalidInput, NotFound
from kenshin.runtime import Runtime
from kenshin.settings import Settings

NOW = datetime(2026, 11, 4, 18, 0, tzinfo=UTC)
TODAY = date(2026, 11, 5)
COUNT = 40


@pytest.fixture(scope="module")
def vectors():
    """Texts of a small corpus with their real vectors."""
    embedder = Runtime(Settings.from_env({})).embedder
    texts = [f"Deletes rule {number} of a firewall policy." for number in range(COUNT)]
    return {
        text: answer.vector
        for text, answer in zip(texts, embedder.embed(texts, kind="passage", deadline=60), strict=True)
    }


@pytest.fixture
def runtime(tmp_path, vectors):
    settings = Settings.from_env({"KENSHIN_HOME": str(tmp_path), "KENSHIN_SIGNALS": "memory:"})
    made = Runtime(settings, clock=lambda: NOW)
    documents = [
        StoredDocument(f"doc-{number}", text, vector, embedded_at=NOW - timedelta(days=9))
        for number, (text, vector) in enumerate(vectors.items())
    ]
    documents[3] = replace(documents[3], vector=-np.asarray(documents[3].vector), embedded_at=NOW)
    made.index().add(documents)
    with use(made):
        yield made
    made.close()


def records(runtime):
    runtime.recorder.flush()
    return runtime.recorder.sinks[0].records


def test_a_check_up_in_one_call(runtime):
    report = api.check_drift()
    assert (report.index, report.day, report.mode) == ("mangaassist-products", TODAY, "observed")
    assert (report.sample_size, report.drifted_ids) == (COUNT, ("doc-3",))
    assert report.max_drift == pytest.approx(2.0, abs=1e-5)
    assert api.report() == api.report(None, TODAY)
    assert api.report().as_dict() == report.as_dict()
    assert [row["drifted_count"] for row in api.history(None, TODAY, TODAY).rows()] == [1]
    assert api.worst_documents(limit=1).documents[0].doc_id == "doc-3"
    assert [each.drifted_count for each in records(runtime)] == [1]


def test_again_gives_the_same_whatever_is_asked_for(runtime):
    before = api.check_drift(sample_size=10)
    runtime.index().add([StoredDocument("doc-99", "new", None)])
    assert api.check_drift(sample_size=40) == before


def test_a_past_day_is_reconstructed_and_not_recorded(runtime):
    report = api.check_drift(day=TODAY - timedelta(days=2))
    assert (report.mode, report.sample_size, report.drifted_count) == ("reconstructed", COUNT - 1, 0)
    assert records(runtime) == []
    with pytest.raises(InvalidInput, match="future"):
        api.check_drift(day=TODAY + timedelta(days=1))


def test_an_unknown_index_is_not_found(runtime):
    with pytest.raises(InvalidInput, match="mangaassist-products"):
        api.check_drift(index="unknown")
    with pytest.raises(NotFound):
        api.report()


def test_a_text_has_the_vector_that_the_index_holds(runtime, vectors):
    text, vector = next(iter(vectors.items()))
    assert api.embed_text(text) == vector.tolist()
    with pytest.raises(BackendUnavailable, match="surrogates"):
        api.embed_text("\ud800")


def test_a_sample_has_the_seeds_keys_and_is_the_check_ups(runtime):
    sampled = api.sample_documents(10)
    assert [set(each) for each in sampled] == [{"doc_id", "text", "stored_embedding"}] * 10
    report = api.check_drift(sample_size=10)
    drawn = {each["doc_id"] for each in api.worst_documents(limit=99).rows()}
    assert {each["doc_id"] for each in sampled} == drawn
    assert report.drawn == 10


def test_a_sample_of_a_broken_document_has_the_seeds_empty_values(runtime):
    runtime.index("broken").add([StoredDocument("a", None, None)])
    assert api.sample_documents(index="broken") == [{"doc_id": "a", "text": "", "stored_embedding": []}]


def test_the_lambda_answers_as_the_seed_did(runtime):
    answer = api.lambda_handler({"source": "aws.events", "time": "2026-11-05T18:00:00Z"}, None)
    assert answer["statusCode"] == 200
    body = json.loads(answer["body"])
    assert list(body)[:6] == ["sample_size", "mean_drift", "p95_drift", "max_drift", "drifted_count", "alert"]
    assert body["sample_size"] == COUNT
    assert api.lambda_handler({"threshold": 2, "day": "2026-11-05"}, None)["statusCode"] == 200
    assert api.report().threshold == 2


def test_the_lambda_has_the_seeds_answers_for_nothing(runtime):
    runtime.index("empty").add([])
    runtime.index("broken").add([StoredDocument("a", "text", None)])
    assert api.lambda_handler({"index": "empty"}, None) == {
        "statusCode": 200,
        "body": "No documents to check",
    }
    assert api.lambda_handler({"index": "broken"}, None) == {
        "statusCode": 200,
        "body": "No valid comparisons",
    }


@pytest.mark.parametrize(
    "event", [{"sample_size": "many"}, {"threshold": True}, {"day": "yesterday"}, {"sample_size": 0}]
)
def test_the_lambda_refuses_what_it_cannot_use(runtime, event):
    with pytest.raises(InvalidInput):
        api.lambda_handler(event, None)


def test_an_index_whose_name_leads_elsewhere_is_refused(runtime):
    before = sorted(path.name for path in runtime.settings.home.rglob("*"))
    with pytest.raises(Exception, match="Name refused"):
        api.check_drift(index="../up")
    assert sorted(path.name for path in runtime.settings.home.rglob("*")) == before


def test_the_public_names_are_there_and_unknown_ones_are_not():
    for name in kenshin.drift.__all__:
        assert getattr(kenshin.drift, name).__name__ == name
    assert set(kenshin.drift.__all__) <= set(dir(kenshin.drift))
    with pytest.raises(AttributeError, match="no attribute 'drift'"):
        _ = kenshin.drift.drift
