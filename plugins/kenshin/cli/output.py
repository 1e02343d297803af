"""What the command prints: tables for people on a terminal, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kenshin.errors import KenshinError

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

SHORT = 26
"""Columns up to so many characters wide are never made narrower."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def say(text: str) -> None:
    """A line for a person; goes to standard error, so that standard output stays clean for pipes."""
    errors.print(text, markup=False)


def show_json(body: object) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(body, indent=2, ensure_ascii=False, default=str))


def show_rows(
    rows: Sequence[Mapping[str, Any]],
    *,
    as_json: bool,
    title: str,
    empty: str,
    columns: Mapping[str, str] | None = None,
) -> None:
    """Rows as a table or as a JSON array.

    Args:
        rows: what to show, all with the same keys.
        as_json: as a JSON array, every key of it.
        title: heading of the table.
        empty: what to say where there are no rows.
        columns: keys to show in the table and their headings, in order; all keys unless given.
    """
    if as_json:
        show_json(list(rows))
        return
    if not rows:
        console.print(empty)
        return
    headings = columns or {name: name.replace("_", " ") for name in rows[0]}
    table = _table(title)
    for name, heading in headings.items():
        width = max(len(heading), *(len(_cell(row.get(name))) for row in rows))
        table.add_column(
            heading,
            justify="right" if _is_figure(rows, name) else "left",
            min_width=width if width <= SHORT else None,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in headings))
    console.print(table)


def show_facts(facts: Mapping[str, Any], *, as_json: bool, title: str) -> None:
    """Names and values as a two-column table or as a JSON object."""
    if as_json:
        show_json(dict(facts))
        return
    table = _table(title, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value not in (None, "", (), [], {}):
            table.add_row(name.replace("_", " "), _cell(value))
    console.print(table)


def show_error(error: KenshinError, *, as_json: bool) -> None:
    """What was refused, why, and what to do about it."""
    if as_json:
        show_json(error.as_dict())
        return
    errors.print(f"[bold red]{error.title}:[/] {escape(str(error.value))}")
    errors.print(f"  why:  {escape(error.reason)}")
    errors.print(f"  mend: {escape(error.mend)}")


def _table(title: str, *, show_header: bool = True) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        show_header=show_header,
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )


def _is_figure(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    values = [row.get(name) for row in rows if row.get(name) is not None]
    return bool(values) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return escape(", ".join(f"{name} {_cell(each)}" for name, each in value.items()))
    if isinstance(value, list | tuple):
        return escape(", ".join(_cell(each) for each in value))
    return escape(str(value))
