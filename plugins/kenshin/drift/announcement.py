"""What a finished report gives to the outside: log lines always, a record only while it is news.

A record becomes metrics, and metrics raise alarms. So a reconstructed day gives none, nor does a backfill or a day
that lies longer back than metric stores accept.
"""

from __future__ import annotations

import json
import logging
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from kenshin.days import end_of
from kenshin.drift.report import INVALID_ALERT_PCT, DriftReport, read_report
from kenshin.lake import Lake
from kenshin.signals.recorder import Recorder
from kenshin.signals.records import DriftMeasured

logger = logging.getLogger(__name__)

GRACE = timedelta(days=1)
"""So long after its end a day is still news: a night that is tried again may pass midnight."""


def emit(
    lake: Lake,
    recorder: Recorder,
    *,
    index_name: str,
    day: date,
    now: datetime,
    zone: tzinfo,
    backfill: bool = False,
) -> dict[str, Any]:
    """Log a day's report, and record it if it is news.

    Args:
        lake: where the report is.
        recorder: takes the record.
        index_name: whose report.
        day: of which day.
        now: the present instant; the record bears it, or the last instant of the report's day if that is earlier.
        zone: whose dates the days are.
        backfill: whether the run fills in history.

    Returns:
        The report's `summary`; ``drifted``, whether a document did or an alert was raised; and ``news``, whether it was
        recorded and anybody should act on it: a day that was observed, is not long past, and is no backfill.

    Raises:
        NotFound: the day was not measured.
    """
    report = read_report(lake, index_name, day)
    log(report)
    end = end_of(report.day, zone)
    news = report.mode == "observed" and not backfill and now < end + GRACE
    if news:
        recorder.record(record_of(report, at=min(now, end - timedelta(microseconds=1))))
    drifted = report.alert or report.drifted_count > 0
    return {**report.summary(), "drifted": drifted, "news": news}


def record_of(report: DriftReport, *, at: datetime) -> DriftMeasured:
    """The record of a report, its figures rounded as the report rounds them."""
    figures = report.as_dict()
    return DriftMeasured(
        at=at,
        index=report.index,
        day=report.day.isoformat(),
        mode=report.mode,
        sample_size=report.sample_size,
        drifted_count=report.drifted_count,
        invalid_count=report.invalid_count,
        invalid_share_pct=figures["invalid_share_pct"],
        alert=report.alert,
        mean_drift=figures["mean_drift"],
        p95_drift=figures["p95_drift"],
        max_drift=figures["max_drift"],
        report_key=report.report_key,
    )


def log(report: DriftReport) -> None:
    """The structured line, and the proof of concept's warnings."""
    if report.note is not None:
        logger.warning("%s: %s on %s", report.note, report.index, report.day)
    logger.info(json.dumps({"log_type": "drift_report", **report.summary()}, ensure_ascii=False))
    if report.drift_alert:
        logger.warning("DRIFT ALERT: p95_drift=%.4f > threshold=%.2f", report.p95_drift, report.threshold)
    if report.invalid_share_pct > INVALID_ALERT_PCT:
        logger.warning(
            "DRIFT ALERT: invalid_share=%.2f%% > %.0f%%", report.invalid_share_pct, INVALID_ALERT_PCT
        )
