"""A forest: estimates with their intervals, one a row, beside the estimate of the whole."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kenshin.charts.legible import legible
from kenshin.charts.theme import PRINTED, Chart, Theme

LABELLED = 150
"""So wide is the column of labels; on a phone a third of the chart."""

ROW = 34
TITLE = "worse   ←   difference from control   →   better"
LONGEST = 24
"""Longer labels are cut; the table beside a chart tells them whole."""


def forest(
    rows: Sequence[Mapping[str, Any]],
    *,
    whole: Mapping[str, Any],
    theme: Theme = PRINTED,
    width: int = 640,
    title: str = TITLE,
) -> Chart:
    """Parts of a whole, by their own estimates.

    Args:
        rows: one a part, in the order in which they are shown: ``label``, ``sessions``, ``delta``, ``ci_low``,
            ``ci_high``; None where a part is too small to be estimated.
        whole: the same figures of the whole, drawn last and as a guide through all rows.
        theme: its colours.
        width: of labels and plot together, in pixels.
        title: of the horizontal axis.
    """
    import altair as alt

    labelled = min(LABELLED, width // 3)
    parts = [row for row in rows if row["delta"] is not None]
    shown = [_drawn(row, "part") for row in parts] + [_drawn(whole, "whole")]
    most = max(1, *(row["sessions"] for row in shown))
    # Two parts may have the same label, so that a row is known by its place.
    data = alt.InlineData(
        values=[{**row, "place": place, "weight": row["sessions"] / most} for place, row in enumerate(shown)]
    )
    labels = f"{json.dumps([row['label'] for row in shown])}[datum.value]"
    axis = alt.Axis(
        domain=False,
        ticks=False,
        labelExpr=labels,
        labelAlign="left",
        labelLimit=labelled - 8,
        labelPadding=labelled,
    )
    y = alt.Y("place:O", title=None, scale=alt.Scale(paddingOuter=0.3), axis=axis)
    base = alt.Chart(data).encode(y=y)
    x = alt.X("delta:Q", title=title, scale=alt.Scale(nice=True, zero=True), axis=alt.Axis(tickCount=6))
    colour = alt.Color(
        "kind:N", scale=alt.Scale(domain=["part", "whole"], range=[theme.arms[1], theme.ink]), legend=None
    )
    zero, guide = (
        alt.Chart(alt.InlineData(values=[{"at": at}])).encode(x="at:Q") for at in (0, whole["delta"])
    )
    guides = (
        zero.mark_rule(aria=False, color=theme.muted, strokeWidth=1),
        guide.mark_rule(aria=False, color=theme.ink, strokeDash=[3, 3], strokeWidth=1, opacity=0.6),
    )
    intervals = base.mark_rule(aria=False, strokeWidth=2, opacity=0.6).encode(
        x=alt.X("ci_low:Q"), x2="ci_high:Q", color=colour
    )
    points = base.mark_point(filled=True, opacity=1).encode(
        x=x,
        color=colour,
        shape=alt.Shape(
            "kind:N", scale=alt.Scale(domain=["part", "whole"], range=["square", "diamond"]), legend=None
        ),
        size=alt.Size("weight:Q", scale=alt.Scale(domain=[0, 1], range=[30, 190]), legend=None),
        description="words:N",
    )
    return alt.layer(*guides, intervals, points).properties(
        width=width - labelled, height=ROW * len(shown) + 8
    )


def _drawn(row: Mapping[str, Any], kind: str) -> dict[str, Any]:
    label = legible(str(row["label"]))
    return {
        "label": legible(label, longest=LONGEST),
        "kind": kind,
        "sessions": row["sessions"],
        "delta": row["delta"],
        "ci_low": row["ci_low"],
        "ci_high": row["ci_high"],
        "words": f"{label}: {row['delta']:+.3g}, interval {row['ci_low']:+.3g} to {row['ci_high']:+.3g}, "
        f"{row['sessions']:,} sessions",
    }
