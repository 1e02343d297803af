"""The question about a verdict, in plain words: what was found, what each answer does, and what silence does.

Airflow shows it as markdown, and renders it as a template first; what people wrote into a definition stands in it
escaped for both.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kenshin.experiments.proposal import Proposal
    from kenshin.experiments.report import ExperimentReport

KEEP = "Keep running"
ACTS = {"promote": "Promote", "roll_back": "Roll back", "reject": "End with control"}
"""What a person may do about a verdict, beside letting the experiment run; other verdicts ask nobody."""

DIGITS = 4
_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+.!|~&:@=^$%])")


def escaped(text: object) -> str:
    """Any text as one line of markdown that shows it literally; no template expression survives in it."""
    return _MARKUP.sub(r"\\\1", " ".join(str(text).split()))


def subject_of(proposal: Proposal) -> str:
    """The headline; its names hold no character that means anything to a template."""
    name, about = proposal.experiment_id, f"Report of {proposal.day}"
    match proposal.verdict:
        case "promote":
            return f"Promote arm {proposal.winner} of {name}? {about}"
        case "roll_back" if proposal.winner is None:
            return f"Take arm {proposal.arm} of {name} back? {about}"
        case "roll_back":
            return f"Roll {name} back to arm {proposal.winner}? {about}"
    return f"End {name} with arm {proposal.winner}? {about}"


def body_of(proposal: Proposal, report: ExperimentReport) -> str:
    """What a person needs to answer, as markdown.

    Args:
        proposal: what is asked.
        report: whose verdict it is.
    """
    decision = report.decision
    parts = [escaped(decision.words)]
    parts.append("\n".join(f"- {escaped(reason)}" for reason in decision.reasons))
    parts.append(_table(report))
    if decision.biased_upward:
        parts.append("The estimate is of an early stop: on average the true effect is smaller.")
    parts.append(f"- **{proposal.act}**: {escaped(consequence(proposal))}\n- **{KEEP}**: nothing changes.")
    parts.append(
        f"Without an answer within {_hours(proposal.answer_within)}: **{proposal.default}**. "
        f"Report {escaped(proposal.report_key)}, {proposal.report_sha256[:12]}; "
        f"experiment version {proposal.version}."
    )
    return "\n\n".join(part for part in parts if part)


def consequence(proposal: Proposal) -> str:
    """What acting on the verdict does, in one sentence of plain text."""
    name = proposal.experiment_id
    if proposal.winner is None:
        return (
            f"arm {proposal.arm} of {name} (prompt version {proposal.prompt_version}) gets no more sessions, "
            "control gets them, and the experiment goes on with the other arms."
        )
    return (
        f"{name} is concluded, arm {proposal.winner} wins, "
        f"and every session gets prompt version {proposal.prompt_version}."
    )


def _table(report: ExperimentReport) -> str:
    differences = {each["arm"]: each for each in report.judged["primary"]}
    rows = [
        "| arm | prompt version | sessions | mean score | difference | interval |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for arm in report.analysis.arms:
        row = differences.get(arm.arm, {})
        cells = [
            arm.arm,
            arm.prompt_version,
            arm.sessions,
            _figure(arm.score.mean),
            _figure(row.get("delta"), "+"),
            "–"
            if row.get("ci_low") is None
            else f"{_figure(row['ci_low'], '+')} to {_figure(row['ci_high'], '+')}",
        ]
        rows.append(f"| {' | '.join(escaped(cell) for cell in cells)} |")
    return "\n".join(rows)


def _figure(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.{DIGITS}g}"


def _hours(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours:g} hours" if hours >= 1 else f"{span.total_seconds():.0f} seconds"
