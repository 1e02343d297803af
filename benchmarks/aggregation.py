"""Aggregation: observations in a Parquet file to sufficient statistics, beside the tools one would use otherwise.

    python benchmarks/aggregation.py --rows 1000000 --repeats 5

Makes a file of `observations/1` from a seed (a fifth as many sessions as rows, two arms, three metrics), then runs each
contestant in a process of its own, in turns, and prints the medians as a Markdown table: CPU and wall time of the work
without imports, and the most memory the process had. ``--nights`` measures a night instead: thirteen days are
published and the fourteenth is added, beside statistics of all fourteen from their observations.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

PLUGINS = Path(__file__).resolve().parents[1] / "plugins"
SEED = 20261101
ROW_GROUP = 250_000
ZONE = ZoneInfo("Asia/Tokyo")
FIRST_DAY = date(2026, 11, 1)
DAYS = 14

SESSIONS = """
SELECT session_id, arm, count(*) AS n, sum(quality_score) AS s0, sum(latency_ms) AS s1, sum(metrics['cost']) AS s2
FROM read_parquet($path) GROUP BY session_id, arm
"""

BARE = f"""
SELECT arm, count(*), sum(n), sum(s0), sum(s0 * s0), sum(s0 * n), sum(s1), sum(s1 * s1), sum(s1 * n),
       sum(s2), sum(s2 * s2), sum(s2 * n)
FROM ({SESSIONS}) GROUP BY arm
"""  # noqa: S608, made of a constant


def tables(rows: int, sessions: np.ndarray, *, day: date, seed: int) -> Iterator[pa.Table]:
    """Observations of a day in the columns of `observations/1`, by row group."""
    from kenshin.experiments.collect import to_table

    schema = to_table([]).schema
    chance = np.random.default_rng(seed)
    start = datetime(day.year, day.month, day.day, 12, tzinfo=ZONE).astimezone(UTC)
    for first in range(0, rows, ROW_GROUP):
        count = min(ROW_GROUP, rows - first)
        drawn = sessions[chance.integers(0, len(sessions), count)]
        names = np.char.add("session-", np.char.zfill((drawn * 2654435761 % 2**40).astype(str), 13))
        at = pa.array([start] * count, pa.timestamp("us", tz="UTC"))
        columns = {
            "observation_id": [f"{day:%j}{place:029x}" for place in range(first, first + count)],
            "experiment_id": ["exp"] * count,
            "session_id": names,
            "arm": np.where(drawn % 2 == 0, "A", "B"),
            "phase": np.ones(count, np.int32),
            "prompt_version": np.where(drawn % 2 == 0, "v1", "v2"),
            "intent": pa.nulls(count, pa.string()),
            "observed_at": at,
            "recorded_at": at,
            "trace_id": pa.nulls(count, pa.string()),
            "quality_score": chance.random(count),
            "latency_ms": chance.lognormal(6.5, 0.5, count),
            "metrics": pa.MapArray.from_arrays(
                np.arange(count + 1, dtype=np.int32), ["cost"] * count, chance.lognormal(-6, 0.5, count)
            ),
            "covariates": pa.MapArray.from_arrays(
                np.zeros(count + 1, np.int32), pa.array([], pa.string()), pa.array([], pa.float64())
            ),
        }
        yield pa.table({name: pa.array(value) for name, value in columns.items()}).cast(schema)


def write(path: Path, rows: int) -> None:
    """The file that every contestant reads."""
    sessions = np.arange(max(1, rows // 5))
    with pq.ParquetWriter(
        path, next(tables(1, sessions, day=FIRST_DAY, seed=SEED)).schema, compression="zstd"
    ) as file:
        for table in tables(rows, sessions, day=FIRST_DAY, seed=SEED):
            file.write_table(table)


def kenshin_means(path: Path) -> object:
    """What a night does with a shard's observations."""
    from kenshin.experiments.exact import sums_of_files

    with duckdb.connect(config={"threads": 1, "memory_limit": "1GB"}) as connection:
        return len(sums_of_files(connection, [path]).cells)


def kenshin_p95(path: Path) -> object:
    """The means, and the 95th percentile of latency by session."""
    from kenshin.experiments.exact import sums_of_files
    from kenshin.experiments.stats.quantile import quantile
    from kenshin.experiments.values import clustered, values_of_files

    with duckdb.connect(config={"threads": 1, "memory_limit": "1GB"}) as connection:
        sums_of_files(connection, [path])
        samples = clustered(values_of_files(connection, [path]))
    return {arm: quantile(sample, 0.95).value for arm, sample in samples.items()}


def bare(path: Path, **config: str | int) -> object:
    """The plainest query that gives such sums, though not the same ones in the last digits."""
    with duckdb.connect(config=config) as connection:
        return len(connection.execute(BARE, {"path": str(path)}).fetchall())


def tea_tasting(path: Path) -> object:
    """Three ratio metrics by session, with DuckDB doing the sums."""
    import tea_tasting as tt

    experiment = tt.Experiment(
        s0=tt.RatioOfMeans("s0", "n"),
        s1=tt.RatioOfMeans("s1", "n"),
        s2=tt.RatioOfMeans("s2", "n"),
        variant="arm",
    )
    with duckdb.connect() as connection:
        sessions = connection.sql(SESSIONS, params={"path": str(path)})
        return len(experiment.analyze(sessions, control="A").to_dicts())


CONTESTANTS: dict[str, Callable[[Path], object]] = {
    "DuckDB, bare group-by": lambda path: bare(path),
    "DuckDB, bare group-by, one thread": lambda path: bare(path, threads=1),
    "tea-tasting over DuckDB": tea_tasting,
    "Kenshin, means": kenshin_means,
    "Kenshin, means and p95 latency": kenshin_p95,
}


def measured(work: Callable[[], object]) -> dict[str, float]:
    """CPU and wall seconds of a piece of work, and the peak memory of this process in MB."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {
        "cpu": time.process_time() - cpu,
        "wall": time.perf_counter() - wall,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def contest(path: Path, name: str) -> dict[str, float]:
    """One contestant, with its imports done before the clock starts."""
    import scipy.special  # noqa: F401
    import tea_tasting  # noqa: F401

    from kenshin.experiments import aggregate  # noqa: F401

    return measured(lambda: CONTESTANTS[name](path))


def nights(rows: int, recurring: bool) -> dict[str, float]:
    """One shard, CPU seconds: statistics of fourteen days from their observations, and those of the last night.

    The night makes its day's delta, adds it to the totals of the night before and publishes both. The values for p95
    are the same work in both, and are there already.
    """
    import shutil

    from kenshin.experiments.aggregate import reduce
    from kenshin.experiments.collect import SCHEMA, partition_of
    from kenshin.experiments.exact import sums_of_files
    from kenshin.experiments.experiment import Experiment
    from kenshin.parquet import encode
    from kenshin.publishing import publish
    from kenshin.runtime import Runtime
    from kenshin.settings import Settings

    created = datetime.combine(FIRST_DAY, datetime.min.time(), tzinfo=ZONE).timestamp()
    experiment = Experiment("exp", "v1", "v2", created_at=created, unit="session", left_out="nothing")
    last = FIRST_DAY + timedelta(days=DAYS - 1)
    each = rows // 5 // (1 if recurring else DAYS)
    with TemporaryDirectory() as home:
        lake = Runtime(Settings.from_env({"KENSHIN_HOME": home})).lake
        for number in range(DAYS):
            day = FIRST_DAY + timedelta(days=number)
            sessions = np.arange(each) + (0 if recurring else number * each)
            table = pa.concat_tables(tables(rows // DAYS, sessions, day=day, seed=SEED + number))
            body = encode(table, schema=SCHEMA, sort_by=["observation_id"])
            publish(lake, partition_of("exp", day, 0), [("parquet", body)], schema=SCHEMA)

        def through(day: date) -> None:
            reduce(lake, experiment, shard=0, through_day=day, zone=ZONE)

        def whole() -> None:
            paths = sorted(Path(home).glob("lake/observations/**/*.parquet"))
            with duckdb.connect(config={"threads": 1, "memory_limit": "1GB"}) as connection:
                sums_of_files(connection, paths)

        through(last)
        shutil.rmtree(Path(home, "lake", "statistics"))
        shutil.rmtree(Path(home, "lake", partition_of("exp", last, 0, dataset="sessions")))
        through(last - timedelta(days=1))
        return {"night": measured(lambda: through(last))["cpu"], "full": measured(whole)["cpu"]}


def in_a_process(*arguments: str) -> dict[str, float]:
    """Run this file again with arguments, and read what it prints."""
    done = subprocess.run(
        [sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE, text=True, timeout=1800
    )
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def show_contest(rows: int, repeats: int) -> None:
    """Print the table of the contestants."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "observations.parquet"
        in_a_process("--write", str(path), "--rows", str(rows))
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in CONTESTANTS}
        for _ in range(repeats):
            for name, took in runs.items():
                took.append(in_a_process("--contest", name, "--file", str(path)))
                print(name, took[-1], file=sys.stderr, flush=True)
    middle = {
        name: {key: median(run[key] for run in took) for key in ("cpu", "wall", "peak")}
        for name, took in runs.items()
    }
    base = middle["DuckDB, bare group-by"]["cpu"]
    print(f"{rows:,} observations of {rows // 5:,} sessions; medians of {repeats}.\n")
    print("| | CPU s | wall s | peak MB | CPU, × bare |\n|---|---|---|---|---|")
    for name, row in middle.items():
        print(
            f"| {name} | {row['cpu']:.2f} | {row['wall']:.2f} | {row['peak']:.0f} | {row['cpu'] / base:.2f} |"
        )


def show_nights(rows: int, repeats: int) -> None:
    """Print the table of the nights."""
    print(f"{rows:,} observations in {DAYS} days, one shard; medians of {repeats}.\n")
    print("| sessions | statistics of all days, CPU s | one night, CPU s | share |\n|---|---|---|---|")
    for words, kind in (("recur over all days", "recur"), ("close each day", "close")):
        runs = [in_a_process("--night", kind, "--rows", str(rows)) for _ in range(repeats)]
        full, night = (median(run[key] for run in runs) for key in ("full", "night"))
        print(f"| {words} | {full:.2f} | {night:.2f} | {night / full:.2f} |")


def main() -> None:
    """Choose by the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--nights", action="store_true")
    for inner in ("--write", "--contest", "--file", "--night"):
        parser.add_argument(inner, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    sys.path.insert(0, str(PLUGINS))
    if chosen.write:
        write(Path(chosen.write), chosen.rows)
        print("{}")
    elif chosen.contest:
        print(json.dumps(contest(Path(chosen.file), chosen.contest)))
    elif chosen.night:
        print(json.dumps(nights(chosen.rows, chosen.night == "recur")))
    elif chosen.nights:
        show_nights(chosen.rows, chosen.repeats)
    else:
        show_contest(chosen.rows, chosen.repeats)


if __name__ == "__main__":
    main()
