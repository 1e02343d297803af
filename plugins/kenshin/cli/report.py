"""``kenshin experiments report``: an experiment's report as a page, with the ledger as it is now."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Annotated, Any

import typer

from kenshin.cli.output import AsJson, show_facts
from kenshin.days import parse_day
from kenshin.errors import InvalidInput
from kenshin.experiments import api
from kenshin.experiments.page import render_page
from kenshin.ledger import LedgerEntry
from kenshin.ports import Versioned


def write_report(
    experiment_id: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="The experiment's id.")],
    html: Annotated[Path, typer.Option("--html", metavar="FILE", help="The page to write; it is replaced.")],
    day: Annotated[
        str | None, typer.Option(help="Report of this day (YYYY-MM-DD) instead of the newest.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a report as one HTML file that needs no network: words, charts, tables and the ledger."""
    found = api.report(experiment_id, parse_day(day)) if day else api.latest_report(experiment_id)
    page = render_page(found.as_dict(), ledger=[_told(entry) for entry in api.ledger_entries(experiment_id)])
    try:
        html.write_bytes(page)
    except OSError as error:
        raise InvalidInput(
            value=str(html),
            reason=f"cannot be written ({error})",
            mend="Name a file in a folder that exists.",
        ) from error
    facts = {
        "file": str(html),
        "day": found.day.isoformat(),
        "bytes": len(page),
        "verdict": found.decision.verdict,
    }
    show_facts(facts, as_json=as_json, title=f"Report of {experiment_id}")


def _told(entry: Versioned[LedgerEntry]) -> dict[str, Any]:
    value = entry.value
    return {
        "number": entry.version,
        "at": f"{value.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        "kind": value.kind,
        "by": value.by,
        "body": value.body,
    }
