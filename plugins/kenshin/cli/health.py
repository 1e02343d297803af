"""``kenshin health``: circuit breakers held open or closed by hand, for all processes."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from kenshin.cli.output import AsJson, say, show_json, show_rows
from kenshin.current import current
from kenshin.errors import InvalidInput
from kenshin.health import api
from kenshin.health.breaker import Override

app = typer.Typer(help="Look after the model API: circuit breakers.", no_args_is_help=True)
breakers = typer.Typer(
    help="Hold circuit breakers open or closed, in all processes; without a command, show which are.",
    invoke_without_command=True,
)
app.add_typer(breakers, name="breakers")

COLUMNS = {"model": "model", "region": "region", "mode": "held", "by": "by", "at": "since"}

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Any id of the model; its last segment counts.")]
Region = Annotated[str | None, typer.Option("--region", help="Only there; everywhere unless given.")]
By = Annotated[str | None, typer.Option("--by", help="Who wants it; else this user.")]


@breakers.callback()
def _default(context: typer.Context, as_json: AsJson = False) -> None:
    if context.invoked_subcommand is None:
        show(as_json=as_json)
    elif as_json:
        raise InvalidInput(
            value="--json",
            reason="it stands before the command",
            mend=f"Write it last: kenshin health breakers {context.invoked_subcommand} … --json.",
        )


@breakers.command()
def show(as_json: AsJson = False) -> None:
    """Which breakers are held by hand. How the others stand says each process's own CircuitBreakerState."""
    show_rows(
        [each.as_dict() for each in api.breaker_overrides()],
        as_json=as_json,
        columns=COLUMNS,
        title="Breakers held by hand",
        empty="No breaker is held by hand.",
    )


@breakers.command("open")
def open_(model: Model, region: Region = None, by: By = None, as_json: AsJson = False) -> None:
    """Refuse all calls of a model: they fail at once, or go to its fallbacks."""
    _hold(model, "open", region, by, as_json=as_json)


@breakers.command()
def close(model: Model, region: Region = None, by: By = None, as_json: AsJson = False) -> None:
    """Let all calls of a model through, however many fail."""
    _hold(model, "closed", region, by, as_json=as_json)


@breakers.command()
def clear(model: Model, region: Region = None, as_json: AsJson = False) -> None:
    """Let a model's breakers decide for themselves again."""
    cleared = api.clear_breaker(model, region=region)
    if as_json:
        show_json({"model": model, "region": region, "cleared": cleared})
    else:
        say(f"{model} decides for itself again." if cleared else f"{model} was not held.")


def _hold(model: str, mode: Override, region: str | None, by: str | None, *, as_json: bool) -> None:
    held = api.override_breaker(model, mode, region=region, by=by or _this_user())
    known = current().models.find(model).known
    if as_json:
        show_json({**held.as_dict(), "known_model": known})
    else:
        say(f"{held.place} is held {mode}; every process knows within seconds.")
    if not known:
        say(f"Warning: the model registry does not know {model}; see: kenshin budget models")


def _this_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
