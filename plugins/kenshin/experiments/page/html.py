"""A report's JSON to one HTML file."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Any

from kenshin.errors import BackendUnavailable
from kenshin.experiments.page.figures import figures
from kenshin.experiments.page.method import method
from kenshin.experiments.page.tables import tables
from kenshin.experiments.page.words import summary

ASSETS = "kenshin.experiments.page"


def render_page(report: Mapping[str, Any], *, ledger: Sequence[Mapping[str, Any]] = ()) -> bytes:
    """The page of a report; the same report gives the same bytes.

    Args:
        report: what `ExperimentReport.as_dict` answers.
        ledger: entries to show beside the looks, as ``{"number", "at", "kind", "by", "body"}``; a nightly page has
            none, since it shall not change with what happens later.

    Raises:
        BackendUnavailable: a package that draws or writes the page is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup
    except ImportError as error:
        raise BackendUnavailable(
            value="jinja2",
            reason="the package that writes pages is not installed",
            mend="Run: pip install 'kenshin[charts]'.",
        ) from error
    style = (files(ASSETS) / "page.css").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((files(ASSETS) / "page.html").read_text(encoding="utf-8"))
    return template.render(
        report=report,
        summary=summary(report),
        figures=[(each, Markup(each.wide), Markup(each.narrow)) for each in figures(report)],  # noqa: S704 - escaped
        tables=tables(report, ledger),
        method=method(report),
        style=Markup(style),  # noqa: S704 - the package's own
        style_hash=b64encode(sha256(style.encode()).digest()).decode(),
    ).encode()
