from __future__ import annotations

from typing import Any

import pytest
from unit.experiments.page.report_body import report_body


@pytest.fixture
def body() -> dict[str, Any]:
    return report_body()
