"""Kenshin: regular check-ups for applications built on a foundation model.

- `kenshin.budget`: how many tokens a prompt is, and whether it fits.
- `kenshin.experiments`: which prompt version is better (assignment, observations, analysis).
- `kenshin.tracing`: what happened in a request, step by step, and what its answer is worth.
- `kenshin.drift`: has the vector index drifted from the embedding model.
- `kenshin.signals`: one catalogue of metrics, one record per event, the sinks that carry records out.
- `kenshin.current`, `kenshin.runtime`, `kenshin.settings`: what is in force in this process, and where it comes from.
- `kenshin.backends`: what serves the ports: an embedded default of everything.
- `kenshin.cli`: the command ``kenshin``.

Importing the package loads the standard library alone; a public name loads its capability on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kenshin.budget import (
        BudgetCheckResult,
        BudgetFit,
        BudgetPolicy,
        FitPolicy,
        TokenEstimate,
        check_budget,
        estimate_tokens,
        fit_budget,
        observe_usage,
    )
    from kenshin.drift import DriftReport, check_drift, cosine_distance, cosine_distances
    from kenshin.errors import KenshinError
    from kenshin.experiments import (
        ABObservation,
        Experiment,
        PromptABTester,
        analyze,
        assign_group,
        get_prompt_version,
        record_observation,
    )
    from kenshin.tracing import (
        PromptObservabilityPipeline,
        PromptTrace,
        Span,
        confusion_detected,
        hallucination_risk,
        validate_response,
    )

__all__ = [
    "ABObservation",
    "BudgetCheckResult",
    "BudgetFit",
    "BudgetPolicy",
    "DriftReport",
    "Experiment",
    "FitPolicy",
    "KenshinError",
    "PromptABTester",
    "PromptObservabilityPipeline",
    "PromptTrace",
    "Span",
    "TokenEstimate",
    "analyze",
    "assign_group",
    "check_budget",
    "check_drift",
    "confusion_detected",
    "cosine_distance",
    "cosine_distances",
    "estimate_tokens",
    "fit_budget",
    "get_prompt_version",
    "hallucination_risk",
    "observe_usage",
    "record_observation",
    "validate_response",
]

_HOMES = {
    "KenshinError": "kenshin.errors",
    **dict.fromkeys(
        [
            "BudgetCheckResult",
            "BudgetFit",
            "BudgetPolicy",
            "FitPolicy",
            "TokenEstimate",
            "check_budget",
            "estimate_tokens",
            "fit_budget",
            "observe_usage",
        ],
        "kenshin.budget",
    ),
    **dict.fromkeys(["DriftReport", "check_drift", "cosine_distance", "cosine_distances"], "kenshin.drift"),
    **dict.fromkeys(
        [
            "ABObservation",
            "Experiment",
            "PromptABTester",
            "analyze",
            "assign_group",
            "get_prompt_version",
            "record_observation",
        ],
        "kenshin.experiments",
    ),
    **dict.fromkeys(
        [
            "PromptObservabilityPipeline",
            "PromptTrace",
            "Span",
            "confusion_detected",
            "hallucination_risk",
            "validate_response",
        ],
        "kenshin.tracing",
    ),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kenshin' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
