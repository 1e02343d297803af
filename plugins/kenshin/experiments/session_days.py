"""Session days: a shard's observations of one day in the lake, beside what they add to each session.

A delta is made once, and again where its observations have changed or a later day needs coarser units.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kenshin.experiments.deltas import ENGINE, SCHEMA, delta_of_files, plain
from kenshin.experiments.footers import Footers
from kenshin.experiments.units import Extent, Units
from kenshin.lake import Lake
from kenshin.parquet import encode
from kenshin.publishing import MANIFEST, Manifest, as_json, local_parts, made_of, publish, read_manifest

if TYPE_CHECKING:
    import duckdb

UNITS = "units"
"""Among a delta's inputs, beside the manifest of its observations."""


@dataclass(frozen=True, slots=True)
class SessionDay:
    """A shard's observations of one day, and their delta.

    Args:
        observed: the observations' manifest.
        extent: how much they hold.
        delta: its manifest; None where it is missing or of other observations.
    """

    observed: Manifest
    extent: Extent
    delta: Manifest | None

    @property
    def units(self) -> Units:
        """In which the delta is summed."""
        return Units() if self.delta is None else Units.from_text(self.delta.inputs[UNITS])

    @property
    def inputs(self) -> Mapping[str, str]:
        """The observations' manifest and its etag."""
        return {f"{self.observed.partition}/{MANIFEST}": self.observed.etag}


def session_day(
    lake: Lake, connection: duckdb.DuckDBPyConnection, observed: Manifest, target: str
) -> SessionDay:
    """What is known of a day: from its delta in the partition `target` if that is up to date, else from its footers."""
    fresh = SessionDay(observed, Extent(), None)
    before = read_manifest(lake, target)
    if before is not None and made_of(before, _made_of(fresh, before.inputs.get(UNITS, "")), SCHEMA):
        if not before.parts:
            return SessionDay(observed, Extent(), before)
        with local_parts(lake, [before]) as paths:
            (figures,) = with_ending(paths, "json")
            return SessionDay(observed, Extent.from_dict(json.loads(figures.read_bytes())), before)
    if not observed.parts:
        return fresh
    with local_parts(lake, [observed]) as paths:
        return SessionDay(observed, Footers(paths).extent(connection), None)


def keep_delta(
    lake: Lake, connection: duckdb.DuckDBPyConnection, day: SessionDay, target: str, *, units: Units
) -> SessionDay:
    """The day with its delta in these units, or in coarser ones that a later day needed.

    Args:
        lake: where it is published.
        connection: to DuckDB, with one thread.
        day: whose delta.
        target: its partition.
        units: of all days that are added up.
    """
    wanted = day.units.joined(units)
    if day.delta is not None and day.units.text == wanted.text:
        return day
    parts: list[tuple[str, bytes]] = []
    if day.observed.parts:
        with local_parts(lake, [day.observed]) as paths:
            table = delta_of_files(connection, paths, day.extent, wanted)
        parts = [
            (
                "parquet",
                encode(table, schema=SCHEMA, sort_by=(), distinct=["session_id"], plain=plain(table)),
            ),
            ("json", as_json(day.extent.as_dict())),
        ]
    made = publish(lake, target, parts, schema=SCHEMA, inputs=_made_of(day, wanted.text))
    return SessionDay(day.observed, day.extent, made)


def _made_of(day: SessionDay, units: str) -> dict[str, str]:
    import duckdb

    return {**day.inputs, UNITS: units, ENGINE: f"duckdb {duckdb.__version__}"}


def with_ending(paths: Sequence[Path], ending: str) -> list[Path]:
    """The files of one kind: a delta's rows are ``parquet``, its observations' extent is ``json``."""
    return [path for path in paths if path.suffix == f".{ending}"]
