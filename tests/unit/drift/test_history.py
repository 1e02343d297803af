"""The read side: rows of days, the documents of a day, as rows and as frames."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from contract.drift_doubles import FakeEmbedder

from kenshin.drift.history import DriftDay, newest_day, read_history, worst_documents
from kenshin.drift.report import read_report
from kenshin.errors import InvalidInput, NotFound

DAY = date(2026, 11, 5)
INDEX = "products"

DAY_COLUMNS = {
    "index", "day", "mode", "sample_size", "mean_drift", "p50_drift", "p95_drift", "max_drift", "drifted_count",
    "drifted_share_low", "drifted_share_high", "alert", "threshold", "drawn", "invalid_count", "invalid_share_pct",
    "invalid_missing_text", "invalid_missing_vector", "invalid_dimension", "invalid_nan", "invalid_zero",
    "embed_errors", "truncated", "pair_distance", "relative_p50", "relative_p95", "relative_max", "canary_max",
    "fingerprint", "alarm_state", "report_key",
}  # fmt: skip
DOCUMENT_TYPES = {
    "doc_id": "string", "mode": "string", "status": "string", "cause": "string", "distance": "float",
    "relative_distance": "float", "stored_norm": "float", "fresh_norm": "float", "stratum": "string",
    "language": "string", "text_hash": "string", "fingerprint": "string", "embedded_at": "timestamp[us, tz=UTC]",
    "sample_weight": "double",
}  # fmt: skip
SNAPSHOT_TYPES = {
    "doc_id": "string", "text_hash": "string", "current_text_hash": "string", "fingerprint": "string",
    "fresh_fingerprint": "string", "embedded_at": "timestamp[us, tz=UTC]", "sample_key": "int64",
    "language": "string", "stored_vector": "list<element: float>", "fresh_vector": "list<element: float>",
    "truncated": "bool", "embed_error": "string",
}  # fmt: skip


@pytest.fixture
def house(make_house, make_document):
    """Three measured days; two documents drifted, the nearer one listed first in the index; three are broken."""
    near = FakeEmbedder().vector("text 3") + np.float32(0.4)
    bad = [
        make_document(1, vector=near * 0 + FakeEmbedder(model="b").vector("text 1")),
        make_document(2, text=None),
        make_document(3, vector=near),
        make_document(4, vector=np.zeros(8)),
    ]
    made = make_house(60, bad=bad, embedder=FakeEmbedder(fail=["text 9"]))
    for offset in (0, 1, 3):
        made.run(day=DAY + timedelta(days=offset))
    return made


def test_there_is_one_row_a_measured_day_oldest_first(house):
    history = read_history(house.lake, INDEX, DAY - timedelta(days=9), DAY + timedelta(days=9))
    assert [row["day"] for row in history.rows()] == ["2026-11-05", "2026-11-06", "2026-11-08"]
    assert read_history(house.lake, INDEX, DAY, DAY).rows() == history.rows()[:1]
    assert read_history(house.lake, INDEX, DAY + timedelta(days=2), DAY + timedelta(days=2)).days == ()
    assert newest_day(house.lake, INDEX) == DAY + timedelta(days=3)


def test_a_row_is_the_reports(house):
    (row,) = read_history(house.lake, INDEX, DAY, DAY).rows()
    body = read_report(house.lake, INDEX, DAY).as_dict()
    assert set(row) == DAY_COLUMNS
    assert {name: row[name] for name in row.keys() & body.keys()} == {
        name: body[name] for name in row.keys() & body.keys()
    }
    assert (row["invalid_missing_text"], row["invalid_zero"], row["invalid_nan"]) == (1, 1, 0)
    assert (row["canary_max"], row["alarm_state"]) == (None, None)


def test_indexes_whose_names_begin_alike_are_kept_apart(house):
    house.name = "products-2"
    house.run(day=DAY)
    assert len(read_history(house.lake, "products-2", DAY, DAY + timedelta(days=9)).days) == 1
    assert len(read_history(house.lake, INDEX, DAY, DAY + timedelta(days=9)).days) == 3


def test_the_formats_in_the_lake_are_what_others_rely_on(house):
    expected = {"drift_documents": DOCUMENT_TYPES, "drift_snapshots": SNAPSHOT_TYPES}
    for dataset in ("drift_documents", "drift_snapshots", "drift_days"):
        (key,) = [
            key
            for key in house.lake.objects
            if key.startswith(f"{dataset}/index={INDEX}/day={DAY}/") and "_m" not in key
        ]
        with house.lake.local(key) as path:
            schema = pq.read_schema(path)
        assert schema.metadata[b"kenshin.schema"] == f"{dataset}/1".encode()
        if dataset == "drift_days":
            assert set(schema.names) == DAY_COLUMNS
            assert str(schema.field("day").type) == "date32[day]"
        else:
            assert {field.name: str(field.type) for field in schema} == expected[dataset]


def test_the_worst_documents_are_the_broken_ones_then_the_farthest(house):
    found = worst_documents(house.lake, INDEX, DAY, 5).documents
    assert [each.status for each in found] == ["missing_text", "zero", "ok", "ok", "ok"]
    assert [each.doc_id for each in found[:4]] == ["doc-0002", "doc-0004", "doc-0001", "doc-0003"]
    assert found[2].distance > found[3].distance > 0.1 > found[4].distance
    assert worst_documents(house.lake, INDEX, DAY, 1000).documents[-1].status == "embed_error"
    assert worst_documents(house.lake, INDEX, None, 1).day == DAY + timedelta(days=3)


def test_a_day_that_was_not_measured_or_no_document_at_all_is_refused(house):
    with pytest.raises(NotFound):
        worst_documents(house.lake, INDEX, DAY + timedelta(days=2), 5)
    with pytest.raises(NotFound):
        worst_documents(house.lake, "unknown", None, 5)
    with pytest.raises(InvalidInput):
        worst_documents(house.lake, INDEX, DAY, 0)


def test_frames_have_a_row_each_and_typed_columns_even_when_empty(house):
    days = read_history(house.lake, INDEX, DAY, DAY + timedelta(days=9)).to_pandas()
    assert len(days) == 3
    assert days["day"].tolist() == [
        pd.Timestamp("2026-11-05"),
        pd.Timestamp("2026-11-06"),
        pd.Timestamp("2026-11-08"),
    ]
    documents = worst_documents(house.lake, INDEX, DAY, 1000).to_pandas()
    assert len(documents) == 60
    assert str(documents["embedded_at"].dtype) == "datetime64[us, UTC]"
    empty = read_history(house.lake, "unknown", DAY, DAY).to_pandas()
    assert (len(empty), list(empty.columns)) == (0, list(DriftDay.__dataclass_fields__))


def test_rows_are_json_ready(house):
    rows = worst_documents(house.lake, INDEX, DAY, 5).rows()
    assert rows[0]["day"] == "2026-11-05"
    assert rows[0]["embedded_at"] == "2026-11-01T00:02:00+00:00"
