"""How the service fares, as ``GET /health`` tells it: a line or two from each check-up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kenshin.current import current
from kenshin.drift.api import history
from kenshin.errors import KenshinError
from kenshin.experiments import observation_stats

if TYPE_CHECKING:
    from orchestrator.chat import ChatService

DRIFT_DAYS = 60
_DRIFT = ("day", "sample_size", "mean_drift", "p95_drift", "drifted_count", "invalid_count", "alert")


def status_of(service: ChatService) -> dict[str, object]:
    """Every part's state.

    `status` is ``attention`` while a breaker is not closed, or where the newest drift raised its alert, or where this
    process lost records or observations; else ``ok``. `stand_in`: whether the model is played on this machine.
    """
    runtime = current()
    breakers = breakers_of(service)
    lanes = [
        {"sink": lane.sink, "waiting": lane.waiting, "lost": dict(lane.lost)}
        for lane in runtime.recorder.stats()
    ]
    observations = observation_stats()
    drift = newest_drift()
    attention = (
        any(each["state"] != "closed" for each in breakers)
        or (drift is not None and bool(drift["alert"]))
        or runtime.recorder.dropped > 0
        or observations.dropped + observations.rejections + observations.torn > 0
    )
    model = runtime.models.find(service.settings.model)
    traces = service.pipeline.stats()
    return {
        "status": "attention" if attention else "ok",
        "stand_in": urlsplit(service.settings.bedrock_url).hostname in {"127.0.0.1", "localhost"},
        "breakers": breakers,
        "signals": lanes,
        "observations": _figures(observations),
        "traces": _figures(traces),
        "drift": drift,
        "budget": {
            "model": model.name,
            "known": model.known,
            "window": model.window,
            "practical_ratio": model.practical_ratio,
        },
        "documents": len(service.retriever),
        "sessions": len(service.sessions),
    }


def newest_drift() -> dict[str, object] | None:
    """The newest row of the index's drift history; None where nothing was measured lately."""
    runtime = current()
    today = runtime.clock().astimezone(runtime.settings.zone).date()
    try:
        rows = history(None, today - timedelta(days=DRIFT_DAYS), today).rows()
    except KenshinError:
        return None
    return {name: rows[-1][name] for name in _DRIFT} if rows else None


def breakers_of(service: ChatService) -> list[dict[str, object]]:
    """The breakers that this process has needed so far: model and region, state, counts."""
    return [
        {"name": each.name, "state": each.state, "resting": each.resting, "counts": each.counts}
        for each in service.breakers.known()
    ]


def _figures(stats: Any) -> dict[str, object]:
    """A record of figures, JSON-ready."""
    figures = {name: getattr(stats, name) for name in type(stats).__slots__}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in figures.items()}
