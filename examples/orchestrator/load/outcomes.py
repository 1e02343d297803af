"""The load generator's own log: what it asked, what came back, and the model calls of which the service told it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

REFUSED = "CircuitOpen"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request.

    Args:
        at_s: when it was due, in seconds from the run's start.
        way: how.
        status: HTTP status, or that of the problem; 200 for an answer; 0: nothing came back.
        waited_ms: from then to the end of the answer, as the client saw it.
        body: the answer or the problem.
        pieces: how many pieces of text came before it.
    """

    at_s: float
    way: Literal["http", "ws"]
    status: int
    waited_ms: float
    body: Mapping[str, Any]
    pieces: int = 0

    @property
    def calls(self) -> Sequence[Mapping[str, Any]]:
        """The model calls that the service made for it."""
        calls: Sequence[Mapping[str, Any]] = self.body.get("calls", ())
        return calls

    @property
    def trace_id(self) -> str | None:
        """Its trace; None where the service began none."""
        return self.body.get("trace_id")


def name_of(model_id: str) -> str:
    """A model's name as metrics have it."""
    return model_id.rpartition("/")[2]


def counted(calls: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Calls in figures, under the names of the metrics, in all and by model."""
    found: Counter[str] = Counter()
    for call in calls:
        figures = {
            "InvocationCount": 1,
            "SuccessCount": int(call["status"] == "success"),
            "ThrottleCount": int(call["status"] == "throttled"),
            "ErrorCount": int(call["status"] in {"error", "timeout"}),
            "RetryCount": call["retry_count"],
            "InputTokens": call["input_tokens"],
            "OutputTokens": call["output_tokens"],
        }
        if figures["ErrorCount"]:
            figures[f"ErrorCount {call['error_code']}"] = 1
        for name, value in figures.items():
            if value:
                found[name] += value
                found[f"{name} of {name_of(call['model_id'])}"] += value
    return found


def share(values: Sequence[float], part: float) -> float:
    """The element of sorted values below which so much of them lies; 0 of none."""
    return sorted(values)[min(int(part * len(values)), len(values) - 1)] if values else 0.0
