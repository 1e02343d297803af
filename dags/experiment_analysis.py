"""### Experiment analysis: which prompt version is better?

Every night at 02:00 (Asia/Tokyo unless `KENSHIN_ZONE` says otherwise), or by hand for one experiment: collects the
observations into the lake, reduces them to sums per session and to sufficient statistics (mapped over experiments and
shards), tests each arm against control by session, publishes a report, sends out its figures, and starts
`promote_experiment` where a verdict asks for an answer; a backfill asks nobody.

**Parameters**: `experiment_id`: one experiment, also one that has ended; blank: all that are running. `through_day`:
the last day to count; blank: the last complete day before the run. `dry_run`: publish no report, send no figures.

Example conf: `{"experiment_id": "star-class-size", "through_day": "2026-11-14", "dry_run": false}`

**Recovery**: clear the failed task, or run the day again. Every step is keyed by experiment, day and shard and
published whole, so nothing is lost or counted twice. The last three days are read again each night; older days are
read where they were not collected yet, so a missed night mends itself.

**Triage**: *plan* fails: the experiment is unknown, a draft, or starts later; the message says which. *collect* fails:
the observation store (`KENSHIN_OBSERVATIONS`) cannot be read; `kenshin doctor` says why. *reduce* fails: a shard needs
more than 1 GB, or the lake is full. *analyse* fails with "statistics are missing": run the day again from *plan*.
*ask* skipped: no verdict asks for an answer, or it was asked. All tasks after *plan* skipped: nothing is running.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Param, dag, task

from kenshin_airflow import DEFAULT_ARGS, is_backfill, last_complete_day, nightly, run_params, runtime

WHICH = "Its id; blank: all that are running."
THROUGH = "Last day to count; blank: the last complete day before the run."
DRY = "Publish no report and send no figures."
PARAMS = {
    "experiment_id": Param(None, type=["null", "string"], title="Experiment", description=WHICH),
    "through_day": Param(None, type=["null", "string"], format="date", title="Day", description=THROUGH),
    "dry_run": Param(False, type="boolean", title="Dry run", description=DRY),
}


@dag(
    dag_id="experiment_analysis",
    schedule=nightly("0 2 * * *"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params=PARAMS,
    doc_md=__doc__,
    tags=["kenshin", "experiments"],
)
def experiment_analysis() -> None:
    """Plan, then collect and reduce by shards, then analyse by experiment."""

    @task
    def plan() -> list[dict[str, Any]]:
        from kenshin.experiments.night import plan

        params = run_params(set(PARAMS))
        name, day = params["experiment_id"], last_complete_day(params["through_day"])
        with runtime() as our:
            tasks, zone = our.settings.shard_tasks, our.settings.zone
            return plan(our.experiments, experiment_id=name, through_day=day, tasks=tasks, zone=zone)

    @task
    def collect(item: dict[str, Any]) -> dict[str, Any]:
        from kenshin.experiments.night import collect_shards

        with runtime() as our:
            return collect_shards(our.experiments, our.observations, our.lake, item, zone=our.settings.zone)

    @task
    def reduce(item: dict[str, Any]) -> dict[str, Any]:
        from kenshin.experiments.night import reduce_shards

        with runtime() as our:
            return reduce_shards(our.experiments, our.lake, item, zone=our.settings.zone)

    @task
    def merge(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        from kenshin.experiments.night import experiments_of

        return experiments_of(items)

    @task
    def analyse(item: dict[str, Any]) -> dict[str, Any]:
        from kenshin.experiments.night import analyse

        dry = run_params(set(PARAMS))["dry_run"]
        with runtime() as our:
            zone, at = our.settings.zone, our.clock()
            ports = (our.experiments, our.ledger, our.lake, our.recorder)
            return analyse(*ports, item, zone=zone, at=at, dry_run=dry)

    @task
    def questions(analysed: list[dict[str, Any]]) -> list[dict[str, Any]]:
        from kenshin.experiments.proposal import questions_of

        with runtime() as our:
            return [] if is_backfill() else questions_of(our.experiments, our.lake, analysed)

    analysed = analyse.expand(item=merge(reduce.expand(item=collect.expand(item=plan()))))
    TriggerDagRunOperator.partial(
        task_id="ask", trigger_dag_id="promote_experiment", logical_date=None, skip_when_already_exists=True
    ).expand_kwargs(questions(analysed))


experiment_analysis()
