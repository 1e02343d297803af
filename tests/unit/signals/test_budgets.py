from __future__ import annotations

import pytest

from kenshin.signals.guard import DimensionGuard
from kenshin.signals.points import points_of

SEED_KEYS = {
    "log_type",
    "status",
    "utilization_pct",
    "total_tokens",
    "budget_limit",
    "sections",
    "recommendation",
}


def test_the_log_line_has_every_key_of_the_proof_of_concept(budget_record):
    line = budget_record().log_fields()
    assert line.keys() >= SEED_KEYS
    assert line["log_type"] == "budget_check"
    assert line["sections"]["conversation_history"] == 2000


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        ("normal", set()),
        ("warning", {"BudgetWarningCount"}),
        ("critical", {"BudgetCriticalCount"}),
    ],
)
def test_a_check_counts_once_and_once_under_its_status(budget_record, status, counts):
    points = {name: values for _, name, values in points_of(budget_record(status=status), DimensionGuard())}
    assert points["BudgetCheckCount"] == [1]
    assert {name for name in points if name in {"BudgetWarningCount", "BudgetCriticalCount"}} == counts
    assert points["BudgetUtilization"] == [87.3]
    assert points["BudgetUtilizationUpper"] == [91.0]
