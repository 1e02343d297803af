"""The command: a run, its figures, and whether the signals tell the same.

``python -m orchestrator.load --rate 50 --seconds 60`` starts a stand-in for the model API and the service for itself,
injects faults, and afterwards compares its log with the signals. With ``--url`` it only talks to a service that runs.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from kenshin.current import use
from kenshin.experiments.observation import SHARDS, ABObservation
from kenshin.runtime import Runtime
from kenshin.settings import Settings
from orchestrator.load.arrivals import Load, Plan
from orchestrator.load.comparison import (
    Rows,
    added_time,
    beside_journal,
    beside_signals,
    beside_store,
    signals_of,
)
from orchestrator.load.corpus import load_corpus
from orchestrator.load.outages import schedule
from orchestrator.load.outcomes import Outcome, name_of, share
from orchestrator.load.texts import questions
from orchestrator.local import CHECKOUT, LocalChat
from orchestrator.settings import ChatSettings

STATES = {0: "closed", 1: "half open", 2: "open"}
SERVICE = {
    "ORCHESTRATOR_READ_TIMEOUT_S": "1.5",
    "ORCHESTRATOR_DEADLINE_S": "6",
    "ORCHESTRATOR_WINDOW_S": "5",
    "ORCHESTRATOR_OPEN_S": "3",
    "ORCHESTRATOR_PRACTICAL_RATIO": "0.012",
}
"""Short times and a small budget, so that a minute shows it all."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit code is 1 where the signals do not tell what the log tells."""
    parser = argparse.ArgumentParser(prog="python -m orchestrator.load", description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--questions", type=int, default=40, help="different questions in all conversations")
    parser.add_argument("--documents", type=int, default=40, help="in the index of a run of its own")
    parser.add_argument("--port", type=int, default=8091, help="of the service that the run starts")
    parser.add_argument("--calm", action="store_true", help="inject no faults")
    parser.add_argument("--url", help="of a service that runs already; then nothing is injected or compared")
    parser.add_argument("--home", type=Path, default=CHECKOUT / "var" / "chat-load", help="made anew")
    said = parser.parse_args(arguments)
    plan = Plan(rate=said.rate, seconds=said.seconds, seed=said.seed)
    if said.url:
        load = Load(said.url, questions(said.questions, said.seed), plan)
        asyncio.run(_loaded(load))
        _print_outcomes(load.outcomes)
        return 0
    return _own_run(said, plan)


def _own_run(said: Any, plan: Plan) -> int:
    shutil.rmtree(said.home, ignore_errors=True)
    runtime = Runtime(Settings.from_env({"KENSHIN_HOME": str(said.home)}))
    with use(runtime):
        known = load_corpus(runtime, said.documents)
    runtime.close()
    print(f"{len(known)} documents in {said.home}", flush=True)
    pool = questions(said.questions, said.seed, known=known)
    log = said.home / "service.log"
    with LocalChat(said.home, said.port, settings=SERVICE, log=log) as chat:
        load = Load(chat.url, pool, plan)
        asyncio.run(load.warm_up())
        faults = [] if said.calm else schedule(plan.seconds)
        stand_in = httpx.Client(base_url=f"{chat.bedrock_url}/_peer/", timeout=30, trust_env=False)
        stand_in.put("faults", json={"faults": faults, "seed": plan.seed}).raise_for_status()
        print(
            f"{len(load.outcomes)} requests to warm up; {plan.rate:g}/s for {plan.seconds:g} s …",
            flush=True,
        )
        began = time.time()
        asyncio.run(load.run())
        journal = stand_in.get("log").json()["entries"]
        struck = stand_in.get("faults").json()["faults"]
    # The service has ended: what it had queued is written, or lost.
    ids = {outcome.trace_id for outcome in load.outcomes if outcome.trace_id}
    signals = signals_of(said.home / "signals", ids, name_of(ChatSettings().model))
    _print_outcomes(load.outcomes)
    for rule in struck:
        print(
            f"  injected {rule['struck']:5}  {rule['kind']} {rule['code'] if 'error' in rule['kind'] else ''}"
        )
    print("\nThe first model's breaker, in seconds of the run:")
    for at, state in signals.circuit:
        print(f"  {max(at / 1000 - began, 0):6.1f}  {STATES[state]}")
    same = _print_rows("The generator's log and the signals", beside_signals(load.outcomes, signals))
    same &= _print_rows(
        "The generator's log and the store", beside_store(load.outcomes, _stored(said.home, began))
    )
    same &= _print_rows(
        "The generator's log and the model server's journal", beside_journal(load.outcomes, journal)
    )
    print(f"\nLines of nobody's requests: {signals.foreign}")
    print(
        "\nTime beside the model server's, ms                                      requests     p50     p99"
    )
    for found in added_time(load.outcomes, journal):
        print(f"  {found.what:66} {found.requests:8} {found.p50:7} {found.p99:7}")
    same &= signals.foreign == 0
    print("\nThe signals tell exactly what happened." if same else "\nTHE COUNTS DIFFER.")
    return 0 if same else 1


async def _loaded(load: Load) -> None:
    await load.warm_up()
    await load.run()


def _stored(home: Path, began: float) -> Sequence[ABObservation]:
    """The observations of the run's experiment, from the store itself."""
    runtime = Runtime(Settings.from_env({"KENSHIN_HOME": str(home)}))
    today = runtime.clock().astimezone(runtime.settings.zone).date()
    found: list[ABObservation] = []
    for day in {today, datetime.fromtimestamp(began, runtime.settings.zone).date()}:
        for shard in range(SHARDS):
            page: str | None = ""
            while page is not None:
                read = runtime.observations.read(ChatSettings().experiment, day, shard, page=page or None)
                found += read.items
                page = read.next
    runtime.close()
    return found


def _print_outcomes(outcomes: Sequence[Outcome]) -> None:
    statuses = Counter(outcome.status for outcome in outcomes)
    told = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
    ways = Counter(outcome.way for outcome in outcomes)
    print(f"\n{len(outcomes)} requests ({ways['http']} HTTP, {ways['ws']} WebSocket): {told}")
    answers = [outcome for outcome in outcomes if outcome.status == 200]
    waited = [outcome.waited_ms for outcome in answers]
    print(f"  waited: p50 {share(waited, 0.5):.0f} ms, p99 {share(waited, 0.99):.0f} ms")
    for title, values in (
        ("answered by", Counter(name_of(str(each.body["model_id"])) for each in answers)),
        ("budget", Counter(str(each.body["budget"]["status"]) for each in answers)),
        ("fitted", Counter(str(each.body["budget"]["action"]) for each in answers)),
        ("arm", Counter(str(each.body["arm"]) for each in answers)),
        ("schema broken", Counter(not each.body["quality"]["schema_valid"] for each in answers)),
        ("hallucination risk", Counter(each.body["quality"]["hallucination_risk"] for each in answers)),
        ("confusion", Counter(each.body["quality"]["confusion_detected"] for each in answers)),
    ):
        print(f"  {title}: " + ", ".join(f"{name} {count}" for name, count in values.most_common()))


def _print_rows(title: str, rows: Rows) -> bool:
    print(f"\n{title}")
    for name, own, other in rows:
        print(f"  {name:84} {own:9} {other:9}{'' if own == other else '   differ'}")
    return all(own == other for _, own, other in rows)


if __name__ == "__main__":
    sys.exit(main())
