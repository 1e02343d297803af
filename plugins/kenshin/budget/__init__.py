"""Context budget: how many tokens a prompt is, before the model says so.

- `api`: the conveniences, bound to the process's current runtime.
- `estimate`: an estimate with a 95 % upper bound, in bounded time at any length.
- `counts`: what a text is made of, in passes over bytes; `pieces`: what the tokenizer has whole, and the rest in parts.
- `tokenizers`: the fitted numbers of each tokenizer family, from ``tokenizers.json``.
- `models`: the registry of models, from ``models.json`` and a user's own file.
- `check`: whether a prompt fits, by section, decided on the upper bound; `content` takes messages apart.
- `calibration`: reported usage corrects estimates by model and script.

Importing the package loads the standard library alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kenshin.budget.api import check_budget, estimate_tokens, observe_usage
    from kenshin.budget.calibration import script_of
    from kenshin.budget.check import BudgetCheckResult, BudgetPolicy
    from kenshin.budget.estimate import TokenEstimate

__all__ = [
    "BudgetCheckResult",
    "BudgetPolicy",
    "TokenEstimate",
    "check_budget",
    "estimate_tokens",
    "observe_usage",
    "script_of",
]

_HOMES = {
    "BudgetCheckResult": "kenshin.budget.check",
    "BudgetPolicy": "kenshin.budget.check",
    "check_budget": "kenshin.budget.api",
    "TokenEstimate": "kenshin.budget.estimate",
    "estimate_tokens": "kenshin.budget.api",
    "observe_usage": "kenshin.budget.api",
    "script_of": "kenshin.budget.calibration",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kenshin.budget' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
