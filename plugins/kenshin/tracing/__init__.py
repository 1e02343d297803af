"""Prompt traces: what happened in a request, from the prompt's assembly to the answer's delivery.

- `api`: the pipeline, bound to the process's current runtime.
- `pipeline`: starts traces, times spans, hands finished traces on; `scope` holds the ``with`` blocks.
- `trace`, `span`: what a request is told in; `place`: where in them a thread or task is.
- `propagation`: trace context in W3C's and X-Ray's headers.
- `validation`: an answer held against its JSON Schema.
- `hallucination`, `confusion`: heuristics on an answer; they rest on `finding`, `phrases`, `likeness`.
- `live`: the same spans as live OpenTelemetry spans.

Importing the package loads the standard library alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kenshin.tracing.api import PromptObservabilityPipeline
    from kenshin.tracing.confusion import confusion_detected
    from kenshin.tracing.finding import Finding
    from kenshin.tracing.hallucination import hallucination_risk
    from kenshin.tracing.propagation import RemoteContext, read_headers
    from kenshin.tracing.span import Span
    from kenshin.tracing.trace import PromptTrace, current_trace
    from kenshin.tracing.validation import ValidationResult, validate_response

__all__ = [
    "Finding",
    "PromptObservabilityPipeline",
    "PromptTrace",
    "RemoteContext",
    "Span",
    "ValidationResult",
    "confusion_detected",
    "current_trace",
    "hallucination_risk",
    "read_headers",
    "validate_response",
]

_HOMES = {
    "Finding": "kenshin.tracing.finding",
    "PromptObservabilityPipeline": "kenshin.tracing.api",
    "PromptTrace": "kenshin.tracing.trace",
    "RemoteContext": "kenshin.tracing.propagation",
    "Span": "kenshin.tracing.span",
    "ValidationResult": "kenshin.tracing.validation",
    "confusion_detected": "kenshin.tracing.confusion",
    "current_trace": "kenshin.tracing.trace",
    "hallucination_risk": "kenshin.tracing.hallucination",
    "read_headers": "kenshin.tracing.propagation",
    "validate_response": "kenshin.tracing.validation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kenshin.tracing' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
