"""``kenshin experiments report --html``: an experiment's report as a page, with the ledger as it is now."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

from kenshin.cli.output import show_facts
from kenshin.errors import InvalidInput
from kenshin.experiments import api
from kenshin.experiments.page import render_page
from kenshin.experiments.report import ExperimentReport
from kenshin.ledger import LedgerEntry
from kenshin.ports import Versioned


def write_page(report: ExperimentReport, target: Path, *, as_json: bool) -> None:
    """Write a report as one HTML file, and say what was written.

    Raises:
        InvalidInput: the file cannot be written.
    """
    name = report.experiment_id
    page = render_page(report.as_dict(), ledger=[_told(entry) for entry in api.ledger_entries(name)])
    try:
        target.write_bytes(page)
    except OSError as error:
        raise InvalidInput(
            value=str(target),
            reason=f"cannot be written ({error})",
            mend="Name a file in a folder that exists.",
        ) from error
    facts = {
        "file": str(target),
        "day": report.day.isoformat(),
        "bytes": len(page),
        "verdict": report.decision.verdict,
    }
    show_facts(facts, as_json=as_json, title=f"Report of {name}")


def _told(entry: Versioned[LedgerEntry]) -> dict[str, Any]:
    value = entry.value
    return {
        "number": entry.version,
        "at": f"{value.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        "kind": value.kind,
        "by": value.by,
        "body": value.body,
    }
