"""The words of a report: what is recommended, why, how sure that is, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kenshin.experiments.page.numbers import NONE, count, interval, percent, plain, signed, signed_percent

Tone = Literal["good", "bad", "waiting", "neutral"]

HEADLINES: Mapping[str, tuple[str, Tone]] = {
    "hold": ("Hold: the figures cannot be used yet", "waiting"),
    "roll_back": ("Take the candidate back", "bad"),
    "promote": ("Promote the candidate", "good"),
    "reject": ("Keep the version in use", "neutral"),
    "inconclusive": ("No difference was shown", "neutral"),
    "extend": ("Keep running, past the plan", "waiting"),
    "continue": ("Keep running", "waiting"),
}
"""Each verdict as a headline, and its tone."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure that a reader should carry away: what it is, the figure, and what to hold it against."""

    name: str
    figure: str
    note: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands first on the page.

    Args:
        headline: the verdict in a few words.
        tone: its colour.
        words: the decision in one or two sentences.
        why: its reasons, one a sentence.
        sure: how far it can be trusted.
        next: what happens now, and what a reader may do.
        tiles: the few figures to remember.
    """

    headline: str
    tone: Tone
    words: str
    why: tuple[str, ...]
    sure: tuple[str, ...]
    next: tuple[str, ...]
    tiles: tuple[Tile, ...]


def summary(report: Mapping[str, Any]) -> Summary:
    """The words of a report's first screen."""
    decision = report["decision"]
    headline, tone = HEADLINES[decision["verdict"]]
    lead = leading(report)
    return Summary(
        headline=headline,
        tone=tone,
        words=decision["words"],
        why=tuple(decision["reasons"]),
        sure=_sure(report, lead),
        next=_next(report),
        tiles=_tiles(report, lead),
    )


def leading(report: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The comparison that the decision is about, else the first; None where nothing could be compared."""
    about = [each for each in report["primary"] if each["arm"] == report["decision"]["arm"]]
    return next(iter([*about, *report["primary"]]), None)


def named(report: Mapping[str, Any], arm: str) -> str:
    """An arm with its prompt version."""
    versions = {each["arm"]: each["prompt_version"] for each in report["arms"]}
    return f"{arm} ({versions[arm]})" if arm in versions else arm


def _sure(report: Mapping[str, Any], lead: Mapping[str, Any] | None) -> tuple[str, ...]:
    policy, decision = report["policy"], report["decision"]
    said = [
        f"Looked at every night, these rules find a difference where there is none in at most "
        f"{percent(policy['alpha'], 0)} of experiments."
    ]
    if lead is not None and lead["z"] is not None:
        distance = f"{named(report, lead['arm'])} is {plain(abs(lead['z']))} standard errors from no difference"
        said.append(
            f"{distance}; it is too early for a decision."
            if lead["boundary"] is None
            else f"{distance}; tonight {plain(lead['boundary'])} decide."
        )
    if decision["biased_upward"]:
        said.append(
            "The experiment crossed its boundary early: the true difference is probably smaller than the estimate."
        )
    if lead is not None and lead["disagreement"]:
        said.append("Two ways to average the scores contradict each other, so a person has to look before anything moves.")
    power = report["plan"]["conditional_power"]
    if decision["verdict"] == "continue" and power is not None:
        said.append(f"If the present trend holds, a decision by the last night has a chance of {percent(power, 0)}.")
    return tuple(said)


def _next(report: Mapping[str, Any]) -> tuple[str, ...]:
    verdict, promotion = report["decision"]["verdict"], report["policy"]["promotion"]
    plan, name = report["plan"], report["experiment_id"]
    asked = ", ".join(promotion["approvers"]) or "whoever may answer there"
    question = f"Airflow asks {asked}, for {plain(promotion['answer_within_hours'])} hours (DAG promote_experiment)."
    silence = (
        "Without an answer it is promoted, if nothing in the figures stands against that."
        if promotion["on_timeout"] == "promote"
        else "Without an answer everything stays as it is."
    )
    control = report["arms"][0]["arm"]
    stop = f"To end it: kenshin experiments stop {name} --winner {control}"
    again = "The next night looks again by itself."
    return {
        "promote": (question, silence),
        "roll_back": ("The policy takes it back without asking.",)
        if promotion["auto_roll_back"]
        else (question, "Without an answer everything stays as it is."),
        "reject": (f"Sessions are still divided among the arms. {stop}",),
        "hold": (f"Mend what is named above. {again}",),
        "inconclusive": (f"Decide by other reasons, or run a larger experiment. {stop}",),
        "extend": (again,),
        "continue": (f"{again} The plan ends after night {plan['horizon_nights']}.",),
    }[verdict]


def _tiles(report: Mapping[str, Any], lead: Mapping[str, Any] | None) -> tuple[Tile, ...]:
    plan = report["plan"]
    left = plan["nights_left"]
    tiles = [
        Tile(
            "Night",
            f"{plan['night']} of {plan['horizon_nights']}",
            f"through {report['day']}" if left is None else f"{left} left in the plan",
        ),
        Tile(
            "Sessions",
            count(sum(arm["sessions"] for arm in report["arms"])),
            " · ".join(f"{arm['arm']} {count(arm['sessions'])}" for arm in report["arms"]),
        ),
    ]
    if lead is None:
        return tuple(tiles)
    relative = signed_percent(lead["relative"])
    decides = lead["boundary"] is not None
    return (
        Tile(
            f"Score, {lead['arm']} against {report['arms'][0]['arm']}",
            signed(lead["delta"]),
            interval(lead["ci_low"], lead["ci_high"]) if decides else "too early for an interval",
        ),
        Tile("Relative to control", relative, _relative_note(lead)),
        *tiles,
    )


def _relative_note(lead: Mapping[str, Any]) -> str:
    low, high = lead["relative_ci"] or (None, None)
    return NONE if low is None or high is None else f"{signed_percent(low)} to {signed_percent(high)}, one look"
