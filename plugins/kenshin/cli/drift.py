"""``kenshin drift``: history of embedding drift, its backfill, and the worst documents of a day."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from kenshin.cli.airflow_api import FINISHED, AirflowApi, Backfill
from kenshin.cli.output import AsJson, errors, say, show_facts, show_json, show_rows
from kenshin.current import current
from kenshin.days import day_of, parse_day
from kenshin.drift import api
from kenshin.drift.report import DriftReport
from kenshin.errors import BackendUnavailable, InvalidInput

app = typer.Typer(help="Embedding drift: history, backfill, worst documents.", no_args_is_help=True)

DAG_ID = "embedding_drift"
COLUMNS = {
    "day": "day",
    "sample_size": "sample",
    "mean_drift": "mean",
    "p95_drift": "p95",
    "drifted_count": "drifted",
    "invalid_count": "invalid",
    "alert": "alert",
    "mode": "mode",
}
WORST = {
    "doc_id": "document",
    "status": "status",
    "distance": "distance",
    "relative_distance": "relative",
    "embedded_at": "embedded",
}
LISTED = 8

Index = Annotated[str | None, typer.Option("--index", help="Index; the configured one unless given.")]


@app.command()
def history(
    first: Annotated[
        str | None, typer.Option("--from", help="First day, YYYY-MM-DD; 30 days back unless given.")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day, included; today unless given.")] = None,
    index: Index = None,
    as_json: AsJson = False,
) -> None:
    """One row a day: how far stored vectors lie from fresh ones."""
    end = parse_day(last) if last else _today()
    begin = parse_day(first) if first else end - timedelta(days=30)
    _check_order(begin, end)
    rows = [dict(row) for row in api.history(index, begin, end).rows()]
    empty = f"No drift was measured from {begin} to {end}. See: kenshin drift backfill -h"
    title = f"Embedding drift of {index or current().index_name}"
    show_rows(rows, as_json=as_json, title=title, empty=empty, columns=COLUMNS)


@app.command()
def worst(
    day: Annotated[
        str | None, typer.Argument(metavar="[DAY]", help="YYYY-MM-DD; the newest day unless given.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many documents at most.")] = 20,
    index: Index = None,
    as_json: AsJson = False,
) -> None:
    """The documents of a day that need repair most: no valid vector first, then the largest distances."""
    rows = [dict(row) for row in api.worst_documents(index, parse_day(day) if day else None, limit).rows()]
    title = f"Worst documents of {rows[0]['day']}" if rows else ""
    rows = rows if as_json else [{**row, "embedded_at": str(row["embedded_at"] or "–")[:10]} for row in rows]
    show_rows(rows, as_json=as_json, title=title, empty="No documents were compared that day.", columns=WORST)


@app.command()
def show(
    day: Annotated[
        str | None, typer.Argument(metavar="[DAY]", help="YYYY-MM-DD; the newest day unless given.")
    ] = None,
    index: Index = None,
    as_json: AsJson = False,
) -> None:
    """A day's drift report."""
    show_report(api.report(index, parse_day(day) if day else None), as_json=as_json)


@app.command()
def check(
    sample_size: Annotated[int, typer.Option(min=1, help="Documents to draw.")] = 300,
    threshold: Annotated[
        float, typer.Option(min=0, max=2, help="Cosine distance that counts as drift.")
    ] = 0.15,
    index: Index = None,
    as_json: AsJson = False,
) -> None:
    """Run today's check-up here and now, without Airflow."""
    show_report(api.check_drift(sample_size=sample_size, threshold=threshold, index=index), as_json=as_json)


@app.command()
def backfill(
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD.")],
    last: Annotated[str, typer.Option("--to", help="Last day, included.")],
    sample_size: Annotated[int | None, typer.Option(min=1, help="Documents to draw a day.")] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=2, help="Distance that counts as drift.")
    ] = None,
    index: Index = None,
    reprocess: Annotated[
        str, typer.Option(help="Days that ran already: none, failed, or completed.")
    ] = "none",
    max_active: Annotated[int, typer.Option(min=1, help="Days at work at the same time.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which days would run.")] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Give up waiting after so many seconds.")] = 3600.0,
    as_json: AsJson = False,
) -> None:
    """Fill in drift history through Airflow, both days included, and follow it.

    Airflow itself reads backfill dates as instants and leaves the last day out; this asks for whole days.
    """
    begin, end = parse_day(first), parse_day(last)
    _check_order(begin, end)
    if end > _today():
        raise InvalidInput(value=str(end), reason="the day lies in the future", mend="Backfill up to today.")
    if reprocess not in ("none", "failed", "completed"):
        raise InvalidInput(value=reprocess, reason="unknown", mend="Use none, failed or completed.")
    settings = current().settings
    api_client = AirflowApi(settings.airflow_url, settings.airflow_user, settings.airflow_password)
    asked = {"sample_size": sample_size, "threshold": threshold, "index": index}
    conf = {name: value for name, value in asked.items() if value is not None}
    if dry_run:
        days = api_client.dry_run_backfill(DAG_ID, begin, end, settings.zone, reprocess=reprocess)
        rows = [
            {"day": str(day_of(instant, settings.zone)), "logical_date": instant.isoformat()}
            for instant in days
        ]
        show_rows(rows, as_json=as_json, title="Days that would run", empty="No day would run.")
        return
    made = api_client.create_backfill(
        DAG_ID, begin, end, settings.zone, conf=conf, max_active_runs=max_active, reprocess=reprocess
    )
    outcome = _follow(api_client, made, timeout, quiet=as_json)
    rows = [dict(row) for row in api.history(index, begin, end).rows()]
    skipped = [day.isoformat() for day in made.skipped]
    if as_json:
        show_json({"backfill_id": made.backfill_id, "runs": outcome, "skipped": skipped, "history": rows})
    else:
        show_rows(
            rows, as_json=False, title=f"{begin} to {end}", empty="No day was measured.", columns=COLUMNS
        )
        counts = ", ".join(f"{count} {state}" for state, count in outcome.items()) or "nothing to run"
        say(f"Backfill: {counts}.")
        if skipped:
            say(f"Not run: {', '.join(skipped)}.")
            say("They ran before (--reprocess completed runs them anew) or are not due yet.")
    if set(outcome) - {"success"}:
        raise typer.Exit(1)


def show_report(report: DriftReport, *, as_json: bool = False) -> None:
    """A drift report: a sentence first, then the figures; or as JSON."""
    body = report.as_dict()
    if as_json:
        show_json(body)
        return
    facts = {
        "verdict": _verdict(body),
        "distance": f"mean {_figure(body['mean_drift'])}, median {_figure(body['p50_drift'])}, "
        f"p95 {_figure(body['p95_drift'])}, largest {_figure(body['max_drift'])} (cosine, 0 to 2)",
        "beside random pairs": f"p95 is {_figure(body['relative_p95'])} times the median distance of two documents",
        "no usable vector": ", ".join(f"{count} {kind}" for kind, count in body["invalid"].items() if count),
        "drifted": _some(body["drifted_ids"]),
        "to repair": _some(body["repair_ids"]),
        "sample": f"{body['drawn']} drawn, {body['sample_size']} compared, {body['truncated']} cut by the embedder",
        "mode": body["mode"],
        "model": body["fingerprint"],
        "report": body["report_key"],
    }
    show_facts(facts, as_json=False, title=f"Embedding drift of {body['index']} on {body['day']}")


def _verdict(body: Mapping[str, Any]) -> str:
    if body["mean_drift"] is None:
        return str(body.get("note") or "Nothing could be compared.")
    share = 100 * body["drifted_count"] / body["sample_size"]
    low, high = 100 * body["drifted_share_low"], 100 * body["drifted_share_high"]
    return (
        f"{'ALERT' if body['alert'] else 'No alert'}: {body['drifted_count']} of {body['sample_size']} documents "
        f"({share:.1f} %; of the whole index {low:.1f} to {high:.1f} %) lie further than {body['threshold']:g} from a "
        f"fresh embedding, and {body['invalid_count']} have no usable vector."
    )


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _some(ids: Sequence[str]) -> str:
    listed = ", ".join(ids[:LISTED])
    return f"{listed} and {len(ids) - LISTED} more" if len(ids) > LISTED else listed


def _follow(api_client: AirflowApi, made: Backfill, timeout: float, *, quiet: bool) -> dict[str, int]:
    end = time.monotonic() + timeout
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, disable=quiet) as progress:
        task = progress.add_task("days", total=len(made.created))
        while True:
            states: dict[str, int] = {}
            for run in api_client.backfill_runs(made):
                states[run.state] = states.get(run.state, 0) + 1
            done = sum(count for state, count in states.items() if state in FINISHED)
            progress.update(task, completed=done)
            if done >= len(made.created):
                return states
            if time.monotonic() > end:
                raise BackendUnavailable(
                    value=f"backfill {made.backfill_id}",
                    reason=f"not finished after {timeout:.0f} s ({states or 'no runs yet'})",
                    mend="It goes on in Airflow; look at the DAG's runs there, or wait longer with --timeout.",
                )
            time.sleep(1.0)


def _check_order(begin: date, end: date) -> None:
    if end < begin:
        raise InvalidInput(
            value=f"{begin} to {end}", reason="the last day comes first", mend="Swap --from and --to."
        )


def _today() -> date:
    runtime = current()
    return day_of(runtime.clock(), runtime.settings.zone)
