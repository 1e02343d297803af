"""``kenshin experiments``: the registry, imports and reports of prompt experiments."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kenshin.cli import promotion, reports, simulation
from kenshin.cli.output import AsJson, console, errors, say, show_facts, show_json, show_rows
from kenshin.days import parse_day
from kenshin.errors import InvalidInput, NotFound
from kenshin.experiments import api
from kenshin.experiments.columns import ColumnMap
from kenshin.experiments.experiment import Experiment

app = typer.Typer(help="Prompt experiments: define, start, stop, feed, read.", no_args_is_help=True)

LISTED = {
    "experiment_id": "experiment",
    "status": "status",
    "arms": "arms",
    "created_at": "created",
    "winner": "winner",
}

Id = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="The experiment's id.")]


def list_experiments(as_json: AsJson = False) -> None:
    """All experiments, with status and arms."""
    found = api.list_experiments()
    if as_json:
        show_json([each.value.as_dict() for each in found])
        return
    rows = [
        {
            "experiment_id": each.value.experiment_id,
            "status": each.value.status,
            "arms": ", ".join(
                f"{arm.name}: {arm.prompt_version} ({arm.share:.0%})" for arm in each.value.all_arms()
            ),
            "created_at": datetime.fromtimestamp(each.value.created_at, UTC),
            "winner": each.value.winner,
        }
        for each in found
    ]
    show_rows(
        rows,
        as_json=False,
        columns=LISTED,
        title="Experiments",
        empty="No experiments yet. See: kenshin experiments create -h",
    )


def create(
    experiment_id: Annotated[
        str | None, typer.Argument(metavar="[EXPERIMENT]", help="The new experiment's id.")
    ] = None,
    prompt_a: Annotated[str | None, typer.Option("--a", help="Prompt version in use (control).")] = None,
    prompt_b: Annotated[str | None, typer.Option("--b", help="Candidate prompt version.")] = None,
    split: Annotated[
        float, typer.Option("--split", help="Share of sessions that get the candidate, 0 to 1.")
    ] = 0.5,
    description: Annotated[str, typer.Option(help="What is compared, for the report.")] = "",
    file: Annotated[
        Path | None, typer.Option("--file", help="A JSON definition instead of the options.")
    ] = None,
    start: Annotated[bool, typer.Option("--start", help="Start it at once.")] = False,
    as_json: AsJson = False,
) -> None:
    """Define an experiment, by options or by a JSON file; it is a draft until it is started."""
    if file is not None:
        definition = _read_definition(file)
    elif experiment_id and prompt_a and prompt_b:
        definition = {
            "experiment_id": experiment_id,
            "prompt_a_version": prompt_a,
            "prompt_b_version": prompt_b,
            "traffic_split": split,
            "description": description,
        }
    else:
        raise InvalidInput(
            value="create",
            reason="the id or a prompt version is missing",
            mend="Give EXPERIMENT with --a and --b, or a definition with --file.",
        )
    _show(api.create_experiment(definition, start=start).value, as_json)


def start(experiment_id: Id, as_json: AsJson = False) -> None:
    """Start a draft: from now on sessions are assigned to its arms."""
    _show(api.start_experiment(experiment_id).value, as_json)


def change(
    experiment_id: Id,
    split: Annotated[
        float | None, typer.Option("--split", help="New share of sessions that get the candidate, 0 to 1.")
    ] = None,
    prompt_a: Annotated[str | None, typer.Option("--a", help="New prompt version of control.")] = None,
    prompt_b: Annotated[str | None, typer.Option("--b", help="New prompt version of the candidate.")] = None,
    holdout: Annotated[
        float | None, typer.Option("--holdout", help="New share of sessions that are in no experiment.")
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option("--override", help="SESSION=ARM: the arm a tester sees; SESSION= takes it back."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="A JSON object of changes, such as new arms.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change a draft or a running experiment; another split, prompt or holdout opens a phase."""
    changes = _read_definition(file) if file is not None else {}
    given = {
        "traffic_split": split,
        "prompt_a_version": prompt_a,
        "prompt_b_version": prompt_b,
        "holdout": holdout,
    }
    changes.update({name: value for name, value in given.items() if value is not None})
    before = api.show_experiment(experiment_id).value
    if override:
        changes["overrides"] = _overridden(changes.get("overrides", before.overrides), override)
    if not changes:
        raise InvalidInput(
            value="change", reason="no change is given", mend="Give --split, --a, --b or another option."
        )
    changed = api.change_experiment(experiment_id, changes).value
    _show(changed, as_json)
    if not as_json and changed.phase > before.phase:
        say(
            f"Phase {changed.phase} is open: what is observed from now on is told apart from phase {before.phase}."
        )


def stop(
    experiment_id: Id,
    winner: Annotated[str | None, typer.Option(help="The arm that won.")] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="End it without a winner, for good.")] = False,
    as_json: AsJson = False,
) -> None:
    """Conclude an experiment with a winner, or cancel it; neither can be undone."""
    if (winner is None) is not cancel:
        raise InvalidInput(
            value=experiment_id,
            reason="it ends either with a winner or without one",
            mend="Give --winner ARM, or --cancel.",
        )
    _show(api.stop_experiment(experiment_id, winner=winner).value, as_json)


def show(
    experiment_id: Id,
    day: Annotated[
        str | None, typer.Option(help="Report of this day (YYYY-MM-DD) instead of the newest.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """An experiment's definition and its newest report."""
    found = api.show_experiment(experiment_id)
    try:
        report = api.report(experiment_id, parse_day(day)) if day else api.latest_report(experiment_id)
    except NotFound:
        if day:
            raise
        report = None
    if as_json:
        show_json(
            {
                "experiment": found.value.as_dict(),
                "version": found.version,
                "report": None if report is None else report.as_dict(),
            }
        )
        return
    if report is None:
        _show(found.value, as_json=False)
        console.print("No report yet: the experiment_analysis DAG writes one a night.", soft_wrap=True)
    else:
        reports.show_report(found.value, report)


def import_observations(
    experiment_id: Id,
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV, Parquet or JSONL with one observation a row.")
    ],
    rejects: Annotated[
        Path | None, typer.Option(help="Where refused rows go; FILE.rejects.jsonl unless given.")
    ] = None,
    mapped: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="Which column fills a field; nothing: none."),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--value", metavar="FIELD.VALUE=MEANING", help="What a value means: arm.control=A."),
    ] = None,
    map_file: Annotated[
        Path | None, typer.Option(help="A JSON object with 'columns' and 'values' like --map and --value.")
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="End with exit code 1 if any row was refused, not only if all were."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Import observations. Rows that cannot be counted go to a reject file with their reasons; the rest is kept.

    Mend the lines of the reject file and import it in turn, with the same --map and --value.
    """
    began = api.show_experiment(experiment_id).value.created_at
    column_map = ColumnMap.parse(mapped or (), values or (), file=map_file)
    target = rejects or path.with_name(f"{path.name}.rejects.jsonl")
    with _progress(as_json) as progress:
        task = progress.add_task("importing", total=None)
        result = api.import_observations(
            experiment_id,
            path,
            rejects=target,
            columns=column_map,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    begins = api.show_experiment(experiment_id).value.created_at
    facts = {
        "file": str(path),
        "read": result.read,
        "stored": result.stored,
        "already_there": result.duplicates,
        "rejected": result.rejected,
        "rejects": str(result.rejects_path) if result.rejected else None,
        "reasons": dict(result.reasons),
        "ignored_columns": list(result.ignored_columns),
        "created_at_moved_to": datetime.fromtimestamp(begins, UTC).isoformat() if begins < began else None,
    }
    shown = (
        facts
        if as_json
        else {**facts, "reasons": [f"{count} × {why}" for why, count in result.reasons.items()]}
    )
    show_facts(shown, as_json=as_json, title=f"Import into {experiment_id}")
    if result.rejected and not as_json:
        say(f"{result.rejected} rows were refused; {target} holds them with the reasons.")
    if result.rejected and (strict or result.rejected == result.read):
        raise typer.Exit(1)


def export_observations(
    experiment_id: Id,
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV, Parquet or JSONL, by its ending; it is replaced.")
    ],
    first: Annotated[
        str | None, typer.Option("--from", help="First day (YYYY-MM-DD); else the first of all.")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day, included; else today.")] = None,
    sessions: Annotated[
        bool, typer.Option("--sessions", help="Sessions as the nights counted them, instead of observations.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write an experiment's observations, or its sessions, to a file."""
    export = api.export_observations(
        experiment_id,
        first_day=parse_day(first) if first else None,
        last_day=parse_day(last) if last else None,
        what="sessions" if sessions else "observations",
    )
    with _progress(as_json) as progress:
        task = progress.add_task("exporting", total=None)
        result = export.to_file(
            path, progress=lambda done, total: progress.update(task, completed=done, total=total)
        )
    facts = {
        "file": str(path),
        "rows": result.rows,
        "first_day": result.first_day.isoformat(),
        "last_day": result.last_day.isoformat(),
    }
    show_facts(facts, as_json=as_json, title=f"Export of {experiment_id}")


def _progress(as_json: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=errors, disable=as_json, transient=True)


def _overridden(overrides: Mapping[str, str], changes: list[str]) -> dict[str, str]:
    changed = dict(overrides)
    for each in changes:
        session_id, equals, arm = each.rpartition("=")
        if not equals or not session_id:
            raise InvalidInput(value=each, reason="not SESSION=ARM", mend="Write for example s-17=B.")
        if arm:
            changed[session_id] = arm
        else:
            changed.pop(session_id, None)
    return changed


def _show(experiment: Experiment, as_json: bool) -> None:
    body = experiment.as_dict()
    if not as_json:
        body["arms"] = [
            f"{arm.name}: {arm.prompt_version} ({arm.share:.0%})" for arm in experiment.all_arms()
        ]
        body["holdout"] = f"{experiment.holdout:.1%} of all sessions" if experiment.holdout else None
        for name in ("created_at", "concluded_at"):
            body[name] = body[name] and datetime.fromtimestamp(body[name], UTC)
        policy = body["policy"]
        policy["spending"] = policy["spending"].replace("_", " ")
        policy["promotion"]["on_timeout"] = policy["promotion"]["on_timeout"].replace("_", " ")
    show_facts(body, as_json=as_json, title=f"Experiment {experiment.experiment_id}")


def _read_definition(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidInput(
            value=str(path), reason=f"not readable as JSON ({error})", mend="Correct the file."
        ) from error
    if not isinstance(body, dict):
        raise InvalidInput(
            value=str(path), reason="no JSON object", mend="Write the definition as one object."
        )
    return body


# In the order in which a person needs them.
COMMANDS: dict[str, Callable[..., None]] = {
    "list": list_experiments,
    "create": create,
    "start": start,
    "import": import_observations,
    "show": show,
    "report": reports.report,
    "looks": reports.looks,
    "promote": promotion.promote,
    "change": change,
    "stop": stop,
    "ledger": promotion.ledger,
    "export": export_observations,
    "simulate": simulation.simulate_experiment,
}
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
