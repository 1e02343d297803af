"""The words of a report: what is recommended, why, how sure that is, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kenshin.experiments.page.numbers import (
    count,
    interval,
    percent,
    percent_interval,
    plain,
    signed,
    signed_percent,
)

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
        why=tuple(f"{each[:1].upper()}{each[1:]}" for each in decision["reasons"]),
        sure=_sure(report, lead),
        next=_next(report),
        tiles=_tiles(report, lead),
    )


def leading(report: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The comparison that the decision is about, else the first; None where nothing could be compared."""
    compared = estimated(report)
    about = [each for each in compared if each["arm"] == report["decision"]["arm"]]
    return next(iter([*about, *compared]), None)


def estimated(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The comparisons that have an estimate."""
    return [each for each in report["primary"] if each["delta"] is not None]


def named(report: Mapping[str, Any], arm: str) -> str:
    """An arm with its prompt version."""
    versions = {each["arm"]: each["prompt_version"] for each in report["arms"]}
    return f"{arm} ({versions[arm]})" if arm in versions else arm


def _sure(report: Mapping[str, Any], lead: Mapping[str, Any] | None) -> tuple[str, ...]:
    alpha, verdict = report["policy"]["alpha"], report["decision"]["verdict"]
    said = [
        f"Looked at every night, these rules find a difference where there is none in at most {percent(alpha, 0)} "
        "of experiments."
    ]
    if lead is not None and lead["boundary"] is not None:
        distance, limit = plain(abs(lead["z"])), plain(lead["boundary"])
        said += [
            f"The true difference lies between {interval(lead['ci_low'], lead['ci_high']).replace(' to ', ' and ')}; "
            f"that is wrong in at most {percent(alpha, 0)} of experiments, however often one looks.",
            f"The estimate is {distance} standard errors from zero; tonight {limit} decide.",
        ]
    power = report["plan"]["conditional_power"]
    if verdict == "continue" and power is not None:
        said.append(
            f"A difference that matters is shown by the last night with a chance of {percent(power, 0)}."
        )
    if report["recounted"]:
        said.append(
            "Observations arrived after this night was decided: the figures have changed, the decision has not."
        )
    return tuple(said)


def _next(report: Mapping[str, Any]) -> tuple[str, ...]:
    control = report["arms"][0]["arm"]
    stop = f"To end it: kenshin experiments stop {report['experiment_id']} --winner {control}"
    again = "The next night looks again by itself."
    asked = "A person is asked in Airflow (DAG promote_experiment)."
    silence = "Without an answer nothing changes, unless the policy of the experiment says otherwise."
    return {
        "promote": (asked, silence),
        "roll_back": (asked, silence),
        "reject": (f"Until it is ended, sessions are still divided among the arms. {stop}",),
        "hold": (f"Mend what is named above. {again}",),
        "inconclusive": (f"Decide by other reasons, or plan a larger experiment. {stop}",),
        "extend": (again,),
        "continue": (f"{again} The plan ends after night {report['plan']['horizon_nights']}.",),
    }[report["decision"]["verdict"]]


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
    early = lead["boundary"] is None
    between = "too early for an interval" if early else interval(lead["ci_low"], lead["ci_high"])
    low, high = lead["relative_ci"] or (None, None)
    return (
        Tile(f"Score, {lead['arm']} against {report['arms'][0]['arm']}", signed(lead["delta"]), between),
        Tile(
            "Relative to control",
            signed_percent(lead["relative"]),
            "too early for an interval" if early else percent_interval(low, high),
        ),
        *tiles,
    )
