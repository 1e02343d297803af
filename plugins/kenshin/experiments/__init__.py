"""Prompt experiments: which prompt version is better, and how sure is that.

- `experiment`, `observation`: the definition, and one scored response.
- `store`: the ports of the registry and of the observations.
- `registry`: creating, starting and stopping an experiment, with the ledger.
- `assignment`: which arm and which prompt version a session gets.
- `admission`: which observations count for an experiment.
- `reading`, `conversion`, `importing`: rows of CSV, Parquet and JSONL files, to observations, into the store.
- `collect`: a night's observations from the store into the lake.
- `aggregate`: observations to session deltas of a day, and to sufficient statistics through it.
- `exact`, `footers`: how those are summed, and what Parquet files tell without being read.
- `values`: each session's latencies, for quantiles.
- `sufficient`: those statistics by arm, phase, segment and metric; how shards are merged.
- `stats`: the mathematics.
- `analysis`: statistics to figures, a test, and a recommendation.
- `report`: the analysis with what a reader needs to judge it, as the lake keeps it.
- `night`: what the tasks of the nightly DAG call.
- `tester`: the proof of concept's face over registry and store.
- `api`: all of it, bound to the process's current runtime.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kenshin.experiments.api import (
        PromptABTester,
        analyze,
        assign_group,
        get_prompt_version,
        record_observation,
    )
    from kenshin.experiments.experiment import Arm, Experiment
    from kenshin.experiments.observation import ABObservation

__all__ = [
    "ABObservation",
    "Arm",
    "Experiment",
    "PromptABTester",
    "analyze",
    "assign_group",
    "get_prompt_version",
    "record_observation",
]

_HOMES = {
    "Arm": "kenshin.experiments.experiment",
    "Experiment": "kenshin.experiments.experiment",
    "ABObservation": "kenshin.experiments.observation",
    **dict.fromkeys(
        ["PromptABTester", "analyze", "assign_group", "get_prompt_version", "record_observation"],
        "kenshin.experiments.api",
    ),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kenshin.experiments' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
