"""Values by session: all of them up to the cap, above it a drawn part that stands for all."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest

from kenshin.experiments.collect import SCHEMA as OBSERVATIONS_SCHEMA
from kenshin.experiments.collect import to_table
from kenshin.experiments.values import CAP, ORDER, SCHEMA, values_of_files, values_of_sessions
from kenshin.parquet import encode


@pytest.fixture
def connection():
    with duckdb.connect(config={"threads": 1}) as opened:
        yield opened


def file_of(folder, name, observations):
    path = folder / f"{name}.parquet"
    path.write_bytes(encode(to_table(observations), schema=OBSERVATIONS_SCHEMA, sort_by=["observation_id"]))
    return path


def day_of(connection, folder, name, observations):
    """A day's values, published and read back."""
    table = values_of_files(connection, [file_of(folder, f"seen-{name}", observations)])
    path = folder / f"values-{name}.parquet"
    path.write_bytes(encode(table, schema=SCHEMA, sort_by=ORDER))
    return path


def test_days_of_a_session_come_together(connection, seen, tmp_path):
    first = [seen("1", "s", latency_ms=3.0), seen("2", "t", latency_ms=4.0), seen("3", "s")]
    second = [seen("4", "s", latency_ms=1.0), seen("5", "s", "B", latency_ms=9.0)]
    paths = [day_of(connection, tmp_path, name, day) for name, day in (("1", first), ("2", second))]
    found = values_of_sessions(connection, paths)
    assert sorted(found) == ["A", "B"]
    assert sorted(zip(found["A"].sizes.tolist(), strict=False)) == [(1,), (2,)]
    assert sorted(found["A"].values.tolist()) == [1.0, 3.0, 4.0]
    assert found["B"].values.tolist() == [9.0]
    assert found["A"].weights is None


def test_a_very_long_session_is_drawn_from_and_counts_whole(connection, seen, tmp_path):
    count = 5 * CAP
    made = [seen(f"o-{n:04}", "long", latency_ms=float(n)) for n in range(count)]
    made.append(seen("x", "short", latency_ms=7.0))
    rows = {
        row["session_id"]: row
        for row in values_of_files(connection, [file_of(tmp_path, "a", made)]).to_pylist()
    }
    assert (rows["long"]["n"], len(set(rows["long"]["values"]))) == (count, CAP)
    assert np.mean(rows["long"]["values"]) == pytest.approx(count / 2, rel=0.2)
    assert rows["short"] == {
        "session_id": "short",
        "arm": "A",
        "metric": "latency_ms",
        "n": 1,
        "values": [7.0],
    }
    again = values_of_files(connection, [file_of(tmp_path, "b", made[::-1])])
    assert {row["session_id"]: row for row in again.to_pylist()} == rows
    found = values_of_sessions(connection, [day_of(connection, tmp_path, "1", made)])["A"]
    assert found.weights.sum() == pytest.approx(count + 1)


def test_other_metrics_lie_beside_and_are_told_apart(connection, seen, tmp_path):
    made = [
        seen("1", "s", latency_ms=3.0, metrics={"cost": 1.0, "latency_ms": 8.0}),
        seen("2", "s", metrics={"cost": 2.0}),
        *(seen(f"o-{n}", "long", "B", metrics={"cost": float(n)}) for n in range(2 * CAP)),
    ]
    metrics = ("cost", "latency_ms", "metrics.latency_ms")
    table = values_of_files(connection, [file_of(tmp_path, "a", made)], metrics)
    path = tmp_path / "values.parquet"
    path.write_bytes(encode(table, schema=SCHEMA, sort_by=ORDER))
    cost = values_of_sessions(connection, [path], "cost")
    assert sorted(cost["A"].values.tolist()) == [1.0, 2.0]
    assert (len(cost["B"].values), cost["B"].weights.sum()) == (CAP, 2 * CAP)
    assert values_of_sessions(connection, [path])["A"].values.tolist() == [3.0]
    assert values_of_sessions(connection, [path], "metrics.latency_ms")["A"].values.tolist() == [8.0]
    assert values_of_sessions(connection, [path], "tokens") == {}
