"""What the command prints: tables for people on a terminal, JSON for programs.

A table loses no column and breaks no word, so that every id can be copied. On a terminal too narrow for it, its rows
follow one another as names and values; where standard output is no terminal, it is as wide as it needs to be.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from kenshin.errors import KenshinError

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

SHORT = 20
"""Columns up to so many characters wide, such as an instant's, are never made narrower."""

GAP = 2
"""So many blanks stand between two columns."""

EMPTY: tuple[object, ...] = (None, "", (), [], {})

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def say(text: str) -> None:
    """A line for a person; goes to standard error, so that standard output stays clean for pipes."""
    errors.print(text, markup=False, soft_wrap=True)


def instant(at: datetime) -> str:
    """An instant as people read it; programs get ISO 8601."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


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
        if empty:
            console.print(empty, markup=False, soft_wrap=True)
        return
    headings = columns or {name: name.replace("_", " ") for name in rows[0]}
    cells = [[_cell(row.get(name)) for name in headings] for row in rows]
    widths = _widths(list(headings.values()), cells)
    _title(title)
    if widths is None:
        for row in cells:
            _print_facts(zip(headings.values(), row, strict=True))
        return
    table = Table(
        width=sum(widths) + GAP * (len(widths) - 1),
        header_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
    for (name, heading), width in zip(headings.items(), widths, strict=True):
        table.add_column(
            heading, justify="right" if _is_figure(rows, name) else "left", width=width, overflow="fold"
        )
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table, soft_wrap=True)
    console.print()


def show_facts(facts: Mapping[str, Any], *, as_json: bool, title: str) -> None:
    """Names and values below one another or as a JSON object; what is empty is left out for people."""
    if as_json:
        show_json(dict(facts))
        return
    _title(title)
    _print_facts(
        (name.replace("_", " "), _cell(value)) for name, value in facts.items() if value not in EMPTY
    )


def show_error(error: KenshinError, *, as_json: bool) -> None:
    """What was refused, why, and what to do about it."""
    if as_json:
        show_json(error.as_dict())
        return
    errors.print(f"[bold red]{error.title}:[/] {escape(str(error.value))}", soft_wrap=True)
    errors.print(f"  why:  {escape(error.reason)}", soft_wrap=True)
    errors.print(f"  mend: {escape(error.mend)}", soft_wrap=True)


def _title(title: str) -> None:
    console.print(Text(title, style="bold"), soft_wrap=True)
    console.print()


def _print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Names, and beside them values in lines that break between words."""
    told = list(facts)
    indent = max((cell_len(name) for name, _ in told), default=0) + GAP
    room = max(console.width - indent, SHORT)
    for name, value in told:
        lines = value.splitlines() or [""]
        if console.is_terminal:
            lines = [
                part
                for line in lines
                for part in textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False)
            ]
        left = Text(name.ljust(indent), style="bold")
        console.print(left.append(("\n" + " " * indent).join(lines), style="not bold"), soft_wrap=True)
    console.print()


def _widths(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> list[int] | None:
    """How wide each column is; None where the terminal is too narrow for their words."""
    columns = [list(column) for column in zip(*cells, strict=True)]
    longest = [max(cell_len(line) for cell in column for line in cell.split("\n")) for column in columns]
    widths = [max(cell_len(heading), width) for heading, width in zip(headings, longest, strict=True)]
    if not console.is_terminal:
        return widths
    least = [
        max(min(width, SHORT), *(cell_len(word) for text in (heading, *column) for word in text.split()))
        for heading, column, width in zip(headings, columns, longest, strict=True)
    ]
    room = console.width - GAP * (len(widths) - 1)
    if sum(least) > room:
        return None
    excess = sum(widths) - room
    while excess > 0:
        # The widest column that can give, gives.
        at = max((at for at, width in enumerate(widths) if width > least[at]), key=widths.__getitem__)
        given = min(excess, widths[at] - least[at], max(1, widths[at] - room))
        widths[at], excess = widths[at] - given, excess - given
    return widths


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
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, Mapping):
        parts = [(str(name).replace("_", " "), _inner(each)) for name, each in value.items()]
        return ", ".join(f"{name} {part}" for name, part in parts if part)
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(_inner, value)))
    text = str(value)
    return instant(datetime.fromisoformat(text)) if _INSTANT.fullmatch(text) else text


def _inner(value: object) -> str:
    """A part of a value, empty where there is nothing to tell; what has names of its own stands in brackets."""
    if value in EMPTY:
        return ""
    if isinstance(value, list | tuple):
        return " and ".join(filter(None, map(_inner, value)))
    part = _cell(value)
    return f"({part})" if part and isinstance(value, Mapping) else part
