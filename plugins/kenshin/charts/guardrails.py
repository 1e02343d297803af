"""Guardrails: by how much each guarded figure changed, beside the margin that it may not pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kenshin.charts.theme import PRINTED, Chart, Theme

LABELLED = 150
"""So wide is the column of labels; on a phone a third of the chart."""

ROW = 38
OUTCOMES = ("passes", "undecided", "harmed")


def guardrails(rows: Sequence[Mapping[str, Any]], *, theme: Theme = PRINTED, width: int = 640) -> Chart:
    """One row a guarded figure: its interval, and where harm begins.

    Args:
        rows: ``label``, ``delta_relative``, ``ci_low``, ``ci_high`` (shares of control's figure; None where there is no
            estimate), ``margin`` (with its sign: where harm begins) and ``outcome`` (passes, undecided or harmed).
        theme: its colours.
        width: of labels and plot together, in pixels.
    """
    import altair as alt

    labelled = min(LABELLED, width // 3)
    data = alt.InlineData(values=[_drawn(row) for row in rows])
    y = alt.Y(
        "label:N",
        sort=[row["label"] for row in rows],
        title=None,
        scale=alt.Scale(paddingOuter=0.2),
        axis=alt.Axis(
            domain=False, ticks=False, labelAlign="left", labelLimit=labelled - 8, labelPadding=labelled
        ),
    )
    ends = [0.0, *(1.3 * row["margin"] for row in rows)]
    ends += [row[end] for row in rows for end in ("ci_low", "ci_high") if row[end] is not None]
    scale = alt.Scale(domain=[min(ends), max(ends)], nice=True)
    axis = alt.Axis(format="+.0%", tickCount=6)
    x = alt.X("delta_relative:Q", title="change against control", scale=scale, axis=axis)
    colour = alt.Color(
        "outcome:N",
        scale=alt.Scale(domain=list(OUTCOMES), range=[theme.good, theme.undecided, theme.bad]),
        legend=None,
    )
    base = alt.Chart(data).encode(y=y)
    zero = (
        alt.Chart(alt.InlineData(values=[{"zero": 0}]))
        .mark_rule(aria=False, color=theme.muted, strokeWidth=1)
        .encode(x="zero:Q")
    )
    margins = base.mark_tick(color=theme.bad, thickness=3, size=ROW * 0.72, opacity=1).encode(
        x=alt.X("margin:Q"), description="limit:N"
    )
    estimated = base.transform_filter("isValid(datum.delta_relative)")
    intervals = estimated.mark_rule(aria=False, strokeWidth=2.5, opacity=0.6).encode(
        x=alt.X("ci_low:Q"), x2="ci_high:Q", color=colour
    )
    points = estimated.mark_point(filled=True, size=80, opacity=1).encode(
        x=x, color=colour, description="words:N"
    )
    return alt.layer(zero, margins, intervals, points).properties(
        width=width - labelled, height=ROW * len(rows) + 8
    )


def _drawn(row: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("label", "delta_relative", "ci_low", "ci_high", "margin", "outcome")
    return {
        **{key: row[key] for key in keys},
        "limit": f"{row['label']}: margin {row['margin']:+.1%}",
        "words": f"{row['label']}: {row['delta_relative']:+.1%}, {row['outcome']}"
        if row["delta_relative"] is not None
        else f"{row['label']}: no estimate yet",
    }
