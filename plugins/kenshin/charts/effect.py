"""A candidate's effect over the nights, against the boundary at which it decides.

The boundary and the repeated interval say the same: the interval leaves zero out exactly where the estimate leaves the
zone. Both are drawn, since one shows how sure an estimate is, the other how far it is from a decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kenshin.charts.theme import PRINTED, Chart, Theme

HEADROOM = 1.15
TITLE = "worse   ←   difference from control   →   better"


def effect(
    rows: Sequence[Mapping[str, Any]],
    *,
    horizon: int,
    theme: Theme = PRINTED,
    width: int = 640,
    height: int = 260,
    title: str = TITLE,
) -> Chart:
    """The effect night by night.

    Args:
        rows: one a look, oldest first: ``night``, ``day``, ``estimate``, and ``ci_low``, ``ci_high`` of the repeated
            interval, None where the look could not decide.
        horizon: the last planned night.
        theme: its colours.
        width: of the plot, in pixels.
        height: of the plot, in pixels.
        title: of the vertical axis.
    """
    import altair as alt

    data = alt.InlineData(values=[_drawn(row) for row in rows])
    last = max([horizon, *(row["night"] for row in rows)])
    x = alt.X(
        "night:Q",
        title="night",
        scale=alt.Scale(domain=[0.5, last + 0.5], nice=False),
        axis=alt.Axis(format="d", grid=False, tickMinStep=1, values=_ticks(last, most=max(2, width // 40))),
    )
    low, high = _extent(rows)
    y = alt.Y("estimate:Q", title=title, scale=alt.Scale(domain=[low, high], nice=True, zero=False))
    base = alt.Chart(data).encode(x=x)
    bounded = base.transform_filter("isValid(datum.limit)")
    zone = bounded.mark_area(aria=False, color=theme.zone, clip=True).encode(y=alt.Y("below:Q"), y2="limit:Q")
    edges = [
        bounded.mark_line(
            aria=False, color=theme.muted, strokeDash=[4, 3], strokeWidth=1.2, clip=True
        ).encode(y=f"{edge}:Q")
        for edge in ("limit", "below")
    ]
    zero = (
        alt.Chart(alt.InlineData(values=[{"zero": 0}]))
        .mark_rule(aria=False, color=theme.muted, strokeWidth=1)
        .encode(y="zero:Q")
    )
    line = theme.arms[1]
    intervals = bounded.mark_rule(color=line, strokeWidth=2, opacity=0.55, clip=True).encode(
        y="ci_low:Q", y2="ci_high:Q", description="words:N"
    )
    path = base.mark_line(aria=False, color=line, strokeWidth=2, clip=True).encode(y=y)
    points = (
        base.transform_calculate(filled="datum.decisive ? 'yes' : 'no'")
        .mark_point(color=line, size=58, opacity=1, clip=True)
        .encode(
            y=y,
            fill=alt.Fill(
                "filled:N", scale=alt.Scale(domain=["yes", "no"], range=[line, theme.zone]), legend=None
            ),
            description="words:N",
        )
    )
    newest = (
        base.transform_filter(f"datum.night == {rows[-1]['night']}")
        .mark_text(align="left", dx=8, fontSize=12, fontWeight="bold", color=theme.ink, aria=False)
        .encode(y=y, text="figure:N")
    )
    return alt.layer(zone, *edges, zero, intervals, path, points, newest).properties(
        width=width, height=height
    )


def _drawn(row: Mapping[str, Any]) -> dict[str, Any]:
    low, high = row["ci_low"], row["ci_high"]
    decides = low is not None and high is not None
    limit = (high - low) / 2 if decides else None
    interval = f", interval {low:+.3g} to {high:+.3g}" if decides else ", too early to decide"
    return {
        "night": row["night"],
        "estimate": row["estimate"],
        "ci_low": low,
        "ci_high": high,
        "limit": limit,
        "below": None if limit is None else -limit,
        "decisive": decides and not low <= 0 <= high,
        "figure": f"{row['estimate']:+.3g}".replace("-", "−"),
        "words": f"Night {row['night']} ({row['day']}): {row['estimate']:+.3g}{interval}",
    }


def _extent(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """The range to show: every estimate, and the later half of the intervals; the first are wider than any effect."""
    later = [row for row in rows if row["ci_low"] is not None]
    later = later[len(later) // 2 :]
    ends = [0.0, *(row["estimate"] for row in rows)]
    ends += [end for row in later for end in (row["ci_low"], row["ci_high"])]
    ends += [side * (row["ci_high"] - row["ci_low"]) / 2 for row in later for side in (-1, 1)]
    low, high = HEADROOM * min(ends), HEADROOM * max(ends)
    return (low, high) if low < high else (-1.0, 1.0)


def _ticks(last: int, *, most: int) -> list[int]:
    step = -(-last // most)
    return list(range(step, last + 1, step)) if step > 1 else list(range(1, last + 1))
