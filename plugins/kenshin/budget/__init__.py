"""Context budget: how many tokens a prompt is, before the model says so.

- `api`: the conveniences, bound to the process's current runtime.
- `estimate`: an estimate with a 95 % upper bound, in bounded time at any length.
- `counts`: what a text is made of, in passes over bytes; `pieces`: what the tokenizer has whole, and the rest in parts.
- `tokenizers`: the fitted numbers of each tokenizer family, from ``tokenizers.json``.
- `models`: the registry of models, from ``models.json`` and a user's own file.
- `check`: whether a prompt fits, by section, decided on the upper bound; `content` takes messages apart,
  `images` tells what an image costs.
- `fitting`: makes a prompt fit, and says what went.
- `event`: a check as JSON, asked for and answered: the Lambda's form.
- `calibration`: reported usage corrects estimates by model and `script`; `observing` takes the usage there.
- `weights`, `loading`: the corrections that the registry holds, and how a process starts from them.
- `usage_log`, `refit`, `night`: recorded usage, the nightly fit of it, and the tasks of the DAG `calibrate_tokens`.

Importing the package loads the standard library alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kenshin.budget.api import check_budget, estimate_tokens, fit_budget, lambda_handler, observe_usage
    from kenshin.budget.check import BudgetCheckResult, BudgetPolicy
    from kenshin.budget.estimate import TokenEstimate
    from kenshin.budget.fitting.policy import Cut, FitPolicy
    from kenshin.budget.fitting.result import BudgetFit, Change
    from kenshin.budget.script import script_of

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
    "lambda_handler",
    "observe_usage",
    "script_of",
]

_HOMES = {
    "BudgetCheckResult": "kenshin.budget.check",
    "BudgetFit": "kenshin.budget.fitting.result",
    "BudgetPolicy": "kenshin.budget.check",
    "Change": "kenshin.budget.fitting.result",
    "Cut": "kenshin.budget.fitting.policy",
    "FitPolicy": "kenshin.budget.fitting.policy",
    "check_budget": "kenshin.budget.api",
    "TokenEstimate": "kenshin.budget.estimate",
    "estimate_tokens": "kenshin.budget.api",
    "fit_budget": "kenshin.budget.api",
    "lambda_handler": "kenshin.budget.api",
    "observe_usage": "kenshin.budget.api",
    "script_of": "kenshin.budget.script",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kenshin.budget' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
