"""Sessions by arm over the nights, and each candidate's share beside the assigned one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kenshin.charts.theme import PRINTED, Chart, Theme

LEAST_SPAN = 0.05
"""Shares are shown at least so far around the expected one: chance alone moves them a little."""


def sessions(
    rows: Sequence[Mapping[str, Any]],
    *,
    horizon: int,
    theme: Theme = PRINTED,
    width: int = 640,
    height: int = 150,
) -> Chart:
    """Two panels: the sessions until each night, and the candidates' shares of them.

    Args:
        rows: one a night and arm, control first: ``night``, ``arm``, ``sessions`` (until then), and a candidate's
            ``share`` beside ``expected``, the one that was assigned.
        horizon: the last planned night.
        theme: its colours.
        width: of the plots, in pixels.
        height: of the upper plot, in pixels; the lower one has two thirds of it.
    """
    import altair as alt

    arms = list(dict.fromkeys(row["arm"] for row in rows))
    last = max([horizon, *(row["night"] for row in rows)])
    x = alt.X(
        "night:Q",
        scale=alt.Scale(domain=[0.5, last + 0.5], nice=False),
        axis=alt.Axis(format="d", grid=False, tickMinStep=1, title=None, tickCount=max(2, width // 60)),
    )
    colour = alt.Color("arm:N", scale=theme.arm_colours(arms), legend=None)
    described = [{**row, "words": _words(row)} for row in rows]
    counted = alt.Chart(alt.InlineData(values=described)).encode(
        x=x,
        y=alt.Y(
            "sessions:Q",
            title="sessions",
            axis=alt.Axis(tickCount=4, format=",d"),
            scale=alt.Scale(nice=True),
        ),
        color=colour,
    )
    upper = alt.layer(
        counted.mark_line(aria=False, strokeWidth=2),
        counted.mark_point(size=28, filled=True).encode(description="words:N"),
    ).properties(width=width, height=height)
    candidates = [row for row in described if row["arm"] != arms[0]]
    shared = alt.Chart(alt.InlineData(values=candidates)).encode(x=x.title("night"), color=colour)
    shares = alt.Scale(domain=_span(candidates), nice=False, zero=False)
    y = alt.Y("share:Q", title="share", axis=alt.Axis(format=".0%", tickCount=4), scale=shares)
    lower = alt.layer(
        shared.mark_line(aria=False, strokeDash=[4, 3], strokeWidth=1.2).encode(y=alt.Y("expected:Q")),
        shared.mark_line(aria=False, strokeWidth=2).encode(y=y),
        shared.mark_point(size=28, filled=True).encode(y=y, description="words:N"),
    ).properties(width=width, height=height * 2 // 3)
    return alt.vconcat(upper, lower, spacing=18)


def _words(row: Mapping[str, Any]) -> str:
    share = "" if row["share"] is None else f", share {row['share']:.1%}, assigned {row['expected']:.1%}"
    return f"Night {row['night']}, {row['arm']}: {row['sessions']:,} sessions{share}"


def _span(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    far = max([LEAST_SPAN, *(1.2 * abs(row["share"] - row["expected"]) for row in rows)])
    expected = [row["expected"] for row in rows]
    return [max(0.0, min(expected) - far), min(1.0, max(expected) + far)]
