"""Context budget: how many tokens a prompt is, before the model says so.

- `api`: the conveniences, bound to the process's current runtime.
- `estimate`: an estimate with a 95 % upper bound, in bounded time at any length.
- `counts`: what a text is made of, in passes over bytes.
- `tokenizers`: the fitted numbers of each tokenizer family, from ``tokenizers.json``.
- `models`: the registry of models, from ``models.json`` and a user's own file.
- `check`: whether a prompt fits, by section, decided on the upper bound; `content` takes messages apart,
  `images` tells what an image costs.
- `fitting`: makes a prompt fit, in the steps of `steps` under a `fitpolicy`; `fitted` says what went. A `draft` has the
  prompt's `costs`, its `messages` by `turns`, its `passages`; `repetition` and `whitespace` find what says nothing new.
- `calibration`: reported usage corrects estimates by model and script.

Importing the package loads the standard library alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kenshin.budget.api import check_budget, estimate_tokens, fit_budget, observe_usage
    from kenshin.budget.calibration import script_of
    from kenshin.budget.check import BudgetCheckResult, BudgetPolicy
    from kenshin.budget.estimate import TokenEstimate
    from kenshin.budget.fitpolicy import Cut, FitPolicy
    from kenshin.budget.fitted import BudgetFit, Change

__all__ = [
    "BudgetCheckResult",
    "BudgetFit",
    "BudgetPolicy",
    "Change",
    "Cut",
    "FitPolicy",
    "TokenEstimate",
    "check_budget",
    "estimate_tokens",
    "fit_budget",
    "observe_usage",
    "script_of",
]

_HOMES = {
    "BudgetCheckResult": "kenshin.budget.check",
    "BudgetFit": "kenshin.budget.fitted",
    "BudgetPolicy": "kenshin.budget.check",
    "Change": "kenshin.budget.fitted",
    "Cut": "kenshin.budget.fitpolicy",
    "FitPolicy": "kenshin.budget.fitpolicy",
    "check_budget": "kenshin.budget.api",
    "TokenEstimate": "kenshin.budget.estimate",
    "estimate_tokens": "kenshin.budget.api",
    "fit_budget": "kenshin.budget.api",
    "observe_usage": "kenshin.budget.api",
    "script_of": "kenshin.budget.calibration",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kenshin.budget' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
