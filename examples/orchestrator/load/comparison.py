"""Do the signals tell what happened? The generator's log beside the EMF files, the store, and the stand-in's journal.

The log knows of model calls what the service's answers tell, which comes from the same records as the EMF lines: the
one shows that no record was lost, doubled or changed on its way. The journal is kept by another process, which saw
the calls themselves: the other shows that the records were true.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kenshin.experiments.observation import ABObservation
from orchestrator.load.outcomes import REFUSED, Outcome, counted, share

Rows = Sequence[tuple[str, int, int]]
"""What is counted, in the generator's log, and beside it."""

_MEASURED = frozenset(
    [
        "InvocationCount",
        "SuccessCount",
        "ThrottleCount",
        "ErrorCount",
        "RetryCount",
        "InputTokens",
        "OutputTokens",
    ]
)


@dataclass(frozen=True, slots=True)
class Added:
    """The time that a request spends beside its models, in milliseconds.

    Args:
        what: by which definition.
        requests: of how many.
        p50: the median.
        p99: what 99 of 100 stay below.
    """

    what: str
    requests: int
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Signals:
    """What the EMF files tell of a run.

    Args:
        calls: figures of model calls, summed from the metrics' values, under the same names as `outcomes.counted`.
        traces: how many traces.
        delivered: how many of these have no failed span.
        checks: how many budget checks.
        foreign: lines of these three that belong to no request of the run.
        circuit: the first model's breaker over time, as its state changes: instant in milliseconds and state.
    """

    calls: Counter[str]
    traces: int
    delivered: int
    checks: int
    foreign: int
    circuit: Sequence[tuple[int, int]]


def signals_of(folder: Path, trace_ids: set[str], model: str) -> Signals:
    """Read every EMF line beneath a folder."""
    calls: Counter[str] = Counter()
    traces = delivered = checks = foreign = 0
    states: list[tuple[int, int]] = []
    for line in _lines(folder):
        kind = line.get("log_type")
        if kind not in {"bedrock_health", "prompt_trace", "budget_check"}:
            continue
        if line.get("trace_id") not in trace_ids:
            foreign += 1
        elif kind == "prompt_trace":
            traces += 1
            delivered += all(span["success"] for span in line["spans"])
        elif kind == "budget_check":
            checks += 1
        else:
            _add(line, calls)
            if line["ModelId"] == model:
                states.append((line["_aws"]["Timestamp"], line["CircuitBreakerState"]))
    states.sort()
    changes = [each for at, each in enumerate(states) if at == 0 or states[at - 1][1] != each[1]]
    return Signals(calls, traces, delivered, checks, foreign, changes)


def beside_signals(outcomes: Sequence[Outcome], signals: Signals) -> Rows:
    """The generator's log beside the signals."""
    own = counted(call for outcome in outcomes for call in outcome.calls)
    rows = [(name, own[name], signals.calls[name]) for name in sorted(own | signals.calls)]
    traced = sum(outcome.trace_id is not None for outcome in outcomes)
    # A prompt that cannot be made to fit is checked, and not sent.
    checked = sum(bool(outcome.trace_id and (outcome.calls or outcome.status == 413)) for outcome in outcomes)
    answered = sum(outcome.status == 200 for outcome in outcomes)
    return [
        ("traces", traced, signals.traces),
        ("traces without a failed span", answered, signals.delivered),
        ("budget checks", checked, signals.checks),
        *rows,
    ]


def beside_store(outcomes: Sequence[Outcome], observations: Sequence[ABObservation]) -> Rows:
    """The generator's log beside the observations that the store holds: of each answer one, with its score."""
    answers = Counter(
        (outcome.trace_id, outcome.body["arm"], outcome.body["quality"]["score"])
        for outcome in outcomes
        if outcome.status == 200
    )
    stored = Counter((each.trace_id, each.arm, each.quality_score) for each in observations)
    return [
        ("observations in the store", answers.total(), stored.total()),
        ("of these with trace, arm and score of an answer", answers.total(), (answers & stored).total()),
    ]


def beside_journal(outcomes: Sequence[Outcome], journal: Sequence[Mapping[str, Any]]) -> Rows:
    """The generator's log beside what the stand-in saw of the same calls."""
    calls = [call for outcome in outcomes for call in outcome.calls if call["error_code"] != REFUSED]
    whole = [entry for entry in journal if entry["status"] == 200 and entry["complete"]]
    answered = [call for call in calls if call["status"] == "success"]
    ended = {entry["invocation_id"]: entry for entry in sorted(journal, key=lambda entry: entry["attempt"])}
    failed = [entry for entry in ended.values() if entry["status"] != 200 or not entry["complete"]]
    told = Counter(call["error_code"] for call in calls if call["status"] != "success")
    codes = Counter(entry["code"] for entry in failed if entry["code"] is not None)
    return [
        ("calls", len(calls), len(ended)),
        ("tries", sum(1 + call["retry_count"] for call in calls), len(journal)),
        ("whole answers", len(answered), len(whole)),
        ("input tokens", sum(call["input_tokens"] for call in answered), _sum(whole, "input_tokens")),
        ("output tokens", sum(call["output_tokens"] for call in answered), _sum(whole, "output_tokens")),
        ("calls that failed", told.total(), len(failed)),
        *((f"calls that failed with {code}", told[code], count) for code, count in sorted(codes.items())),
    ]


def added_time(outcomes: Sequence[Outcome], journal: Sequence[Mapping[str, Any]]) -> Sequence[Added]:
    """What answers cost beside the time in the model server, by four definitions.

    Plain requests made one call, which succeeded at its first try. In the others the pauses before tries, and the
    time until a connection was given up, count as added.
    """
    tries: dict[str, float] = defaultdict(float)
    call_of: dict[str, str] = {}
    for entry in journal:
        tries[entry["invocation_id"]] += entry["elapsed_ms"] or 0.0
        call_of[entry["request_id"]] = entry["invocation_id"]
    seen, plain, every, own = [], [], [], []
    for outcome in outcomes:
        if outcome.status != 200:
            continue
        calls = [call_of[call["request_id"]] for call in outcome.calls if call["request_id"] in call_of]
        served = sum(tries[call] for call in calls)
        every.append(outcome.body["elapsed_ms"] - served)
        own.append(outcome.body["elapsed_ms"] - outcome.body["model_ms"])
        if len(outcome.calls) == 1 and outcome.calls[0]["retry_count"] == 0:
            seen.append(outcome.waited_ms - served)
            plain.append(outcome.body["elapsed_ms"] - served)
    return [
        _added("one call, first try: from due to answered, as the client saw it", seen),
        _added("one call, first try: in the service", plain),
        _added("all answers, retries and pauses included: in the service", every),
        _added("all answers: in the service minus its model calls", own),
    ]


def _added(what: str, values: Sequence[float]) -> Added:
    return Added(what, len(values), round(share(values, 0.5), 1), round(share(values, 0.99), 1))


def _add(line: Mapping[str, Any], calls: Counter[str]) -> None:
    """A line's metrics; those of the set without dimensions are the total, those by ErrorCode name the errors."""
    for directive in line["_aws"]["CloudWatchMetrics"]:
        names = [metric["Name"] for metric in directive["Metrics"] if metric["Name"] in _MEASURED]
        for dimensions in directive["Dimensions"]:
            for name in names:
                value = round(line[name])
                if not value:
                    continue
                if not dimensions:
                    calls[name] += value
                elif dimensions == ["ModelId"]:
                    calls[f"{name} of {line['ModelId']}"] += value
                elif dimensions == ["ModelId", "ErrorCode"]:
                    calls[f"{name} {line['ErrorCode']}"] += value
                    calls[f"{name} {line['ErrorCode']} of {line['ModelId']}"] += value


def _lines(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.rglob("*.jsonl")):
        with path.open(encoding="utf-8") as file:
            for text in file:
                yield json.loads(text)


def _sum(entries: Sequence[Mapping[str, Any]], name: str) -> int:
    return sum(entry[name] for entry in entries)
