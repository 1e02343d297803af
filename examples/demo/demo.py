"""The demonstration: both check-ups through a real Airflow's scheduler, on real data, in a few minutes.

Loads the sample data, starts Airflow, runs both DAGs, backfills a week of drift history, prints both reports and where
they lie. Ends with exit code 0 only if every run succeeded and both reports exist.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from kenshin.cli.airflow_api import FINISHED, AirflowApi, Run
from kenshin.errors import KenshinError
from local_airflow import ADMIN, CHECKOUT, LocalAirflow, airflow_command

HISTORY_DAYS = 7
RUN_TIMEOUT_S = 400.0
EXPERIMENT_DAG, DRIFT_DAG = "experiment_analysis", "embedding_drift"

console = Console(highlight=False)


class DemoFailed(Exception):
    """A step did not end well; the message says which and why."""


def main() -> int:
    """Run the demonstration; answers the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    started = time.monotonic()
    home = CHECKOUT / "var"
    airflow = LocalAirflow(home / "airflow", kenshin_home=home)
    try:
        sample = _load_samples(airflow)
        airflow.start(console.print)
        _run_dags(airflow, sample)
        _backfill(airflow, sample)
        _show_reports(airflow, sample)
    except (DemoFailed, KenshinError) as error:
        console.print("[bold red]The demonstration failed.[/]", escape(str(error)))
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return 130
    finally:
        airflow.stop()
    console.print(
        f"[bold green]Both check-ups ran[/] ({time.monotonic() - started:.0f} s). Look around in the UI:"
    )
    console.print(f"  make up      then open the address that it prints and log in as {ADMIN}")
    console.print("  KENSHIN_HOME=var .venv/bin/kenshin drift history")
    return 0


def _load_samples(airflow: LocalAirflow) -> dict[str, Any]:
    console.rule("1  Sample data", align="left")
    kenshin = str(airflow_command().with_name("kenshin"))
    loaded = subprocess.run(
        [kenshin, "demo", "load", "--json"],
        env=airflow.environment,
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    )
    if loaded.returncode != 0:
        raise DemoFailed(f"The sample data could not be loaded: {loaded.stdout}")
    sample: dict[str, Any] = json.loads(loaded.stdout)
    console.print(
        f"{sample['experiment']}: fourteen nights, {sample['nights']}; {sample['observations']} observations"
    )
    console.print(f"{sample['index']}: {sample['documents']} embedded documents")
    return sample


def _run_dags(airflow: LocalAirflow, sample: Mapping[str, Any]) -> None:
    console.rule("2  Both DAGs, through the scheduler", align="left")
    api = airflow.api()
    _await_dags(airflow, api)
    if problems := api.import_errors():
        raise DemoFailed("Airflow cannot import a DAG:\n" + "\n".join(problems))
    for dag_id in (EXPERIMENT_DAG, DRIFT_DAG):
        api.unpause(dag_id)
    conf = {"experiment_id": sample["experiment"], "through_day": sample["through_day"]}
    runs = {EXPERIMENT_DAG: api.trigger(EXPERIMENT_DAG, conf), DRIFT_DAG: api.trigger(DRIFT_DAG, {})}
    _follow(airflow, api, runs)


def _await_dags(airflow: LocalAirflow, api: AirflowApi) -> None:
    end = time.monotonic() + 120
    while not {EXPERIMENT_DAG, DRIFT_DAG} <= set(api.dag_ids()):
        airflow.check()
        if problems := api.import_errors():
            raise DemoFailed("Airflow cannot import a DAG:\n" + "\n".join(problems))
        if time.monotonic() > end:
            raise DemoFailed("Airflow has not parsed the DAGs after two minutes.")
        time.sleep(0.5)


def _follow(airflow: LocalAirflow, api: AirflowApi, runs: Mapping[str, Run]) -> None:
    end = time.monotonic() + RUN_TIMEOUT_S
    columns = (
        TextColumn("{task.description:24}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bars = {dag_id: progress.add_task(dag_id, total=None, state="queued") for dag_id in runs}
        waiting = dict(runs)
        while waiting:
            airflow.check()
            for dag_id, run in list(waiting.items()):
                state = api.run(dag_id, run.run_id).state
                tasks = api.task_instances(dag_id, run.run_id)
                done = sum(
                    task.state in ("success", "skipped", "failed", "upstream_failed") for task in tasks
                )
                progress.update(bars[dag_id], total=len(tasks) or None, completed=done, state=f"{state:8}")
                if state in FINISHED:
                    del waiting[dag_id]
                    progress.stop_task(bars[dag_id])
                if state == "failed":
                    raise DemoFailed(_failure(api, dag_id, run.run_id))
            if time.monotonic() > end:
                raise DemoFailed(f"{', '.join(waiting)} did not finish in {RUN_TIMEOUT_S:.0f} s.")
            time.sleep(0.5)


def _failure(api: AirflowApi, dag_id: str, run_id: str) -> str:
    for task in api.task_instances(dag_id, run_id):
        if task.state == "failed":
            name = task.task_id if task.map_index < 0 else f"{task.task_id}[{task.map_index}]"
            return f"Task {name} of {dag_id} failed. Its log ends:\n{api.log_tail(dag_id, run_id, task)}"
    return f"{dag_id} failed before any task did."


def _backfill(airflow: LocalAirflow, sample: Mapping[str, Any]) -> None:
    console.rule("3  A week of drift history", align="left")
    last = date.fromisoformat(str(sample["through_day"]))
    first = last - timedelta(days=HISTORY_DAYS - 1)
    command = ["kenshin", "drift", "backfill", "--from", str(first), "--to", str(last), "--max-active", "2"]
    console.print(f"$ {' '.join(command)}")
    command[0] = str(airflow_command().with_name("kenshin"))
    done = subprocess.run(command, env=airflow.environment, cwd=CHECKOUT)
    if done.returncode != 0:
        api = airflow.api()
        failed = [run for run in _drift_runs(airflow, first, last) if run.state == "failed"]
        tail = _failure(api, DRIFT_DAG, failed[0].run_id) if failed else "See above."
        raise DemoFailed(f"The backfill did not end well. {tail}")


def _drift_runs(airflow: LocalAirflow, first: date, last: date) -> Sequence[Run]:
    from kenshin.cli.airflow_api import whole_days
    from kenshin.settings import Settings

    begin, end = whole_days(first, last, Settings.from_env(airflow.environment).zone)
    return airflow.api().runs_between(DRIFT_DAG, begin, end)


def _show_reports(airflow: LocalAirflow, sample: Mapping[str, Any]) -> None:
    console.rule("4  The reports", align="left")
    kenshin = str(airflow_command().with_name("kenshin"))
    for command in (
        ["experiments", "show", str(sample["experiment"]), "--day", str(sample["through_day"])],
        ["drift", "show"],
        ["drift", "worst", "--limit", "5"],
    ):
        console.print(f"$ kenshin {' '.join(command)}")
        if subprocess.run([kenshin, *command], env=airflow.environment, cwd=CHECKOUT).returncode != 0:
            raise DemoFailed(f"kenshin {' '.join(command)} found no report.")
    reports = sorted(path for path in (airflow.kenshin_home / "lake" / "reports").rglob("*.json"))
    if len([path for path in reports if path.name != "_manifest.json"]) < 2:
        raise DemoFailed("A report is missing in the lake.")
    console.print("Written to:")
    for kind in ("experiment", "index"):
        newest = max(
            (path for path in reports if f"/{kind}=" in path.as_posix() and path.name[0] != "_"), default=None
        )
        if newest is None:
            raise DemoFailed(f"No {kind} report lies in the lake.")
        console.print(f"  {_relative(newest)}", soft_wrap=True)


def _relative(path: Path) -> str:
    return path.relative_to(CHECKOUT).as_posix()


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
