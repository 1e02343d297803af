"""The tables of a report: every figure behind the charts, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kenshin.experiments.page.figures import guardrail_rows
from kenshin.experiments.page.numbers import (
    NONE,
    count,
    interval,
    percent,
    percent_interval,
    plain,
    signed,
    signed_percent,
)
from kenshin.experiments.page.words import estimated

CROSSING_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text.

    Args:
        title: what it holds.
        columns: heads of its columns; those that begin with ``#`` hold numbers, with ``…`` long text.
        rows: as many cells each as there are columns; the first cell heads its row.
        note: what a reader should know of it.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    note: str = ""


def tables(report: Mapping[str, Any], ledger: Sequence[Mapping[str, Any]] = ()) -> list[Table]:
    """Every table that has rows, the most asked for first."""
    made = (
        _arms(report),
        _comparisons(report),
        _guardrails(report),
        _segments(report),
        _phases(report),
        _looks(report),
        _mismatch(report),
        _crossing(report),
        _ledger(ledger),
    )
    return [table for table in made if table.rows]


def _arms(report: Mapping[str, Any]) -> Table:
    return Table(
        "Arms",
        ("Arm", "Prompt", "#Sessions", "#Observations", "#Mean score", "#± se", "#Latency, ms", "#p95, ms"),
        [
            (
                arm["arm"],
                arm["prompt_version"],
                count(arm["sessions"]),
                count(arm["observations"]),
                plain(arm["score"]["mean"], 4),
                plain(arm["score"]["se"], 2),
                plain(arm["latency"]["mean"], 4),
                plain(arm["latency_p95"] and arm["latency_p95"]["value"], 4),
            )
            for arm in report["arms"]
        ],
        report["score_unit"],
    )


def _comparisons(report: Mapping[str, Any]) -> Table:
    return Table(
        "Difference from control",
        (
            "Arm",
            "#Difference",
            "#Interval",
            "#se",
            "#z",
            "#z that decides",
            "#Relative",
            "#Mean of sessions",
            "Two averages",
        ),
        [
            (
                each["arm"],
                signed(each["delta"]),
                interval(each["ci_low"], each["ci_high"]),
                plain(each["se"], 2),
                signed(each["z"]),
                plain(each["boundary"]),
                signed_percent(each["relative"]),
                signed(each["session_mean_delta"]),
                "contradict" if each["disagreement"] else "agree",
            )
            for each in estimated(report)
        ],
        "The interval stays true however often one looks. The mean of sessions weighs every session alike; the "
        "difference weighs every observation alike.",
    )


def _guardrails(report: Mapping[str, Any]) -> Table:
    return Table(
        "Guardrails",
        ("Metric", "Arm", "#Change", "#Interval", "#Harm begins at", "Outcome"),
        [
            (
                row["metric"],
                row["arm"],
                signed_percent(row["delta_relative"]),
                percent_interval(row["ci_low"], row["ci_high"]),
                signed_percent(row["margin"]),
                row["outcome"],
            )
            for row in guardrail_rows(report)
        ],
    )


def _segments(report: Mapping[str, Any]) -> Table:
    return Table(
        "Segments",
        ("…Segment", "Arm", "#Sessions", "#Difference", "#Interval", "#p", "#p, all segments"),
        [
            (
                row["segment"] or NONE,
                row["arm"],
                count(row["sessions"]),
                signed(row["delta"]),
                interval(row["ci_low"], row["ci_high"]),
                plain(row["p_value"], 2),
                plain(row["p_adjusted"], 2),
            )
            for row in report["segments"]
        ],
        "Exploratory. The last column allows for the number of segments (Benjamini-Hochberg); no decision rests on it.",
    )


def _phases(report: Mapping[str, Any]) -> Table:
    return Table(
        "Phases",
        ("Phase", "Arm", "#Sessions", "#Observations", "#Mean score", "#± se", "#Latency, ms"),
        [
            (
                str(row["phase"]),
                row["arm"],
                count(row["sessions"]),
                count(row["observations"]),
                plain(row["score"]["mean"], 4),
                plain(row["score"]["se"], 2),
                plain(row["latency"]["mean"], 4),
            )
            for row in report["by_phase"]
        ],
        "A phase begins where the shares, a prompt or the holdout changed.",
    )


def _looks(report: Mapping[str, Any]) -> Table:
    return Table(
        "Looks",
        (
            "Night",
            "Day",
            "Arm",
            "#Sessions",
            "#Difference",
            "#Interval",
            "#z",
            "#Decides at",
            "#Alpha spent",
            "Verdict",
        ),
        [
            (
                str(look["night"]),
                look["day"],
                look["arm"],
                count(look["sessions"]),
                signed(look["estimate"]),
                interval(look["ci_low"], look["ci_high"]),
                signed(look["z"]),
                plain(look["boundary"]),
                percent(look["alpha_spent"], 2),
                _spoken(look["decision"]),
            )
            for look in report["looks"]
        ],
        "One entry of the ledger a night, never changed afterwards.",
    )


def _mismatch(report: Mapping[str, Any]) -> Table:
    mismatch = report["mismatch"]
    whole = sum(mismatch["observed"].values())
    return Table(
        "Sample ratio",
        ("Arm", "#Sessions", "#Share", "#Expected"),
        [
            (
                arm,
                count(seen),
                percent(seen / whole if whole else None),
                percent(mismatch["expected"].get(arm)),
            )
            for arm, seen in mismatch["observed"].items()
        ],
        f"E-value {plain(mismatch['e_value'])}: "
        + (
            "the sessions are not divided as assigned."
            if mismatch["held"]
            else "no sign that the division is wrong."
        )
        + f" χ² p {plain(mismatch['chi_square_p'], 2)}, valid for one look only.",
    )


def _crossing(report: Mapping[str, Any]) -> Table:
    return Table(
        "Sessions seen in several arms",
        ("…Session", "…Arms"),
        [(session, ", ".join(arms)) for session, arms in list(report["crossing"].items())[:CROSSING_SHOWN]],
        f"{count(report['crossing_sessions'])} in all; they are counted in no arm.",
    )


def _ledger(entries: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        "Ledger",
        ("#No.", "When", "What", "Who", "…Details"),
        [
            (
                str(each["number"]),
                each["at"],
                each["kind"].replace("_", " "),
                each["by"],
                _details(each["body"]),
            )
            for each in entries
        ],
        "All that happened to the experiment, in order.",
    )


def _details(body: Mapping[str, Any]) -> str:
    return ", ".join(_flat(body)) or NONE


def _flat(body: Mapping[str, Any]) -> Iterator[str]:
    for name, value in body.items():
        if value is not None and not isinstance(value, Mapping | list | tuple):
            yield f"{name} {value}"


def _spoken(verdict: str) -> str:
    return verdict.replace("_", " ") or NONE
