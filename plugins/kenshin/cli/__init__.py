"""The command ``kenshin``: experiments, drift history, sample data, and a doctor for the configuration.

- `app`: the command and how it answers errors.
- `experiments`, `drift`, `demo`, `doctor`: its sub-commands.
- `page`: an experiment's report as an HTML file.
- `output`: tables for people, JSON for programs.
- `airflow_api`: the few calls of Airflow's REST API that the command makes.
"""

from __future__ import annotations


def main() -> None:
    """Entry point of ``kenshin``; says what to install where the command's libraries are missing."""
    try:
        from kenshin.cli.app import run
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        raise SystemExit(
            f"kenshin: '{error.name}' is not installed. Run: pip install 'kenshin[cli,local]'"
        ) from error
    run()
