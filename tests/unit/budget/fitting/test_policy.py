from __future__ import annotations

from typing import Any

import pytest

from kenshin.budget.check import BudgetPolicy
from kenshin.budget.fitting.policy import Cut, FitPolicy
from kenshin.errors import InvalidPolicy


@pytest.mark.parametrize(
    "policy",
    [
        {"compress_to": 0},
        {"compress_to": True},
        {"trim_to": float("nan")},
        {"trim_to": "0.8"},
        {"near": 1.1},
        {"keep_passages": -1},
        {"keep_results": 1.5},
        {"keep_exchanges": True},
        {"steps": ("white_space", "white_space")},
        {"steps": ("magic",)},
        {"steps": "white_space"},
        {"steps": None},
        {"cuts": ("rag_context",)},
        {"cuts": None},
        {"cuts": (Cut("rag_context", 1), Cut("tool_results", 1), Cut("rag_context", 1))},
    ],
)
def test_a_policy_that_means_nothing_is_refused(policy: dict[str, Any]) -> None:
    with pytest.raises(InvalidPolicy):
        FitPolicy(**policy)


@pytest.mark.parametrize(("what", "keep"), [("system_prompt", 0), ("rag_context", -1), ("rag_context", True)])
def test_a_cut_that_means_nothing_is_refused(what: Any, keep: Any) -> None:
    with pytest.raises(InvalidPolicy):
        Cut(what, keep)


def test_targets_follow_the_budget_policy_and_stay_below_critical() -> None:
    assert FitPolicy().targets(BudgetPolicy(warning=0.7)) == (0.7, 0.7)
    assert FitPolicy(compress_to=0.5, trim_to=0.95).targets(BudgetPolicy()) == (0.5, 0.95)
    for critical in ({"compress_to": 0.96}, {"trim_to": 0.96}):
        with pytest.raises(InvalidPolicy, match="critical"):
            FitPolicy(**critical).targets(BudgetPolicy())
    with pytest.raises(InvalidPolicy, match="fitted again"):
        FitPolicy(trim_to=0.9, must_reach=True).targets(BudgetPolicy())
