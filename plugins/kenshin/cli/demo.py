"""``kenshin demo``: sample data, so that both check-ups have something real to work on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Protocol, runtime_checkable

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kenshin.cli.output import AsJson, errors, show_facts
from kenshin.current import current
from kenshin.days import day_of, parse_day
from kenshin.drift.cached import CachedEmbedder
from kenshin.drift.index import StoredDocument
from kenshin.errors import InvalidInput, NotFound
from kenshin.experiments import registry
from kenshin.experiments.observation import ABObservation
from kenshin.runtime import Runtime
from kenshin.samples import operations, star

app = typer.Typer(help="Sample data: a randomised trial and an index of documentation.", no_args_is_help=True)

NIGHTS = 14


@runtime_checkable
class Loadable(Protocol):
    """An index that documents can be added to; the embedded one can."""

    def add(self, documents: list[StoredDocument]) -> int:
        """Add documents, or replace those of the same id; answers how many there are."""
        ...


@app.callback()
def _group() -> None:
    """Sample data: a randomised trial and an index of documentation."""


@app.command()
def load(
    include: Annotated[Path, typer.Option(help="Folder with the samples' definitions.")] = Path("include"),
    last_day: Annotated[
        str | None,
        typer.Option("--last-day", help="Last night of the trial, YYYY-MM-DD; yesterday unless given."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Load the STAR class-size trial and an index of operation descriptions; again does nothing twice."""
    runtime = current()
    day = (
        parse_day(last_day)
        if last_day
        else day_of(runtime.clock(), runtime.settings.zone) - timedelta(days=1)
    )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors) as progress:
        definition = _read(include / "experiments" / "star-class-size.json")
        experiment, observations, day = _load_star(runtime, definition, day, progress)
        documents = _load_operations(runtime, _read(include / "corpora" / "operations.json"), day, progress)
    facts = {
        "experiment": experiment,
        "observations": observations,
        "nights": f"{day - timedelta(days=NIGHTS - 1)} to {day}",
        "through_day": day.isoformat(),
        "index": runtime.index_name,
        "documents": documents,
    }
    show_facts(facts, as_json=as_json, title="Sample data")


def _load_star(
    runtime: Runtime, definition: dict[str, Any], day: date, progress: Progress
) -> tuple[str, int, date]:
    there = runtime.experiments.get(str(definition["experiment_id"]))
    if there is not None:
        # The nights stay where they were, or the same pupils would be counted on other days again.
        first = datetime.fromtimestamp(there.value.created_at, UTC)
        day = day_of(first, runtime.settings.zone) + timedelta(days=NIGHTS - 1)
    experiment, observations = star.load_star(definition, last_day=day, zone=runtime.settings.zone)
    if there is None:
        registry.create(
            runtime.experiments,
            runtime.ledger,
            experiment.as_dict(),
            start=True,
            at=runtime.clock(),
            by="demo",
        )
    rows: list[ABObservation] = list(observations)
    task = progress.add_task("STAR trial: observations", total=len(rows))
    remaining = iter(rows)
    while batch := list(islice(remaining, 500)):
        left: Sequence[ABObservation] = batch
        while left:
            result = runtime.observations.write(left)
            for rejected in result.rejected:
                raise InvalidInput(
                    value=rejected.observation.observation_id,
                    reason=f"the store refuses it ({rejected.reason})",
                    mend="Load the sample into an embedded store: unset KENSHIN_OBSERVATIONS.",
                )
            left = result.unprocessed
        progress.advance(task, len(batch))
    return experiment.experiment_id, len(rows), day


def _load_operations(runtime: Runtime, spec: dict[str, Any], day: date, progress: Progress) -> int:
    index = runtime.index()
    if not isinstance(index, Loadable):
        raise InvalidInput(
            value=runtime.settings.index.raw,
            reason="the sample corpus goes into an embedded index only",
            mend="Unset KENSHIN_INDEX for the demonstration.",
        )
    task = progress.add_task("documentation: embeddings", total=int(spec["count"]))
    try:
        count = index.describe().count
    except NotFound:
        count = 0
    if count >= int(spec["count"]):
        progress.advance(task, count)
        return count
    cache = runtime.embeddings
    documents = operations.load_operations(
        spec,
        CachedEmbedder(runtime.embedder, cache),
        CachedEmbedder(runtime.embedder_at(str(spec["wrong_embedder"])), cache),
        last_day=day,
        zone=runtime.settings.zone,
        progress=lambda done: progress.update(task, completed=done),
    )
    return index.add(list(documents))


def _read(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise InvalidInput(
            value=str(path),
            reason=f"the sample's definition cannot be read ({error})",
            mend="Run it in a checkout of Kenshin, or name its include folder with --include.",
        ) from error
    return dict(body)
