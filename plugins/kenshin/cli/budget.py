"""``kenshin budget``: check a prompt or make it fit, see and renew what corrects its estimates, list models."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from kenshin.budget import api
from kenshin.budget.event import SECTIONS, answer_of, read_event
from kenshin.budget.night import DAYS, fit_night, put_in_force
from kenshin.budget.night import reset as drop
from kenshin.budget.weights import read_weights, rows_of
from kenshin.cli.output import AsJson, say, show_facts, show_json, show_rows
from kenshin.current import current
from kenshin.days import day_of, parse_day
from kenshin.errors import ContextBudgetExceeded, InvalidInput

app = typer.Typer(
    help="Context budget: check a prompt, calibrate its estimates, list models.", no_args_is_help=True
)

EXAMPLE = '{"user_message": "Where is my order?"}'
CODES = {"normal": 0, "warning": 3, "critical": 4}
IN_FORCE = {
    "model": "model",
    "script": "script",
    "calls": "calls",
    "factor": "estimate times",
    "bound": "95 % within",
}
FITTED = {
    "model": "model",
    "script": "script",
    "calls": "calls",
    "outcome": "outcome",
    "reason": "why",
}
CHANGES = {
    "section": "section",
    "index": "from",
    "count": "count",
    "what": "step",
    "tokens_before": "before",
    "tokens_after": "after",
    "reason": "why",
}
MODELS = {
    "name": "model",
    "window": "window",
    "limit": "budget",
    "output_limit": "longest answer",
    "family": "tokenizer",
    "tier": "tier",
}


@app.command()
def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A JSON event; '-': standard input.")],
    model: Annotated[str | None, typer.Option("--model", help="Model id, instead of the event's.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=0, help="The request's maxTokens, kept for the answer.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with code 3 on a warning and 4 when critical.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Does a prompt fit the budget of its model?

    The event has the keys of the Lambda: system_prompt, conversation_history, rag_context, user_message, model_id,
    tools, max_tokens.
    """
    answer = answer_of(api.check_budget(**read_event(_event(file, model, max_tokens))))
    if as_json:
        show_json(answer)
    else:
        _show_answer(answer)
    if strict and answer["status"] != "normal":
        raise typer.Exit(CODES[answer["status"]])


@app.command()
def fit(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A JSON event; '-': standard input.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the fitted event into this file, as JSON.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Model id, instead of the event's.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=0, help="The request's maxTokens, kept for the answer.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compress a prompt, or trim it, until it fits; say what went and why.

    A prompt that cannot be made to fit ends the command with code 2.
    """
    event = _event(file, model, max_tokens)
    try:
        found = api.fit_budget(**read_event(event))
    except ContextBudgetExceeded as error:
        raise ContextBudgetExceeded(
            value=error.value,
            reason=error.reason,
            mend="Shorten these in the file, or name a model with a larger window by --model "
            "(see: kenshin budget models).",
            best=error.best,
        ) from error
    left = {name: getattr(found, name) for name in SECTIONS if name in event}
    if out is not None:
        _write(out, {**event, **left})
    if as_json:
        show_json({**found.as_dict(), "prompt": left})
        return
    rows = [asdict(change) for change in found.changes]
    show_rows(rows, as_json=False, title="What went", empty="Nothing had to go.", columns=CHANGES)
    facts = {
        "done": found.summary,
        "before": f"{found.before.status}, at most {found.before.upper_tokens} of {found.before.budget_limit}",
        "after": f"{found.after.status}, at most {found.after.upper_tokens}",
        "notes": found.notes,
    }
    show_facts(facts, as_json=False, title="Context budget")


@app.command()
def calibration(as_json: AsJson = False) -> None:
    """What corrects the estimates now: the registry's weights, by model and script."""
    from math import exp, sqrt

    from kenshin.budget.calibration import ONE_SIDED_95

    weights, version = read_weights(current().documents)
    if as_json:
        show_json({"version": version, **weights.as_document()})
        return
    rows = [
        {
            **row,
            "factor": round(exp(correction.shift), 3),
            "bound": f"+{100 * (exp(ONE_SIDED_95 * sqrt(correction.variance)) - 1):.1f} %",
        }
        for row, correction in zip(
            rows_of(weights.corrections),
            [each for _, each in sorted(weights.corrections.items())],
            strict=True,
        )
    ]
    title = f"Version {version}, fitted through {weights.through_day}"
    empty = "Nothing was fitted yet: the fitted numbers of the package are in force. See: kenshin budget calibrate -h"
    show_rows(rows, as_json=False, title=title, empty=empty, columns=IN_FORCE)


@app.command()
def calibrate(
    through: Annotated[
        str | None, typer.Option("--through", help="Last day, YYYY-MM-DD; yesterday unless given.")
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, help="Days, counted back from it.")] = DAYS,
    model: Annotated[
        str | None, typer.Option("--model", help="This one alone, by its name in the registry.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge, but put nothing in force.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fit the corrections anew from recorded usage, as the DAG calibrate_tokens does every night."""
    our = current()
    zone, now = our.settings.zone, our.clock()
    day = parse_day(through) if through else day_of(now, zone) - timedelta(days=1)
    our.recorder.flush()
    asked = {"through_day": day, "days": days, "zone": zone, "model": model}
    told = fit_night(our.usage_log, our.documents, our.lake, **asked, dry_run=dry_run)  # type: ignore[arg-type]
    if not dry_run:
        told = put_in_force(
            our.documents, our.ledger, our.lake, through_day=day, at=now, by="kenshin budget calibrate"
        )
    if as_json:
        show_json(told)
        return
    verdicts = told.pop("verdicts")
    title = f"Calibration through {day}" + (", a dry run: nothing comes into force" if dry_run else "")
    if verdicts:
        show_rows(verdicts, as_json=False, title=title, empty="", columns=FITTED)
    show_facts(told, as_json=False, title="In sum" if verdicts else title)
    if not told["calls"]:
        first = day - timedelta(days=days - 1)
        say(
            f"No usage was recorded from {first} through {day}: services record it by observe_usage, or by the "
            "client's wrapper."
        )
        if not through:
            say(f"Today is not over and not looked at; --through {day + timedelta(days=1)} does.")


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False, as_json: AsJson = False
) -> None:
    """Drop the corrections in force; the package's numbers hold again until the next fit."""
    our = current()
    if not yes:
        if as_json:
            raise InvalidInput(value="--json", reason="a program cannot be asked", mend="Give --yes as well.")
        typer.confirm("Drop what was learnt from reported usage?", abort=True, err=True)
    version = drop(our.documents, our.ledger, at=our.clock(), by="kenshin budget reset")
    show_facts(
        {"version": version, "changed": version is not None},
        as_json=as_json,
        title="Nothing was in force" if version is None else "The package's numbers are in force",
    )


@app.command()
def models(as_json: AsJson = False) -> None:
    """The models that the registry knows; KENSHIN_MODELS adds to them."""
    rows = [
        {
            "name": model.name,
            "provider": model.provider,
            "window": model.window,
            "limit": int(model.window * model.practical_ratio),
            "output_limit": model.output_limit,
            "family": model.family,
            "tier": model.tier,
        }
        for model in current().models
    ]
    show_rows(rows, as_json=as_json, title="Models", empty="The registry is empty.", columns=MODELS)


def _read(file: str) -> Mapping[str, Any]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        event = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        mend = f"Pipe a JSON object, e.g. {EXAMPLE}." if file == "-" else "Give a file of JSON, or '-'."
        raise InvalidInput(value=file, reason=f"no JSON can be read from it ({error})", mend=mend) from error
    if not isinstance(event, dict):
        raise InvalidInput(value=file, reason="no JSON object", mend=f"Give e.g. {EXAMPLE}.")
    return event


def _event(file: str, model: str | None, max_tokens: int | None) -> dict[str, Any]:
    told = {"model_id": model, "max_tokens": max_tokens}
    return {**_read(file), **{name: value for name, value in told.items() if value is not None}}


def _write(path: Path, event: Mapping[str, Any]) -> None:
    try:
        path.write_text(json.dumps(event, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise InvalidInput(
            value=str(path), reason=f"it cannot be written ({error})", mend="Give another file."
        ) from error


def _show_answer(answer: Mapping[str, Any]) -> None:
    facts = {
        "status": answer["status"],
        "recommendation": answer["recommendation"],
        "tokens": f"{answer['total_tokens']} of {answer['budget_limit']}, at most {answer['upper_tokens']}",
        "utilization": f"{answer['utilization_pct']} %, at most {answer['upper_pct']} %",
        "sections": answer["sections"],
        "model": answer["model"] if answer["known_model"] else f"{answer['model']} (unknown, window assumed)",
        "script": f"{answer['script']}, {'corrected by usage' if answer['calibrated'] else 'not corrected by usage'}",
    }
    show_facts(facts, as_json=False, title="Context budget")
