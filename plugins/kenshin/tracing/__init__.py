"""Prompt traces: what happened in a request, from the prompt's assembly to the answer's delivery.

- `api`: the pipeline, bound to the process's current runtime.
- `pipeline`: starts traces, times spans, hands finished traces on; `scope` holds the ``with`` blocks.
- `trace`, `span`: what a request is told in.
- `propagation`: trace context in W3C's and X-Ray's headers.
- `live`: the same spans as live OpenTelemetry spans.

Importing the package loads the standard library alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kenshin.tracing.api import PromptObservabilityPipeline
    from kenshin.tracing.propagation import RemoteContext, read_headers
    from kenshin.tracing.span import Span
    from kenshin.tracing.trace import PromptTrace, current_trace

__all__ = [
    "PromptObservabilityPipeline",
    "PromptTrace",
    "RemoteContext",
    "Span",
    "current_trace",
    "read_headers",
]

_HOMES = {
    "PromptObservabilityPipeline": "kenshin.tracing.api",
    "PromptTrace": "kenshin.tracing.trace",
    "RemoteContext": "kenshin.tracing.propagation",
    "Span": "kenshin.tracing.span",
    "current_trace": "kenshin.tracing.trace",
    "read_headers": "kenshin.tracing.propagation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kenshin.tracing' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
