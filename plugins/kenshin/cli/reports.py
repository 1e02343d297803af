"""``kenshin experiments report`` and ``looks``: a night's report and the looks so far, plain words first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from kenshin.cli.output import AsJson, instant, show_facts, show_json, show_rows
from kenshin.days import parse_day
from kenshin.errors import InvalidInput
from kenshin.experiments import api
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.page import render_page
from kenshin.experiments.report import ExperimentReport
from kenshin.ledger import LedgerEntry
from kenshin.ports import Versioned

NAMED = 5
"""So many sessions seen in two arms are named on a terminal; the report names more."""

ARMS = {
    "arm": "arm",
    "prompt_version": "prompt",
    "sessions": "sessions",
    "observations": "observed",
    "mean_score": "mean",
    "score_delta": "delta",
    "ci_low": "from",
    "ci_high": "to",
}
LOOKS = {
    "look": "look",
    "day": "day",
    "arm": "arm",
    "sessions": "sessions",
    "estimate": "delta",
    "ci_low": "from",
    "ci_high": "to",
    "z": "z",
    "boundary": "boundary",
    "alpha_spent": "alpha spent",
    "decision": "decision",
}
SEGMENTS = {
    "arm": "arm",
    "segment": "segment",
    "sessions": "sessions",
    "delta": "delta",
    "ci_low": "from",
    "ci_high": "to",
    "p_adjusted": "adjusted p",
}

Id = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="The experiment's id.")]
Day = Annotated[str | None, typer.Option(help="Report of this day (YYYY-MM-DD) instead of the newest.")]


def report(
    experiment_id: Id,
    day: Day = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write it as a page instead; replaces the file."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """A night's report: what was decided and why, then the figures.

    With --html as one file that needs no network: words, charts, tables, and the ledger as it is now.
    """
    found = api.report(experiment_id, parse_day(day)) if day else api.latest_report(experiment_id)
    if html is not None:
        _write_page(found, html, as_json=as_json)
    elif as_json:
        show_json(found.as_dict())
    else:
        show_report(api.show_experiment(experiment_id).value, found)


def looks(experiment_id: Id, as_json: AsJson = False) -> None:
    """Every look so far: what each night saw of each arm, against its boundary, and what it decided."""
    rows = [look.as_dict() for look in api.looks(experiment_id)]
    show_rows(
        rows,
        as_json=as_json,
        columns=LOOKS,
        title=f"Looks at {experiment_id}",
        empty="No look yet: the experiment_analysis DAG takes one a night.",
    )


def show_report(experiment: Experiment, report: ExperimentReport) -> None:
    """An experiment's report as tables, plain words first."""
    body = report.as_dict()
    facts = {"question": body["description"], **_in_words(body), "status": experiment.status}
    show_facts(facts, as_json=False, title=f"Experiment {body['experiment_id']}, through {body['day']}")
    show_rows(report.arm_rows(), as_json=False, title="Arms", empty="No observations yet.", columns=ARMS)
    if body["segments"]:
        show_rows(
            body["segments"],
            as_json=False,
            title="Segments (exploratory, they decide nothing)",
            empty="",
            columns=SEGMENTS,
        )


def _look(body: Mapping[str, Any]) -> str:
    """Where the nights stand."""
    plan, looks = body["plan"], body["looks"]
    words = f"night {plan['night']} of {plan['horizon_nights']}"
    if looks:
        number = looks[-1]["look"]
        tonight = [look for look in looks if look["look"] == number]
        arms = [f" ({look['arm']})" if len(tonight) > 1 else "" for look in tonight]
        spent = ", ".join(f"{look['alpha_spent']:.2g}{arm}" for look, arm in zip(tonight, arms, strict=True))
        words += f", look {number}, alpha spent {spent} of {body['policy']['alpha']:g}"
    if plan["minimal_detectable_effect"] is not None:
        words += f"; a difference of {plan['minimal_detectable_effect']:.3g} would be found by the horizon"
    return words


def _guard(row: Mapping[str, Any]) -> str:
    """A guardrail of an arm in words."""
    if row["delta_relative"] is None:
        return f"arm {row['arm']}, {row['metric']}: {row['outcome']}"
    return (
        f"arm {row['arm']}, {row['metric']}: {row['outcome']} "
        f"({row['delta_relative']:+.1%}, margin {row['margin']:.1%} {row['worse']})"
    )


def _in_words(body: Mapping[str, Any]) -> dict[str, Any]:
    tested = body.get("p_value") is not None
    missing = body["missing_days"]
    decision = body["decision"]
    return {
        "decision": decision["words"],
        "verdict": decision["verdict"].replace("_", " "),
        "why": "\n".join(each for each in decision["reasons"] if each != decision["words"]),
        "look": _look(body),
        "guardrails": "\n".join(_guard(each) for each in body["guardrails"]),
        "recommendation": body.get("recommendation") or body.get("status"),
        "difference": f"{body['score_delta']:+.4g} (95 % interval {body['ci_low']:+.4g} to {body['ci_high']:+.4g}), "
        f"Welch's t {body['t_statistic']:g} on {body['degrees_of_freedom']:g} degrees of freedom, "
        f"p {body['p_value']:.3g}, valid for one look only"
        if tested
        else None,
        "sessions needed": None if tested else body.get("minimum_required"),
        "session": body["unit"],
        "score": body["score_unit"],
        "randomised": body["randomised"],
        "left out": body["left_out"],
        "nights": f"{body['days']['first']} to {body['days']['last']}, "
        f"{'all collected' if not missing else 'missing ' + ', '.join(missing)}",
        "in two arms": _named(body["crossing"], body["crossing_sessions"]),
        "report": body["report_key"],
    }


def _named(sessions: Iterable[str], count: int) -> str | None:
    few = list(islice(sessions, NAMED))
    return f"{count}: {', '.join(few)}{', …' if count > len(few) else ''}" if count else None


def _write_page(found: ExperimentReport, html: Path, *, as_json: bool) -> None:
    page = render_page(
        found.as_dict(), ledger=[_told(entry) for entry in api.ledger_entries(found.experiment_id)]
    )
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
    show_facts(facts, as_json=as_json, title=f"Report of {found.experiment_id}")


def _told(entry: Versioned[LedgerEntry]) -> dict[str, Any]:
    value = entry.value
    return {
        "number": entry.version,
        "at": instant(value.at),
        "kind": value.kind,
        "by": value.by,
        "body": value.body,
    }
