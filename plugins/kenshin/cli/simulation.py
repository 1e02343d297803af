"""``kenshin experiments simulate``: how many nights an experiment needs, and whether its rules hold."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kenshin.cli.output import AsJson, console, errors, show_json, show_rows
from kenshin.errors import InvalidInput
from kenshin.experiments import api
from kenshin.experiments.simulation.planning import planned, planned_like
from kenshin.experiments.simulation.rates import Rates, simulate
from kenshin.experiments.simulation.scenarios import (
    Scenario,
    nothing_differs,
    something_differs,
    something_is_wrong,
)

ENDS = {
    "scenario": "scenario",
    "crossed": "decided",
    "error": "±",
    "futile": "futile",
    "held": "held",
    "rolled_back": "rolled back",
    "mean_night": "night",
    "one_look": "one look",
    "peeked": "PoC nightly",
}


def simulate_experiment(
    experiment_id: Annotated[
        str | None,
        typer.Argument(metavar="[EXPERIMENT]", help="Plan with its policy, shares and figures so far."),
    ] = None,
    effect: Annotated[
        float | None, typer.Option(help="By how much the candidate's score is higher, e.g. 0.02.")
    ] = None,
    sessions: Annotated[int | None, typer.Option(help="Sessions of each arm and night.")] = None,
    deviation: Annotated[float, typer.Option(help="Standard deviation of the score over sessions.")] = 0.25,
    arms: Annotated[int, typer.Option(help="Arms, control included.")] = 2,
    nights: Annotated[int, typer.Option(help="Nights until the horizon.")] = 14,
    validity: Annotated[
        bool, typer.Option("--validity", help="Check the rules themselves: false decisions, power, harm.")
    ] = False,
    worlds: Annotated[int, typer.Option(help="Worlds of each scenario.", min=1)] = 2000,
    seed: Annotated[int, typer.Option(help="Of all chance; the same seed gives the same table.")] = 1,
    processes: Annotated[
        int | None, typer.Option(help="Processes that share the work; the processors unless given.", min=1)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run an experiment in thousands of worlds, by the code that judges the nights: how many nights will it need?

    Give --effect with --sessions, or with an experiment that has a report. --validity holds the rules to worlds in
    which nothing differs, in which something does, and in which something is wrong.
    """
    shared = processes or os.cpu_count() or 1
    if validity:
        groups = {
            "Nothing differs: decisions are false": nothing_differs(),
            "A candidate is better: decisions are right": something_differs(),
            "No candidate deserves promotion": something_is_wrong(),
        }
        every = [scenario for group in groups.values() for scenario in group]
        found = iter(_simulated(every, worlds, seed, shared, quiet=as_json))
        tables = {title: [next(found) for _ in group] for title, group in groups.items()}
        if as_json:
            show_json({title: [each.as_dict() for each in rates] for title, rates in tables.items()})
            return
        for title, rates in tables.items():
            rows = [_row(each) for each in rates]
            told = {key: words for key, words in ENDS.items() if any(row[key] != "0.0%" for row in rows)}
            show_rows(rows, as_json=False, title=title, empty="", columns=told)
        return
    scenario = _planned(experiment_id, effect, sessions, deviation, arms, nights)
    [outcome] = _simulated([scenario], worlds, seed, shared, quiet=as_json)
    if as_json:
        show_json(outcome.as_dict())
        return
    show_rows(
        [
            {"night": night, "sessions an arm": night * scenario.sessions, "decided by then": f"{share:.1%}"}
            for night, share in enumerate(outcome.by_night, start=1)
        ],
        as_json=False,
        title=f"{outcome.scenario}: {outcome.worlds:,} worlds",
        empty="",
    )
    console.print(
        f"Decided in {outcome.crossed:.1%} of the worlds (Monte-Carlo error {outcome.error:.1%}), given up as futile "
        f"in {outcome.futile:.1%}; mean night {outcome.mean_night:.1f} of {scenario.nights}. One look on the last "
        f"night alone would find the difference in {outcome.one_look:.1%}.",
        soft_wrap=True,
    )


def _planned(
    experiment_id: str | None,
    effect: float | None,
    sessions: int | None,
    deviation: float,
    arms: int,
    nights: int,
) -> Scenario:
    if effect is None or (experiment_id is None and sessions is None):
        raise InvalidInput(
            value="simulate",
            reason="it is not said what to simulate",
            mend="Give --effect with --sessions or an experiment, or --validity.",
        )
    if experiment_id is not None and sessions is not None:
        raise InvalidInput(
            value=f"{experiment_id}, --sessions {sessions}",
            reason="an experiment brings its own sessions",
            mend="Give the experiment or --sessions.",
        )
    if experiment_id is None:
        return planned(sessions=sessions or 1, effect=effect, deviation=deviation, arms=arms, nights=nights)
    found = api.show_experiment(experiment_id).value
    return planned_like(found, api.latest_report(experiment_id), effect=effect)


def _simulated(
    scenarios: Sequence[Scenario], worlds: int, seed: int, processes: int, *, quiet: bool
) -> list[Rates]:
    columns = TextColumn("worlds"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=errors, disable=quiet, transient=True) as progress:
        task = progress.add_task("worlds", total=worlds * len(scenarios))
        return simulate(
            scenarios,
            worlds=worlds,
            seed=seed,
            processes=processes,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )


def _row(rates: Rates) -> dict[str, str]:
    shares = ("crossed", "error", "futile", "held", "rolled_back", "one_look", "peeked")
    body = rates.as_dict()
    return {
        "scenario": rates.scenario,
        "mean_night": f"{rates.mean_night:.1f}",
        **{name: f"{body[name]:.1%}" for name in shares},
    }
