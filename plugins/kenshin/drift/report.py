"""The report: one day of one index in figures.

The proof of concept's six keys come first, rounded as it rounded them. Nothing in a report depends on the time of the
run: the same snapshot and threshold give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from kenshin.days import parse_day
from kenshin.drift.distance import INVALID_KINDS
from kenshin.drift.snapshot import Mode, place
from kenshin.errors import InvalidInput, NotFound
from kenshin.lake import Lake
from kenshin.publishing import Manifest, as_json, publish, read_json

if TYPE_CHECKING:
    import pandas as pd

DATASET = "reports"
SCHEMA = "drift-report/1"
INVALID_ALERT_PCT = 1.0
"""An alert is raised when a larger share of the sample, in percent, allows no comparison."""

DIGITS = 12
"""Figures are stated to so many significant digits: further ones are rounding."""

ESTIMATES = (
    "mean_drift",
    "p50_drift",
    "p95_drift",
    "max_drift",
    "pair_distance",
    "relative_p50",
    "relative_p95",
    "relative_max",
)
"""Figures that the report also keeps unrounded: a verdict must not depend on the rounding of its keys."""

NO_DOCUMENTS = "No documents to check"
NO_COMPARISONS = "No valid comparisons"
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Stratum:
    """One language's part of the sample.

    Args:
        name: language tag, or ``unknown``.
        sample_size: valid comparisons.
        mean_drift: mean cosine distance.
        p95_drift: the sorted distance at ⌊0.95 n⌋.
        drifted_count: distances above the threshold.
        pair_distance: by which the stratum's distances are divided for the relative figures.
    """

    name: str
    sample_size: int
    mean_drift: float
    p95_drift: float
    drifted_count: int
    pair_distance: float | None


@dataclass(frozen=True, slots=True)
class DriftReport:
    """A day's drift. Distances are cosine distances, 0 to 2; None where nothing could be compared.

    Args:
        index: which index.
        day: which day.
        mode: drawn on the day itself (``observed``), or later (``reconstructed``).
        threshold: above it a document counts as drifted.
        fingerprint: of the model that made the fresh vectors.
        drawn: documents in the sample.
        sample_size: valid comparisons among them.
        mean_drift: mean distance.
        p50_drift: the sorted distance at ⌊0.5 n⌋.
        p95_drift: the sorted distance at ⌊0.95 n⌋.
        max_drift: the largest.
        drifted_ids: documents whose distance is above the threshold, worst first.
        invalid: documents that allow no comparison, by kind, each kind named.
        repair_ids: these documents.
        embed_errors: sound documents to which the model gave no vector.
        truncated: texts that the model's preprocessing cut.
        pair_distance: median distance of random pairs of fresh vectors: what two unrelated documents have.
        relative_p50: as `p50_drift`, of distances divided by the pair distance (of the language, where it is known).
        relative_p95: as `p95_drift`, likewise.
        relative_max: as `max_drift`, likewise.
        strata: the figures by language.
    """

    index: str
    day: date
    mode: Mode
    threshold: float
    fingerprint: str
    drawn: int
    sample_size: int
    mean_drift: float | None
    p50_drift: float | None
    p95_drift: float | None
    max_drift: float | None
    drifted_ids: tuple[str, ...]
    invalid: Mapping[str, int]
    repair_ids: tuple[str, ...]
    embed_errors: int
    truncated: int
    pair_distance: float | None
    relative_p50: float | None
    relative_p95: float | None
    relative_max: float | None
    strata: tuple[Stratum, ...]

    @property
    def drifted_count(self) -> int:
        """Documents above the threshold."""
        return len(self.drifted_ids)

    @property
    def invalid_count(self) -> int:
        """Documents that allow no comparison."""
        return sum(self.invalid.values())

    @property
    def invalid_share_pct(self) -> float:
        """Their share of the sample, in percent."""
        return 100 * self.invalid_count / self.drawn if self.drawn else 0.0

    @property
    def drift_alert(self) -> bool:
        """Whether p95 is above the threshold."""
        return self.p95_drift is not None and self.p95_drift > self.threshold

    @property
    def alert(self) -> bool:
        """`drift_alert`, or more than 1 % of the sample is invalid."""
        return self.drift_alert or self.invalid_share_pct > INVALID_ALERT_PCT

    @property
    def drifted_share(self) -> tuple[float, float] | None:
        """Wilson's 95 % bounds of the share of drifted documents (0 to 1) in the index."""
        return wilson(self.drifted_count, self.sample_size) if self.sample_size else None

    @property
    def note(self) -> str | None:
        """What the proof of concept answers instead of figures; None where there are figures."""
        if self.drawn == 0:
            return NO_DOCUMENTS
        return NO_COMPARISONS if self.sample_size == 0 else None

    @property
    def report_key(self) -> str:
        """The lake's partition of this report."""
        return place(DATASET, self.index, self.day)

    def summary(self) -> dict[str, Any]:
        """The proof of concept's keys, and what a log line or a task's answer needs beside them."""
        return {
            "sample_size": self.sample_size,
            "mean_drift": _rounded(self.mean_drift, 4),
            "p95_drift": _rounded(self.p95_drift, 4),
            "max_drift": _rounded(self.max_drift, 4),
            "drifted_count": self.drifted_count,
            "alert": self.alert,
            "index": self.index,
            "day": self.day.isoformat(),
            "mode": self.mode,
            "invalid_count": self.invalid_count,
            "embed_errors": self.embed_errors,
            "note": self.note,
            "report_key": self.report_key,
        }

    def as_dict(self) -> dict[str, Any]:
        """The report at a JSON edge."""
        low, high = self.drifted_share or (None, None)
        summary = self.summary()
        report_key = summary.pop("report_key")
        return {
            **summary,
            "threshold": self.threshold,
            "p50_drift": _rounded(self.p50_drift, 4),
            "drawn": self.drawn,
            "drifted_share_low": _rounded(low, 6),
            "drifted_share_high": _rounded(high, 6),
            "pair_distance": _rounded(self.pair_distance, 6),
            "relative_p50": _rounded(self.relative_p50, 6),
            "relative_p95": _rounded(self.relative_p95, 6),
            "relative_max": _rounded(self.relative_max, 6),
            "invalid": dict(self.invalid),
            "invalid_share_pct": round(self.invalid_share_pct, 4),
            "truncated": self.truncated,
            "fingerprint": self.fingerprint,
            "strata": [_stratum_dict(each) for each in self.strata],
            "estimates": {name: getattr(self, name) for name in ESTIMATES},
            "drifted_ids": list(self.drifted_ids),
            "repair_ids": list(self.repair_ids),
            "report_key": report_key,
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> DriftReport:
        """Read back what `as_dict` wrote; the strata keep its rounding.

        Raises:
            InvalidInput: a key is missing.
        """
        simple = (
            "index", "mode", "threshold", "fingerprint", "drawn", "sample_size", "embed_errors", "truncated",
        )  # fmt: skip
        try:
            return cls(
                **{name: raw[name] for name in simple},
                **{name: raw["estimates"][name] for name in ESTIMATES},
                day=parse_day(raw["day"]),
                drifted_ids=tuple(raw["drifted_ids"]),
                invalid={kind: int(raw["invalid"][kind]) for kind in INVALID_KINDS},
                repair_ids=tuple(raw["repair_ids"]),
                strata=tuple(Stratum(**each) for each in raw["strata"]),
            )
        except (KeyError, TypeError) as error:
            raise InvalidInput(
                value=raw.get("report_key", "report"),
                reason=f"not a report of schema {SCHEMA} ({error})",
                mend="Run the day's check-up again.",
            ) from error

    def to_pandas(self) -> pd.DataFrame:
        """One row: the report's single figures, invalid documents by kind in columns of their own."""
        import pandas as pd

        row = self.as_dict()
        row.update({f"invalid_{kind}": count for kind, count in row.pop("invalid").items()})
        return pd.DataFrame([{name: value for name, value in row.items() if not isinstance(value, list)}])


def wilson(count: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (Wilson 1927), from 0 to 1.

    Args:
        count: how many of the sample.
        n: size of the sample, at least 1.
    """
    share = count / n
    centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return (0.0 if count == 0 else centre - half), (1.0 if count == n else centre + half)


def publish_report(lake: Lake, report: DriftReport, *, inputs: Mapping[str, str]) -> Manifest:
    """Write a report to its place in the lake; one of another threshold is replaced."""
    return publish(
        lake, report.report_key, [("json", as_json(report.as_dict()))], schema=SCHEMA, inputs=inputs
    )


def read_report(lake: Lake, index_name: str, day: date) -> DriftReport:
    """A day's report.

    Raises:
        NotFound: the day was not measured.
    """
    key = place(DATASET, index_name, day)
    try:
        return DriftReport.from_dict(read_json(lake, key))
    except NotFound as error:
        raise NotFound(
            value=f"{index_name} on {day}",
            reason="no drift was measured",
            mend=f"Run 'kenshin drift backfill --from {day} --to {day}', or choose another day.",
        ) from error


def stated(value: float | None) -> float | None:
    """A figure to 12 significant digits."""
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _stratum_dict(stratum: Stratum) -> dict[str, Any]:
    return {
        name: _rounded(value, 6 if name == "pair_distance" else 4) if isinstance(value, float) else value
        for name, value in asdict(stratum).items()
    }


def by_kind(statuses: Sequence[str]) -> dict[str, int]:
    """How many documents are invalid for which reason; every kind is named."""
    return {kind: statuses.count(kind) for kind in INVALID_KINDS}
