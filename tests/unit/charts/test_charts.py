"""The specs hold what they were given, in a form that Vega-Lite's schema accepts: Altair checks it on `to_dict`."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from kenshin.charts.effect import effect
from kenshin.charts.forest import forest
from kenshin.charts.guardrails import guardrails
from kenshin.charts.legible import legible
from kenshin.charts.sessions import sessions
from kenshin.charts.svg import as_svg
from kenshin.charts.theme import PRINTED, STYLED


def look(night, estimate, half=None):
    low, high = (None, None) if half is None else (estimate - half, estimate + half)
    return {
        "night": night,
        "day": f"2026-11-{night:02}",
        "estimate": estimate,
        "ci_low": low,
        "ci_high": high,
    }


def values(chart):
    """All rows of a chart, as the spec holds them."""
    return [row for rows in PRINTED.dressed(chart).to_dict()["datasets"].values() for row in rows]


LOOKS = [look(1, 0.05), look(2, 0.04, 0.2), look(3, 0.03, 0.05), look(4, 0.03, 0.02)]
PARTS = [
    {"label": "rural", "sessions": 50, "delta": 0.1, "ci_low": 0.0, "ci_high": 0.2},
    {"label": "rural", "sessions": 5, "delta": -0.1, "ci_low": -0.4, "ci_high": 0.2},
    {"label": "too small", "sessions": 1, "delta": None, "ci_low": None, "ci_high": None},
]
WHOLE = {"label": "all", "sessions": 100, "delta": 0.05, "ci_low": 0.01, "ci_high": 0.09}
GUARDS = [
    {
        "label": "cost",
        "delta_relative": 0.2,
        "ci_low": 0.1,
        "ci_high": 0.3,
        "margin": 0.05,
        "outcome": "harmed",
    },
    {
        "label": "turns",
        "delta_relative": None,
        "ci_low": None,
        "ci_high": None,
        "margin": -0.1,
        "outcome": "undecided",
    },
]
SESSIONS = [
    {"night": 1, "arm": "A", "sessions": 100, "share": None, "expected": None},
    {"night": 1, "arm": "B", "sessions": 300, "share": 0.75, "expected": 0.5},
]


def every_chart(label="rural"):
    return {
        "effect": effect(LOOKS, horizon=14, theme=STYLED),
        "sessions": sessions(
            [{**row, "arm": row["arm"] + label} for row in SESSIONS], horizon=14, theme=STYLED
        ),
        "forest": forest([{**PARTS[0], "label": label}], whole=WHOLE, theme=STYLED),
        "guardrails": guardrails([{**GUARDS[0], "label": label}], theme=STYLED),
    }


def test_the_boundary_is_where_the_interval_leaves_zero_out():
    rows = {row["night"]: row for row in values(effect(LOOKS, horizon=14)) if "night" in row}
    assert [row["limit"] for row in rows.values()] == [
        None,
        pytest.approx(0.2),
        pytest.approx(0.05),
        pytest.approx(0.02),
    ]
    assert [row["decisive"] for row in rows.values()] == [False, False, False, True]
    assert rows[4]["below"] == pytest.approx(-0.02)
    assert "too early" in rows[1]["words"]
    assert "Night 4 (2026-11-04): +0.03, interval +0.01 to +0.05" in rows[4]["words"]


def scale_of(chart, channel):
    spec = PRINTED.dressed(chart).to_dict()
    return next(
        layer["encoding"][channel]["scale"]["domain"]
        for layer in spec["layer"]
        if "domain" in layer["encoding"].get(channel, {}).get("scale", {})
    )


def test_the_nights_to_come_are_shown_and_the_first_wide_intervals_do_not_set_the_scale():
    chart = effect(LOOKS, horizon=14)
    assert scale_of(chart, "x") == [0.5, 14.5]
    low, high = scale_of(chart, "y")
    assert low <= -0.02
    assert 0.05 <= high < 0.24
    assert scale_of(effect([look(20, 0.1, 0.2)], horizon=14), "x") == [0.5, 20.5]


def test_a_chart_of_nothing_but_zero_has_a_scale():
    low, high = scale_of(effect([look(1, 0.0)], horizon=2), "y")
    assert low < 0 < high


def test_a_forest_keeps_parts_of_one_name_apart_and_leaves_out_what_has_no_estimate():
    rows = [row for row in values(forest(PARTS, whole=WHOLE)) if "kind" in row]
    assert [(row["label"], row["kind"], row["place"]) for row in rows] == [
        ("rural", "part", 0),
        ("rural", "part", 1),
        ("all", "whole", 2),
    ]
    assert [row["weight"] for row in rows] == [0.5, 0.05, 1.0]


def test_guardrails_show_a_margin_where_there_is_no_estimate_yet():
    rows = {row["label"]: row for row in values(guardrails(GUARDS)) if "label" in row}
    assert (rows["turns"]["margin"], rows["turns"]["delta_relative"]) == (-0.1, None)
    assert "harmed" in rows["cost"]["words"]
    assert scale_of(guardrails(GUARDS), "x") == [pytest.approx(-0.13), 0.3]


def test_shares_far_from_the_assigned_ones_are_in_the_picture():
    spec = PRINTED.dressed(sessions(SESSIONS, horizon=3)).to_dict()
    scale = spec["vconcat"][1]["layer"][1]["encoding"]["y"]["scale"]["domain"]
    assert scale == [pytest.approx(0.2), pytest.approx(0.8)]
    rows = [row for row in values(sessions(SESSIONS, horizon=3)) if row["arm"] == "B"]
    assert {row["words"] for row in rows} == {"Night 1, B: 300 sessions, share 75.0%, assigned 50.0%"}


def test_arms_beyond_the_colours_begin_again_after_control():
    scale = PRINTED.arm_colours(list("ABCDEFG")).to_dict()
    assert scale["range"][0] == PRINTED.arms[0]
    assert scale["range"][5] == scale["range"][1]
    assert PRINTED.arms[0] not in scale["range"][1:]


@pytest.mark.parametrize("name", sorted(every_chart()))
def test_a_drawing_is_the_same_each_time_and_stands_on_its_own(name):
    first = as_svg(every_chart()[name], STYLED, name=name, words='what "it" shows <b>')
    assert as_svg(every_chart()[name], STYLED, name=name, words='what "it" shows <b>') == first
    root = ElementTree.fromstring(first)  # noqa: S314 - our own
    assert (root.tag, root.get("role"), root.get("aria-label")) == ("svg", "img", 'what "it" shows <b>')
    assert {"width", "height", "viewBox"} <= set(root.attrib)
    tags = {element.tag for element in root.iter()}
    assert tags <= {"svg", "g", "path", "line", "rect", "text", "title", "defs", "clipPath", "tspan"}
    names = [element.get("id") for element in root.iter() if element.get("id")]
    assert all(each.startswith(f"{name}-") for each in names)
    assert len(set(names)) == len(names)
    referred = [element.get("clip-path") for element in root.iter() if element.get("clip-path")]
    assert {each.removeprefix("url(#").removesuffix(")") for each in referred} <= set(names)
    assert [title for title in root.iter("title") if title.text]
    assert "http" not in first
    assert "var(--" in first


HOSTILE = "</text><script>alert(1)</script>\x00\x1b\ufffe\ud800 '\"];alert(2)//\\"


@pytest.mark.parametrize("name", ["sessions", "forest", "guardrails"])
def test_hostile_names_are_text(name):
    drawn = as_svg(every_chart(HOSTILE)[name], STYLED, name=name, words=HOSTILE)
    root = ElementTree.fromstring(drawn)  # noqa: S314 - our own
    assert not list(root.iter("script"))
    assert any("</text><script>" in (element.text or "") for element in root.iter())


def test_illegible_text_becomes_spaces_and_long_text_is_cut():
    assert legible("a\x00b\tc\ud800d") == "a b\tc d"
    assert legible("abcdef", longest=4) == "abc…"
    assert legible("abcd", longest=4) == "abcd"
