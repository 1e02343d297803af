"""The method in small print: what was compared, by what rules, and where the figures came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kenshin.experiments.page.numbers import NONE, percent, plain
from kenshin.experiments.page.words import estimated

SPENDING = {"obrien_fleming": "O'Brien-Fleming type", "pocock": "Pocock type"}


def method(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Pairs of a term and what is to be known of it; terms with nothing to say are left out."""
    notes = [
        ("Randomised", report["randomised"]),
        ("One session is", report["unit"]),
        ("The score", report["score_unit"]),
        ("Left out", report["left_out"]),
        ("Days", _days(report)),
        ("Rules", _rules(report)),
        ("Estimate", _estimate(report)),
        ("In the words of the proof of concept", _seed(report)),
        ("Report", f"{report['report_key']}, from {len(report['inputs'])} inputs"),
    ]
    return [(term, words) for term, words in notes if words]


def _days(report: Mapping[str, Any]) -> str:
    days = report["days"]
    said = f"{days['first']} to {days['last']}, {days['count']} nights"
    for key, words in (("missing_days", "not collected whole"), ("empty_days", "without an observation")):
        if report[key]:
            said += f"; {words}: {', '.join(report[key])}"
    return said + "."


def _rules(report: Mapping[str, Any]) -> str:
    policy = report["policy"]
    said = [
        f"Group-sequential test at {percent(policy['alpha'], 0)}, two-sided, Lan-DeMets spending of "
        f"{SPENDING[policy['spending']]} over {policy['horizon_nights']} nights",
        f"several candidates by {policy['correction'].capitalize()}",
        f"no decision before night {policy['minimum_nights']} or below {policy['minimum_sessions']} sessions an arm",
    ]
    if policy["futility"] is not None:
        said.append(f"given up below {percent(policy['futility'], 0)} conditional power")
    if policy["extend"]:
        said.append("goes on after the horizon on a fifth of alpha that was kept back")
    return "; ".join(said) + "."


def _estimate(report: Mapping[str, Any]) -> str:
    said = ["Ratio of sums over sessions, with the delta method's variance; stratified by phase"]
    sharpened = [each["cuped"] for each in estimated(report) if each["cuped"]]
    if sharpened:
        said.append(
            f"sharpened by a covariate known before exposure (CUPED), variance less by "
            f"{percent(sharpened[0]['variance_reduction'], 0)}"
        )
    if report["policy"]["winsorise"]:
        cuts = ", ".join(
            f"{name} at {percent(at)}" for name, at in sorted(report["policy"]["winsorise"].items())
        )
        said.append(f"values cut at a percentile: {cuts}")
    detectable = report["plan"]["minimal_detectable_effect"]
    if detectable is not None:
        said.append(f"a difference of {plain(detectable)} is found by the last night four times in five")
    return "; ".join(said) + "."


def _seed(report: Mapping[str, Any]) -> str:
    recommendation = report.get("recommendation")
    p_value = report.get("p_value")
    tested = (
        f"Welch's p {plain(p_value, 2)}: {report.get('p_value_note', NONE)}." if p_value is not None else ""
    )
    return " ".join(part for part in (recommendation and f"{recommendation}.", tested) if part)
