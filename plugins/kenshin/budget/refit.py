"""The nightly fit: shift and bound of each model and script from recorded usage, judged on calls it has not seen.

Which calls are fitted and which judge is decided by a hash of each record, so a rerun divides them alike. The shift is
the median of log(actual / estimate); the bound is a split-conformal quantile of what the shift leaves over (Lei
et al. 2018), told as the variance of which `calibration` makes that bound. Where the new shift is no better, the
bound alone is fitted.
"""

from __future__ import annotations

import heapq
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from kenshin.budget.calibration import (
    LARGEST_SHIFT,
    MOST,
    NOTHING_KNOWN,
    ONE_SIDED_95,
    Correction,
    uncertainty,
)
from kenshin.budget.script import SCRIPTS, Script
from kenshin.budget.weights import Corrections
from kenshin.signals.usage import UsageObserved

Outcome = Literal["accepted", "refused", "too_few"]

FEWEST = 50
"""Calls of a model and script below which nothing is fitted."""

KEPT = 20_000
"""Calls of a model and script that are looked at; of more, those of the smallest hash."""

JUDGING = 77
"""Of 256: the share of calls that judge, 30 %."""

COVERAGE, FITTED_COVERAGE = 0.95, 0.975
"""What a bound has to keep, and what is fitted: tomorrow's calls have other texts than those that were fitted."""

WIDENING = 0.02
"""By so much, as a logarithm, a bound that holds may become wider."""

EQUAL = 1e-9


@dataclass(frozen=True, slots=True)
class Judged:
    """One set of numbers, held against the calls that judge.

    Args:
        error: median of |log(estimate / actual)|.
        coverage: share of the calls that stayed within the bound.
        width: median of log(bound / estimate).
    """

    error: float
    coverage: float
    width: float


@dataclass(frozen=True, slots=True)
class Refitted:
    """What became of one model and script.

    Args:
        model: the model's name.
        script: the prompts'.
        calls: recorded calls with usage.
        overflows: calls that ended because the window was exceeded.
        outcome: whether the fit may come into force.
        reason: why, in words.
        before: what is in force.
        fitted: what was fitted; None: too few calls.
        judged_on: calls that judge.
        judged_before: what is in force, judged.
        judged_fitted: what was fitted, judged.
    """

    model: str
    script: Script
    calls: int
    overflows: int
    outcome: Outcome
    reason: str
    before: Correction
    fitted: Correction | None = None
    judged_on: int = 0
    judged_before: Judged | None = None
    judged_fitted: Judged | None = None


@dataclass(slots=True)
class _Calls:
    """The calls of one model and script: a heap of negated hashes, so that the largest hash leaves first."""

    heap: list[tuple[int, bool, int, int, int]] = field(default_factory=list)
    seen: int = 0
    overflows: int = 0

    def add(self, record: UsageObserved) -> None:
        self.overflows += record.overflowed
        if not record.actual_tokens or not record.estimated_tokens:
            return
        self.seen += 1
        digest = sha256(_identity(record)).digest()
        numbers = (record.estimated_tokens, record.estimated_upper, record.actual_tokens)
        item = (-int.from_bytes(digest[:8], "big"), digest[8] < JUDGING, *numbers)
        if len(self.heap) < KEPT:
            heapq.heappush(self.heap, item)
        else:
            heapq.heappushpop(self.heap, item)


@dataclass(frozen=True, slots=True)
class Refit:
    """A fit of everything that was recorded.

    Args:
        rows: one for each model and script, sorted.
        calls: records with usage.
        unreadable: records that could not be read.
        left_out: records of models beyond the 512 models and scripts that are kept apart.
    """

    rows: tuple[Refitted, ...]
    calls: int
    unreadable: int
    left_out: int


def refit(
    records: Iterable[UsageObserved | None], in_force: Corrections, *, model: str | None = None
) -> Refit:
    """Fit every model and script of which there is enough.

    Args:
        records: recorded usage, in any order; None for one that could not be read.
        in_force: what a fit has to be no worse than.
        model: fit this one alone.
    """
    found: dict[tuple[str, Script], _Calls] = {}
    unreadable = left_out = 0
    for record in records:
        if record is None:
            unreadable += 1
            continue
        script = next((each for each in SCRIPTS if each == record.script), None)
        if script is None or (model is not None and record.model_id != model):
            unreadable += script is None
            continue
        key = (record.model_id, script)
        if key not in found and len(found) >= MOST:
            left_out += 1
            continue
        found.setdefault(key, _Calls()).add(record)
    rows = tuple(
        _refitted(*key, calls, in_force.get(key, NOTHING_KNOWN)) for key, calls in sorted(found.items())
    )
    return Refit(rows, sum(row.calls for row in rows), unreadable, left_out)


def composed(now: Corrections, rows: Iterable[Refitted]) -> Mapping[tuple[str, Script], Correction]:
    """The corrections in force once the accepted rows are; a refused one leaves what was before the day's fit."""
    made = dict(now)
    for row in rows:
        chosen = row.fitted if row.outcome == "accepted" and row.fitted else row.before
        if chosen.calls:
            made[row.model, row.script] = chosen
        else:
            made.pop((row.model, row.script), None)
    kept = sorted(made.items(), key=lambda item: (-item[1].calls, item[0]))[:MOST]
    return dict(sorted(kept))


def _identity(record: UsageObserved) -> bytes:
    stamp = int(record.at.timestamp() * 1000)
    parts = (stamp, record.model_id, record.script, record.estimated_tokens, record.trace_id)
    return repr(parts).encode("utf-8", "backslashreplace")


def _refitted(model: str, script: Script, calls: _Calls, before: Correction) -> Refitted:
    ordered = sorted(calls.heap)
    fitting = [_ratio(tokens, actual) for _, judges, tokens, _, actual in ordered if not judges]
    judging = [(tokens, upper, actual) for _, judges, tokens, upper, actual in ordered if judges]
    about = (model, script, calls.seen, calls.overflows)
    if calls.seen < FEWEST or not judging or not fitting:
        return Refitted(*about, "too_few", f"{calls.seen} calls, fewer than {FEWEST}", before)
    old = judged(before, judging)
    for fitted in (fit(fitting), fit(fitting, shift=before.shift)):
        new = judged(fitted, judging)
        outcome, reason = _verdict(old, new, len(judging))
        if outcome == "accepted":
            break
    return Refitted(*about, outcome, reason, before, fitted, len(judging), old, new)


def fit(ratios: list[float], *, shift: float | None = None) -> Correction:
    """Shift and variance of log(actual / estimate) of some calls.

    Args:
        ratios: these logarithms, one at least.
        shift: keep this one, and fit the variance alone.
    """
    shift = statistics.median(ratios) if shift is None else shift
    left = sorted(ratio - shift for ratio in ratios)
    rank = min(math.ceil((len(left) + 1) * FITTED_COVERAGE), len(left))
    width = min(max(left[rank - 1], 0.0), LARGEST_SHIFT) / ONE_SIDED_95
    return Correction(len(ratios), round(shift, 6), round(width**2 / uncertainty(len(ratios)), 9))


def judged(correction: Correction, calls: Iterable[tuple[int, int, int]]) -> Judged:
    """A correction held against calls: their uncorrected tokens, the bound of these, the actual tokens."""
    errors, held, widths = list[float](), list[bool](), list[float]()
    for tokens, upper, actual in calls:
        estimate, bound = correction.numbers(tokens, upper)
        errors.append(abs(_ratio(max(estimate, 1), actual)))
        held.append(actual <= bound)
        widths.append(_ratio(max(estimate, 1), max(bound, 1)))
    return Judged(
        error=round(statistics.median(errors), 6),
        coverage=round(statistics.mean(held), 6),
        width=round(statistics.median(widths), 6),
    )


def _ratio(tokens: int, actual: int) -> float:
    return min(max(math.log(actual / tokens), -LARGEST_SHIFT), LARGEST_SHIFT)


def _verdict(old: Judged, new: Judged, calls: int) -> tuple[Outcome, str]:
    """A bound may cover less than before, as long as it is 95 % within the noise of so many calls."""
    if new.error > old.error + EQUAL:
        return "refused", f"the median error would rise from {old.error:.4f} to {new.error:.4f}"
    least = COVERAGE - ONE_SIDED_95 * math.sqrt(COVERAGE * (1 - COVERAGE) / calls)
    if new.coverage < min(old.coverage, least):
        return "refused", f"the bound would hold in {new.coverage:.1%} instead of {old.coverage:.1%}"
    if old.coverage >= least and new.error >= old.error and new.width > old.width + WIDENING:
        return "refused", f"the bound holds, and would grow from {old.width:.1%} to {new.width:.1%}"
    return "accepted", f"median error {old.error:.4f} to {new.error:.4f}, bound holds in {new.coverage:.1%}"
