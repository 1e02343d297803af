"""What goes wrong while the load runs, for the stand-in's ``/_peer/faults``; times are shares of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

PRIMARY = "*sonnet*"


def schedule(seconds: float) -> Sequence[Mapping[str, Any]]:
    """Rules for a run of so many seconds.

    All the time a few calls are throttled, fail, are slow or break off. From a fifth of the run on the first model
    is out for a fifth: most calls fail, some hang. Later it is throttled for a tenth.
    """

    def window(begin: float, end: float) -> dict[str, float]:
        return {"from_s": begin * seconds, "to_s": end * seconds}

    def error(code: str, rate: float, **more: Any) -> dict[str, Any]:
        return {"kind": "error", "code": code, "rate": rate, **more}

    out, throttled = window(0.2, 0.4), window(0.65, 0.75)
    return [
        {"kind": "hang", "rate": 0.04, "model": PRIMARY, "delay_s": 30, **out},
        error("ServiceUnavailableException", 0.7, model=PRIMARY, **out),
        error("InternalServerException", 0.7, model=PRIMARY, **out),
        error("ThrottlingException", 0.7, model=PRIMARY, **throttled),
        error("ThrottlingException", 0.01),
        error("ServiceUnavailableException", 0.01),
        error("ModelTimeoutException", 0.005),
        {"kind": "reset", "rate": 0.005},
        {"kind": "hang", "rate": 0.002, "delay_s": 30},
        {"kind": "slow", "rate": 0.02, "delay_s": 0.5},
        {"kind": "broken_stream", "rate": 0.03, "after_events": 3},
        {"kind": "stream_error", "code": "ModelStreamErrorException", "rate": 0.02, "after_events": 2},
    ]
