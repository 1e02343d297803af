"""``kenshin experiments promote`` and ``ledger``: carry a verdict out without Airflow, and read what happened."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from kenshin.cli.output import AsJson, say, show_facts, show_json, show_rows
from kenshin.days import parse_day
from kenshin.errors import InvalidInput
from kenshin.experiments import api
from kenshin.experiments.proposal import Proposal

EVENTS = {"number": "no.", "at": "at", "kind": "what", "by": "by", "words": "in words"}

Id = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="The experiment's id.")]


def promote(
    experiment_id: Id,
    report: Annotated[
        str | None, typer.Option("--report", help="Day of the report (YYYY-MM-DD); the newest unless given.")
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", help="Who answers, for the ledger and the policy; else this user.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Carry out what a report's verdict proposes: promote, roll back, or end with control. It cannot be undone."""
    proposal = api.propose_promotion(experiment_id, parse_day(report) if report else None)
    if dry_run:
        _show(proposal, as_json=as_json)
        return
    who = by or _this_user()
    if not yes:
        if as_json:
            raise InvalidInput(value="--json", reason="a program cannot be asked", mend="Give --yes as well.")
        _show(proposal, as_json=False)
        typer.confirm(f"{proposal.act}?", abort=True, err=True)
    settled = api.settle_promotion(proposal, by=who)
    if as_json:
        show_json(settled.as_dict())
    else:
        say(settled.words)


def ledger(experiment_id: Id, as_json: AsJson = False) -> None:
    """Everything that happened to an experiment: definitions, looks with their decisions, answers, refusals."""
    show_rows(
        api.chronicle(experiment_id).rows(),
        as_json=as_json,
        columns=EVENTS,
        title=f"Ledger of {experiment_id}",
        empty="Nothing happened yet.",
    )


def _show(proposal: Proposal, *, as_json: bool) -> None:
    body = proposal.as_dict()
    facts = {
        "question": proposal.subject,
        "verdict": proposal.verdict,
        "winner": proposal.winner and f"{proposal.winner}: {proposal.prompt_version}",
        "taken back": None if proposal.winner else f"{proposal.arm}: {proposal.prompt_version}",
        "report": f"{proposal.report_key} ({proposal.report_sha256[:12]})",
        "experiment version": proposal.version,
        "who may": ", ".join(proposal.approvers),
        "refused": proposal.stale,
        "in Airflow": proposal.in_words(),
    }
    show_facts(body if as_json else facts, as_json=as_json, title=f"Proposal for {proposal.experiment_id}")


def _this_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError) as error:
        raise InvalidInput(
            value="--by", reason="this system does not say who you are", mend="Give --by NAME."
        ) from error
