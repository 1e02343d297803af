"""From pairs of vectors to a status and a distance each, and to the report."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kenshin.drift.comparison import MOST_SHIFTS, OWN_PAIR_DISTANCE, compare_pairs, pair_distance
from kenshin.drift.snapshot import Pair

NAN = float("nan")
RNG = np.random.default_rng(7)


def pair(
    number, *, stored="same", fresh="random", language=None, text=True, error=None, truncated=False
) -> Pair:
    made = RNG.normal(size=6).astype(np.float32) if isinstance(fresh, str) else fresh
    return Pair(
        doc_id=f"doc-{number:03}",
        sample_key=(number * 7919) % 1000,
        stored=made if isinstance(stored, str) else stored,
        fresh=made,
        text_hash=None,
        current_text_hash="h" if text else None,
        fingerprint=None,
        embedded_at=None,
        language=language,
        truncated=truncated,
        embed_error=error,
    )


def compare(pairs, threshold=0.15):
    return compare_pairs(
        pairs,
        index="products",
        day=date(2026, 11, 5),
        mode="observed",
        threshold=threshold,
        fingerprint="f/m",
    )


def oracle(a, b):
    return 1 - np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b))


def test_figures_are_numpys():
    pairs = [pair(n, stored=RNG.normal(size=6)) for n in range(83)]
    documents, report = compare(pairs)
    distances = np.array([oracle(p.stored, np.asarray(p.fresh, np.float64)) for p in pairs])
    assert report.sample_size == report.drawn == 83
    assert report.mean_drift == pytest.approx(distances.mean())
    assert report.p50_drift == pytest.approx(np.percentile(distances, 50, method="higher"))
    assert report.p95_drift == pytest.approx(np.percentile(distances, 95, method="higher"))
    assert report.max_drift == pytest.approx(distances.max())
    assert report.drifted_count == (distances > 0.15).sum()
    assert [each.distance for each in documents] == pytest.approx(distances)
    worst = [pairs[position].doc_id for position in np.argsort(-distances)]
    assert list(report.drifted_ids) == worst[: report.drifted_count]


def test_every_kind_of_invalid_document_is_counted_and_listed_and_none_has_a_distance():
    bad = [
        pair(100, text=False),
        pair(101, stored=None),
        pair(102, stored=[1.0] * 5),
        pair(103, stored=[NAN] * 6),
        pair(104, stored=[0.0] * 6),
    ]
    documents, report = compare([*(pair(n) for n in range(20)), *bad])
    assert report.invalid == {"missing_text": 1, "missing_vector": 1, "dimension": 1, "nan": 1, "zero": 1}
    assert report.repair_ids == tuple(each.doc_id for each in bad)
    assert (report.drawn, report.sample_size, report.invalid_count) == (25, 20, 5)
    assert report.max_drift == pytest.approx(0, abs=1e-6)
    assert [each.distance for each in documents[-5:]] == [None] * 5
    assert report.alert
    assert not report.drift_alert


def test_a_document_that_the_model_refused_is_neither_invalid_nor_compared():
    documents, report = compare(
        [pair(0), pair(1), pair(2, stored=[1.0] * 6, fresh=None, error="Throttled: no")]
    )
    assert report.embed_errors == 1
    assert (report.sample_size, report.invalid_count, report.repair_ids) == (2, 0, ())
    assert documents[2].status == "embed_error"


@pytest.mark.parametrize(("invalid", "alert"), [(1, False), (2, True)])
def test_more_than_one_per_cent_of_invalid_documents_is_an_alert(invalid, alert):
    pairs = [pair(n, stored=None if n < invalid else "same") for n in range(100)]
    assert compare(pairs)[1].alert is alert


def test_p95_must_be_above_the_threshold_not_at_it():
    pairs = [pair(n, stored=[1.0, 0.0], fresh=[0.0, 1.0]) for n in range(10)]
    assert compare(pairs, threshold=1.0)[1].drifted_count == 0
    assert not compare(pairs, threshold=1.0)[1].alert
    assert compare(pairs, threshold=0.999)[1].alert
    assert compare(pairs, threshold=0.999)[1].drifted_count == 10


def test_nothing_to_compare_is_an_answer():
    _, empty = compare([])
    assert (empty.note, empty.alert, empty.mean_drift) == ("No documents to check", False, None)
    _, invalid = compare([pair(0, stored=None)])
    assert (invalid.note, invalid.alert, invalid.p95_drift) == ("No valid comparisons", True, None)
    _, silent = compare([pair(0, stored=[1.0], fresh=None)])
    assert (silent.note, silent.alert) == ("No valid comparisons", False)


@settings(max_examples=30)
@given(st.integers(0, 60), st.randoms(use_true_random=False))
def test_the_order_of_pairs_does_not_matter(count, random):
    pairs = [pair(n, stored=RNG.normal(size=6) if n % 3 else "same") for n in range(count)]
    assert compare(random.sample(pairs, count)) == compare(pairs)


def test_the_pair_distance_is_the_median_over_neighbours_in_the_order_of_keys():
    pairs = [pair(n) for n in range(9)]
    ordered = sorted(pairs, key=lambda each: each.sample_key)
    expected = np.median(
        [
            oracle(np.float64(ordered[i].fresh), np.float64(ordered[(i + shift) % 9].fresh))
            for shift in range(1, 5)
            for i in range(9)
        ]
    )
    assert pair_distance(pairs) == pytest.approx(expected)
    assert pair_distance(pairs) == pair_distance(pairs[::-1])


def test_the_pair_distance_of_random_directions_is_one():
    many = [pair(n, fresh=RNG.normal(size=256)) for n in range(400)]
    assert pair_distance(many) == pytest.approx(1.0, abs=0.01)
    assert MOST_SHIFTS < 400


@pytest.mark.parametrize("pairs", [[], [pair(0)], [pair(0, fresh=[1.0, 2.0]), pair(1, fresh=[1.0, 2.0])]])
def test_there_may_be_no_pair_distance_and_then_nothing_is_relative(pairs):
    assert not pair_distance(pairs)
    documents, report = compare(pairs)
    assert report.relative_p95 is None
    assert all(each.relative_distance is None for each in documents)


def test_languages_are_measured_apart_each_by_its_own_scale():
    near = np.zeros(6)
    near[0] = 20.0
    english = [pair(n, fresh=RNG.normal(size=6), language="en") for n in range(OWN_PAIR_DISTANCE)]
    japanese = [
        pair(100 + n, fresh=near + RNG.normal(size=6), language="ja") for n in range(OWN_PAIR_DISTANCE)
    ]
    few = [pair(200, stored=RNG.normal(size=6))]
    documents, report = compare([*english, *japanese, *few])
    en, ja, unknown = report.strata
    assert [each.name for each in report.strata] == ["en", "ja", "unknown"]
    assert ja.pair_distance < 0.3 < en.pair_distance
    assert unknown.pair_distance == pytest.approx(report.pair_distance, rel=1e-11)
    assert (unknown.sample_size, unknown.drifted_count) == (1, 1)
    assert documents[-1].relative_distance == pytest.approx(documents[-1].distance / report.pair_distance)


def test_truncated_texts_are_counted():
    assert compare([pair(0, truncated=True), pair(1)])[1].truncated == 1


def test_norms_are_kept():
    documents, _ = compare(
        [pair(0, stored=[3.0, 4.0], fresh=[1.0, 0.0]), pair(1, stored=None, fresh=[1.0, 0.0])]
    )
    assert (documents[0].stored_norm, documents[0].fresh_norm) == (5.0, 1.0)
    assert documents[1].stored_norm is None
    assert math.isclose(documents[0].distance, 0.4)
