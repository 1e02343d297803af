from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from kenshin.signals.records import DriftMeasured


@pytest.fixture
def drift_record() -> Callable[..., DriftMeasured]:
    def make(**changes: object) -> DriftMeasured:
        values: dict[str, object] = {
            "at": datetime(2026, 11, 5, 18, 0, tzinfo=UTC),
            "index": "products",
            "day": "2026-11-06",
            "mode": "observed",
            "sample_size": 300,
            "drifted_count": 12,
            "invalid_count": 3,
            "invalid_share_pct": 1.0,
            "alert": True,
            "mean_drift": 0.02,
            "p95_drift": 0.17,
            "max_drift": 0.4,
        }
        return DriftMeasured(**{**values, **changes})

    return make
