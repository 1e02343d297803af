"""The charts of a report, drawn twice: for a wide page, and for a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from kenshin.charts.effect import effect
from kenshin.charts.forest import forest
from kenshin.charts.guardrails import guardrails
from kenshin.charts.sessions import sessions
from kenshin.charts.svg import as_svg
from kenshin.charts.theme import STYLED, Chart
from kenshin.experiments.page.numbers import interval, signed, signed_percent
from kenshin.experiments.page.words import estimated, named

WIDE, NARROW = 690, 280
"""Widths of the plots, their axes left out, in pixels."""

NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with its words.

    Args:
        title: what it is.
        caption: how to read it.
        wide: as SVG, for a screen or paper.
        narrow: as SVG, for a phone.
        key: names and colours, ``(property, label)``; empty where the chart needs none.
    """

    title: str
    caption: str
    wide: str
    narrow: str
    key: tuple[tuple[str, str], ...] = ()


def figures(report: Mapping[str, Any]) -> list[Figure]:
    """Every chart for which the report has figures."""
    return [
        *_effects(report),
        *_sessions(report),
        *_guardrails(report),
        *_segments(report),
        *_phases(report),
    ]


def _drawn(name: str, words: str, chart: Callable[..., Chart]) -> tuple[str, str]:
    wide = as_svg(chart(theme=STYLED, width=WIDE), STYLED, name=f"{name}-wide", words=words)
    narrow = as_svg(chart(theme=STYLED, width=NARROW), STYLED, name=f"{name}-narrow", words=words)
    return wide, narrow


def _effects(report: Mapping[str, Any]) -> Iterator[Figure]:
    horizon = report["plan"]["horizon_nights"]
    for place, each in enumerate(estimated(report)):
        rows = [look for look in report["looks"] if look["arm"] == each["arm"]]
        if not rows:
            continue
        last = rows[-1]
        words = (
            f"Difference in score of {each['arm']} over {len(rows)} nights; on night {last['night']} "
            f"{signed(last['estimate'])}, interval {interval(last['ci_low'], last['ci_high'])}."
        )
        wide, narrow = _drawn(
            f"effect-{place}",
            words,
            partial(effect, rows, horizon=horizon),
        )
        yield Figure(
            f"The difference, night by night: {named(report, each['arm'])}",
            "In the grey zone chance could explain the difference. A point outside it decides; its bar, the interval "
            "that stays true however often one looks, then leaves zero out.",
            wide,
            narrow,
        )


def _sessions(report: Mapping[str, Any]) -> Iterator[Figure]:
    rows = session_rows(report)
    if not rows:
        return
    horizon = report["plan"]["horizon_nights"]
    held = report["mismatch"]["held"]
    words = "Sessions by arm until each night: " + ", ".join(
        f"{arm} {seen:,}" for arm, seen in report["mismatch"]["observed"].items()
    )
    wide, narrow = _drawn("sessions", words, partial(sessions, rows, horizon=horizon))
    caption = (
        "Above, sessions until each night; below, a candidate's share beside the assigned one (dashed). "
    )
    ill, well = (
        "They are not divided as assigned: nothing is decided.",
        "Nothing speaks against the assigned shares.",
    )
    yield Figure(
        "Sessions by arm",
        caption + (ill if held else well),
        wide,
        narrow,
        key=tuple(
            (f"--arm-{_place(place)}", named(report, arm["arm"])) for place, arm in enumerate(report["arms"])
        ),
    )


def session_rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The sessions of every arm until each night, from the looks; a candidate's share is of its own and control's."""
    control = report["arms"][0]["arm"]
    told = [look for look in report["looks"] if look["sessions_a"] is not None]
    nights = {look["night"]: look["sessions_a"] for look in told}
    return [
        {"night": night, "arm": control, "sessions": seen, "share": None, "expected": None}
        for night, seen in sorted(nights.items())
    ] + [
        {
            "night": look["night"],
            "arm": look["arm"],
            "sessions": look["sessions_b"],
            "share": look["sessions_b"] / (look["sessions_a"] + look["sessions_b"]),
            "expected": look["expected_b"],
        }
        for look in told
    ]


def _guardrails(report: Mapping[str, Any]) -> Iterator[Figure]:
    rows = guardrail_rows(report)
    if not rows:
        return
    words = "Changes of the guarded figures: " + "; ".join(
        f"{row['label']} {signed_percent(row['delta_relative'])}, {row['outcome']}" for row in rows
    )
    wide, narrow = _drawn("guardrails", words, partial(guardrails, rows))
    yield Figure(
        "Guardrails",
        "What must not get worse. Harm begins at the red mark: an interval short of it passes, one beyond it harms, "
        "one across it is undecided.",
        wide,
        narrow,
        key=(("--good", "passes"), ("--undecided", "undecided"), ("--bad", "harmed")),
    )


def guardrail_rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The guardrails with the margin on the side on which harm lies."""
    worse = {each["metric"]: each["worse"] for each in report["policy"]["guardrails"]}
    several = len({row["arm"] for row in report["guardrails"]}) > 1
    return [
        {
            **row,
            "label": f"{row['metric']}, {row['arm']}" if several else row["metric"],
            "margin": row["margin"] if worse[row["metric"]] == "higher" else -row["margin"],
        }
        for row in report["guardrails"]
    ]


def _segments(report: Mapping[str, Any]) -> Iterator[Figure]:
    for place, each in enumerate(estimated(report)):
        rows = [
            {**row, "label": row["segment"] or "without a segment"}
            for row in report["segments"]
            if row["arm"] == each["arm"]
        ]
        yield from _forest(
            report,
            f"segments-{place}",
            each,
            sorted(rows, key=lambda row: (-row["sessions"], row["label"])),
            f"By segment: {named(report, each['arm'])}",
            "For ideas, not for decisions: among many segments some look special by chance alone. A square is a "
            "segment with its 95 % interval, the larger the more sessions; the diamond is all of them, with tonight's.",
        )


def _phases(report: Mapping[str, Any]) -> Iterator[Figure]:
    for place, each in enumerate(estimated(report)):
        rows = [_phase(row) for row in each["by_phase"]]
        if len(rows) < 2:
            continue
        yield from _forest(
            report,
            f"phases-{place}",
            each,
            rows,
            f"By phase: {named(report, each['arm'])}",
            "A phase begins where the shares or a prompt changed. The phases are compared within themselves and put "
            "together by their sessions, so that a change of shares cannot pass for an effect.",
        )


def _phase(row: Mapping[str, Any]) -> dict[str, Any]:
    delta, half = row["delta"], None if row["se"] is None else NORMAL_95 * row["se"]
    return {
        "label": f"phase {row['phase']}",
        "sessions": row["sessions_a"] + row["sessions_b"],
        "delta": delta,
        "ci_low": None if delta is None or half is None else delta - half,
        "ci_high": None if delta is None or half is None else delta + half,
    }


def _forest(
    report: Mapping[str, Any],
    name: str,
    each: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    title: str,
    caption: str,
) -> Iterator[Figure]:
    if not any(row["delta"] is not None for row in rows):
        return
    looks = [look for look in report["looks"] if look["arm"] == each["arm"]]
    whole = {
        "label": "all sessions",
        "sessions": looks[-1]["sessions"] if looks else sum(row["sessions"] for row in rows),
        "delta": each["delta"],
        **_whole_interval(each),
    }
    words = f"{title}: " + "; ".join(f"{row['label']} {signed(row['delta'])}" for row in rows)
    wide, narrow = _drawn(name, words, partial(forest, rows, whole=whole))
    yield Figure(title, caption, wide, narrow)


def _whole_interval(each: Mapping[str, Any]) -> dict[str, float]:
    """The interval of the night; a plain one where the look could not decide."""
    if each["ci_low"] is not None:
        return {"ci_low": each["ci_low"], "ci_high": each["ci_high"]}
    half = NORMAL_95 * each["se"]
    return {"ci_low": each["delta"] - half, "ci_high": each["delta"] + half}


def _place(place: int) -> int:
    others = len(STYLED.arms) - 1
    return 0 if place == 0 else 1 + (place - 1) % others
