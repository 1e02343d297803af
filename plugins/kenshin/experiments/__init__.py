"""Prompt experiments: which prompt version is better, and how sure is that.

- `experiment`, `observation`: the definition, and one scored response.
- `store`: the ports of the registry and of the observations.
- `overrides`: testers' sessions, with the arms that they are to see.
- `registry`: creating, starting, changing and stopping an experiment, with the ledger.
- `assignment`: which arm and which prompt version a session gets, and whether that counts.
- `definitions`: what a process knows of the registry, in memory, refreshed in the background.
- `admission`: which observations count for an experiment.
- `scoring`: the score of a response, from its parts.
- `recording`: observations in the background to the store; `lifetime`: through forks and to the process's end.
- `carrier`: to the store, or to the spill while the store is down; `gate` admits, `tally` counts.
- `spill`, `segment`: what waits on disk, across the death of a process.
- `observing`: an observation under the proof of concept's names.
- `reading`, `columns`, `conversion`, `importing`: rows of CSV, Parquet and JSONL files, into the store;
  `shortcut`: plain rows, by column.
- `exporting`, `writing`: observations and sessions, as a table or as a file.
- `collect`: a night's observations from the store into the lake.
- `aggregate`: observations to session deltas of a day, and to a shard's totals through it.
- `session_days`, `deltas`: what a day adds to its sessions, and how it is written and read.
- `exact`, `units`, `footers`: how sessions are summed, in which units, and what Parquet files tell without being read.
- `totals`: exact sums of a shard, which can be added and taken away; how shards are merged.
- `values`: each session's latencies, for quantiles.
- `sufficient`: statistics by arm, phase, segment and metric.
- `stats`: the mathematics.
- `analysis`: statistics to figures, a test, and a recommendation; `figures`: what these are.
- `policy`: by what rules an experiment is judged, and who carries a verdict out.
- `estimates`, `guardrails`, `exploration`, `ratio_check`, `validity`, `stopping`, `forecast`: what a night tests.
- `assessment`: all of that, of statistics in memory.
- `decision`: one table from an assessment to a verdict; `situation`: what it asks about.
- `looks`: what each night saw and decided, in the ledger; `judging`: assess, look, decide.
- `page`: the report as one HTML file.
- `report`: the analysis with what a reader needs to judge it, as the lake keeps it.
- `proposal`, `question`: a verdict as a question to a person, and its words; `promotion`: what an answer comes to.
- `conclusion`: an experiment ended, or an arm taken back, exactly once; `chronicle`: all that happened, in words.
- `simulation`: experiments in worlds whose truth is known, judged by the same code.
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
        flush_observations,
        get_assignment,
        get_prompt_version,
        observation_stats,
        prime,
        record_observation,
    )
    from kenshin.experiments.assignment import Assignment
    from kenshin.experiments.experiment import Arm, Experiment
    from kenshin.experiments.observation import ABObservation
    from kenshin.experiments.scoring import ResponseScore, ScoreWeights, score_response

__all__ = [
    "ABObservation",
    "Arm",
    "Assignment",
    "Experiment",
    "PromptABTester",
    "ResponseScore",
    "ScoreWeights",
    "analyze",
    "assign_group",
    "flush_observations",
    "get_assignment",
    "get_prompt_version",
    "observation_stats",
    "prime",
    "record_observation",
    "score_response",
]

_HOMES = {
    "Assignment": "kenshin.experiments.assignment",
    "Arm": "kenshin.experiments.experiment",
    "Experiment": "kenshin.experiments.experiment",
    "ABObservation": "kenshin.experiments.observation",
    **dict.fromkeys(["ResponseScore", "ScoreWeights", "score_response"], "kenshin.experiments.scoring"),
    **dict.fromkeys(
        [
            "PromptABTester",
            "analyze",
            "assign_group",
            "flush_observations",
            "get_assignment",
            "get_prompt_version",
            "observation_stats",
            "prime",
            "record_observation",
        ],
        "kenshin.experiments.api",
    ),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kenshin.experiments' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
