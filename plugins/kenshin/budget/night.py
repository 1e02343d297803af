"""The nights of calibration, one function a task of the DAG `calibrate_tokens`: fit and judge, then put in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from kenshin.budget.calibration import Correction
from kenshin.budget.refit import Refit, Refitted, composed, refit
from kenshin.budget.usage_log import UsageLog
from kenshin.budget.weights import KEY, Weights, read_weights
from kenshin.days import end_of, start_of
from kenshin.documents import Documents
from kenshin.errors import Conflict, InvalidInput
from kenshin.lake import Lake
from kenshin.ledger import Ledger, LedgerEntry
from kenshin.publishing import as_json, partition, publish, read_json

SCHEMA = "token_calibration/1"
DAYS = 7
"""Days whose usage is fitted unless told otherwise."""

MOST_DAYS = 366
VERDICTS = 20
"""Models and scripts whose verdict a summary names."""


def fit_night(
    log: UsageLog,
    documents: Documents,
    lake: Lake,
    *,
    through_day: date,
    days: int = DAYS,
    zone: tzinfo,
    model: str | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Fit the usage of some days, judge it, and publish the report; nothing comes into force.

    Args:
        log: recorded usage.
        documents: where what is in force is.
        lake: where the report goes.
        through_day: the last day.
        days: how many, counted back from it.
        zone: whose days they are.
        model: fit this one alone, by its name in the registry.
        dry_run: publish no report.

    Raises:
        InvalidInput: the span is none.
    """
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput(value=days, reason="no number of days", mend=f"Give 1 to {MOST_DAYS}.")
    try:
        span = start_of(through_day - timedelta(days=days - 1), zone), end_of(through_day, zone)
    except OverflowError as error:
        raise InvalidInput(
            value=through_day, reason=f"the calendar ends there ({error})", mend="Give a day of this century."
        ) from error
    weights, _ = read_weights(documents)
    records = log.read(*span)
    made = refit(records, weights.before(through_day), model=model)
    body = _report(made, through_day, days)
    if not dry_run:
        publish(lake, place(through_day), [("json", as_json(body))], schema=SCHEMA)
    return summary(body)


def put_in_force(
    documents: Documents, ledger: Ledger, lake: Lake, *, through_day: date, at: datetime, by: str
) -> dict[str, Any]:
    """Let the accepted fits of a day's report come into force; a repeated call changes nothing.

    Args:
        documents: where what is in force is.
        ledger: told of it.
        lake: where the report is.
        through_day: the report's.
        at: the present instant.
        by: who does it.

    Raises:
        NotFound: the day has no report.
        Conflict: what is in force is not what the report was judged against.
    """
    body = read_json(lake, place(through_day))
    rows = [_row_of(each) for each in _list(body["rows"])]
    weights, version = read_weights(documents)
    if weights.through_day is not None and weights.through_day > through_day:
        return {**summary(body), "version": version, "changed": False, "note": "a later day is in force"}
    before = weights.before(through_day)
    for row in rows:
        if before.get((row.model, row.script), Correction()) != row.before:
            raise Conflict(
                value=f"{row.model}, {row.script}",
                reason="what is in force is not what the fit was judged against",
                mend="Fit the day again: clear the task 'fit', or run 'kenshin budget calibrate'.",
            )
    corrections = composed(weights.corrections, rows)
    changed = dict(corrections) != dict(weights.corrections)
    if changed:
        made = Weights(through_day, corrections, before)
        version = documents.put(KEY, made.as_document(), expected=version)
        weights = made
    ours = weights.through_day == through_day and version is not None
    told = {
        **summary(body),
        "version": version,
        "replaced_version": (version - 1 or None) if ours and version is not None else version,
        "rows": body["rows"],
    }
    entry = LedgerEntry(KEY, f"fit:{through_day}:v{version or 0}", "calibration", at, by, told)
    ledger.append(entry)
    return {**summary(body), "version": version, "changed": changed}


def reset(documents: Documents, ledger: Ledger, *, at: datetime, by: str) -> int | None:
    """Drop the corrections in force, readable or not: the package's numbers hold again until the next fit.

    Processes drop what they had loaded within ten minutes; what they have observed themselves stays with them.

    Args:
        documents: where what is in force is.
        ledger: told of it.
        at: the present instant.
        by: who does it.

    Returns:
        The new version; None where nothing was in force.

    Raises:
        Conflict: somebody else wrote meanwhile.
    """
    found = documents.get(KEY)
    if found is None:
        return None
    version = documents.put(KEY, Weights().as_document(), expected=found.version)
    told = {"version": version, "replaced_version": found.version, "replaced": found.value}
    ledger.append(LedgerEntry(KEY, f"reset:v{version}", "reset", at, by, told))
    return version


def place(day: date) -> str:
    """Where the report of a day is in the lake."""
    return partition("token_calibration", day=day.isoformat())


def summary(body: Mapping[str, Any]) -> dict[str, Any]:
    """A report in a few numbers and verdicts, those of most calls first: what crosses from task to task."""
    outcomes = [row["outcome"] for row in body["rows"]]
    most = sorted(body["rows"], key=lambda row: (-row["calls"], row["model"], row["script"]))[:VERDICTS]
    return {
        "through_day": body["through_day"],
        "days": body["days"],
        "calls": body["calls"],
        "unreadable": body["unreadable"],
        **{outcome: outcomes.count(outcome) for outcome in ("accepted", "refused", "too_few")},
        "verdicts": [
            {name: row[name] for name in ("model", "script", "calls", "outcome", "reason")} for row in most
        ],
    }


def _report(made: Refit, through_day: date, days: int) -> dict[str, Any]:
    return {
        "through_day": through_day.isoformat(),
        "days": days,
        "calls": made.calls,
        "unreadable": made.unreadable,
        "left_out": made.left_out,
        "rows": [_as_row(row) for row in made.rows],
    }


def _as_row(row: Refitted) -> dict[str, Any]:
    body = asdict(row)
    for name in ("before", "fitted"):
        if body[name] is not None:
            del body[name]["overflows"]
    return body


def _row_of(body: Mapping[str, Any]) -> Refitted:
    fitted = body["fitted"]
    return Refitted(
        model=body["model"],
        script=body["script"],
        calls=body["calls"],
        overflows=body["overflows"],
        outcome=body["outcome"],
        reason=body["reason"],
        before=Correction(**body["before"]),
        fitted=None if fitted is None else Correction(**fitted),
    )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
