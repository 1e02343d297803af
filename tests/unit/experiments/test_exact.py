"""Exact sums: the statistics that memory gives, and the same bits however the rows are ordered and filed."""

from __future__ import annotations

import random
from dataclasses import asdict
from fractions import Fraction

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kenshin.experiments.collect import SCHEMA, to_table
from kenshin.experiments.exact import MASK_CELLS, SessionSums, sums_of_files
from kenshin.experiments.sufficient import Cell, of_observations
from kenshin.parquet import encode


def write(folder, name, observations):
    path = folder / f"{name}.parquet"
    path.write_bytes(encode(to_table(observations), schema=SCHEMA, sort_by=["recorded_at"]))
    return path


def sums(*paths) -> SessionSums:
    with duckdb.connect(config={"threads": 1}) as connection:
        return sums_of_files(connection, paths)


def flat(statistics) -> list[float]:
    figures = asdict(statistics)
    return [*figures.pop("covariate").values(), *figures.values()]


def draw(seen, chance, count, *, phases=(1, 1, 2), intents=(None, "faq", "*")):
    return [
        seen(
            f"o-{number}",
            f"s-{chance.randrange(count // 4 + 1)}",
            chance.choice("AAAB"),
            phase=chance.choice(phases),
            intent=chance.choice(intents),
            quality_score=chance.choice([None, chance.random()]),
            latency_ms=chance.lognormvariate(6, 1),
            metrics={
                name: chance.gauss(0, 10.0 ** chance.randrange(-3, 6))
                for name in chance.choice(["", "c", "cd"])
            },
            covariates={
                name: chance.gauss(0, 1)
                for name in chance.choice([[], ["c", "quality_score"], ["d", "idle"]])
            },
        )
        for number in range(count)
    ]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), count=st.integers(1, 80), files=st.integers(1, 5))
def test_neither_order_nor_files_change_a_bit(seed, count, files, seen, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    chance = random.Random(seed)
    made = draw(seen, chance, count)
    whole = sums(write(folder, "whole", made))
    chance.shuffle(made)
    parts = [made[place::files] for place in range(files)]
    assert sums(*(write(folder, f"part{place}", part) for place, part in enumerate(parts) if part)) == whole


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_sums_are_those_of_memory(seed, seen, tmp_path_factory):
    made = draw(seen, random.Random(seed), 60)
    found, expected = sums(write(tmp_path_factory.mktemp("files"), "whole", made)), of_observations(made)
    assert found.crossing == expected.crossing
    assert found.cells.keys() == expected.cells.keys()
    for cell, exact in found.cells.items():
        ours, theirs = exact.rounded(), expected.cells[cell]
        assert flat(ours) == pytest.approx(flat(theirs), rel=1e-12, abs=1e-12 * max(1.0, theirs.sum_sq))
        assert (ours.n, ours.count, ours.count_sq) == (theirs.n, theirs.count, theirs.count_sq)
        assert (ours.covariate.n, ours.covariate.count) == (theirs.covariate.n, theirs.covariate.count)


def test_more_cells_than_bits_are_told_apart_by_number(seen, tmp_path):
    intents = [f"i{number:02}" for number in range(MASK_CELLS)]
    made = draw(seen, random.Random(1), 400, intents=intents) + [
        seen(f"z-{intent}", f"t-{intent}", "B", intent=intent, latency_ms=1.0) for intent in intents
    ]
    found, expected = sums(write(tmp_path, "whole", made)), of_observations(made)
    assert found.crossing == expected.crossing
    assert {cell: each.rounded().count for cell, each in found.cells.items()} == {
        cell: each.count for cell, each in expected.cells.items()
    }


def test_a_large_figure_takes_no_digit_from_another_metric(seen, tmp_path):
    made = [
        seen("1", "s", metrics={"tokens": 1e15, "cost": 1e-7}),
        seen("2", "t", metrics={"cost": 3e-7}),
        seen("3", "u", metrics={"tokens": -1e15}),
    ]
    cells = {cell: each.rounded() for cell, each in sums(write(tmp_path, "whole", made)).cells.items()}
    assert cells[Cell("A", 0, "*", "cost")].sum == pytest.approx(4e-7, rel=1e-15)
    assert cells[Cell("A", 0, "*", "tokens")].sum == 0.0
    assert cells[Cell("A", 0, "*", "tokens")].sum_sq == pytest.approx(2e30, rel=1e-15)


def test_a_sum_of_many_is_rounded_once(seen, tmp_path):
    values = [0.1 + 1e-9 * number for number in range(500)]
    made = [seen(f"o-{n}", f"s-{n % 7}", quality_score=value) for n, value in enumerate(values)]
    found = sums(write(tmp_path, "whole", made)).cells[Cell("A", 0, "*", "quality_score")].rounded()
    assert found.sum == float(sum(map(Fraction, values)))


def test_nothing_is_nothing(seen, tmp_path):
    assert sums() == SessionSums({}, {})
    only = sums(write(tmp_path, "bare", [seen("1", "s", quality_score=None)])).cells
    assert {cell.metric for cell in only} == {"observations"}
