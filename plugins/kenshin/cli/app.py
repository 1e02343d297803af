"""The command: its sub-commands, and one way to answer an error."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from kenshin.cli import budget, demo, doctor, drift, experiments, health
from kenshin.cli.output import errors, show_error
from kenshin.errors import KenshinError
from kenshin.publishing import code_version

app = typer.Typer(
    name="kenshin",
    help="Regular check-ups for applications built on a foundation model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(experiments.app, name="experiments")
app.add_typer(drift.app, name="drift")
app.add_typer(budget.app, name="budget")
app.add_typer(health.app, name="health")
app.add_typer(demo.app, name="demo")
app.command(name="doctor")(doctor.doctor)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kenshin {code_version()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the library's log lines.")] = False,
) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.ERROR, format="%(levelname)s %(name)s: %(message)s"
    )


def run() -> None:
    """Run the command; what Kenshin refuses ends it with exit code 2 and says what to do."""
    try:
        app()
    except KenshinError as error:
        show_error(error, as_json="--json" in sys.argv)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        errors.print("Interrupted.")
        raise SystemExit(130) from None
