"""A measured day in the history of drift, for the tests of what shows it."""

from __future__ import annotations

from typing import get_args

from kenshin.drift.distance import InvalidKind
from kenshin.drift.history import publish_day
from kenshin.drift.report import DriftReport
from kenshin.runtime import Runtime


def measured(runtime: Runtime, p95: float, *, threshold: float = 0.15) -> None:
    """Keep today's row of the runtime's index, with this p95."""
    report = DriftReport(
        index=runtime.index_name,
        day=runtime.clock().astimezone(runtime.settings.zone).date(),
        mode="observed",
        threshold=threshold,
        fingerprint=str(runtime.embedder.fingerprint),
        drawn=20,
        sample_size=20,
        mean_drift=p95 / 2,
        p50_drift=0.0,
        p95_drift=p95,
        max_drift=p95,
        drifted_ids=("s3.DeleteBucket",) if p95 > threshold else (),
        invalid=dict.fromkeys(get_args(InvalidKind), 0),
        repair_ids=(),
        embed_errors=0,
        truncated=0,
        pair_distance=None,
        relative_p50=None,
        relative_p95=None,
        relative_max=None,
        strata=(),
    )
    publish_day(runtime.lake, report, inputs={})
