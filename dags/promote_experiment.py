"""### Promotion: a person answers what a report's verdict asks

One run per experiment and report, started by `experiment_analysis` when a verdict asks for an answer (promote, roll
back, reject), or by hand. It fixes the report's content and the experiment's version, asks in the Airflow UI (*Required
Actions*), checks that both still stand, and lets the registry conclude the experiment; services follow within seconds.
Who may answer, for how long, what silence means and whether harm is rolled back without asking is the experiment's
policy (`policy.promotion`). Every answer, refusal and time-out is in the ledger (`kenshin experiments ledger ID`).

**Parameters**: `experiment_id`: which experiment. `report_day`: day of its report; blank: the newest. `report_sha256`:
the content that is meant; blank: as it is now. `dry_run`: say what would happen; ask nobody, write nothing.

Example conf: `{"experiment_id": "star-class-size", "report_day": "2026-11-14", "dry_run": true}`

**Recovery**: clear *conclude*: an answer that was carried out is not carried out again. Clear *ask* to ask anew. A run
about an older report can be left alone: it changes nothing any more.

**Triage**: *propose* fails: there is no such report, its verdict asks for nothing, or the experiment has ended.
*conclude* fails with "Promotion refused": the report is not the newest, was replaced, or the experiment was changed
since the question was put; the newest report's own run asks again. *ask* skipped: dry run, a stale report, or a
roll-back that the policy carries out by itself. *ask* waits and nobody finds it: the policy's `approvers` are user ids
as Airflow's auth manager knows them, and nobody else may answer, not even an admin.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param, dag, get_current_context, task

from kenshin_airflow import DEFAULT_ARGS, run_params, runtime

PARAMS = {
    "experiment_id": Param(None, type="string", title="Experiment", description="Its id."),
    "report_day": Param(
        None, type=["null", "string"], format="date", title="Report of", description="Blank: the newest."
    ),
    "report_sha256": Param(
        None, type=["null", "string"], title="Content", description="SHA-256 of the report; blank: as it is."
    ),
    "dry_run": Param(False, type="boolean", title="Dry run", description="Ask nobody and write nothing."),
}


@dag(
    dag_id="promote_experiment",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    is_paused_upon_creation=False,
    default_args=DEFAULT_ARGS,
    params=PARAMS,
    doc_md=__doc__,
    tags=["kenshin", "experiments"],
)
def promote_experiment() -> None:
    """Propose, ask where somebody has to be asked, conclude."""

    @task
    def propose() -> dict[str, Any]:
        from kenshin.days import parse_day
        from kenshin.experiments.proposal import propose

        params = run_params(set(PARAMS))
        name, digest = params["experiment_id"], params["report_sha256"]
        day = parse_day(params["report_day"]) if params["report_day"] else None
        with runtime() as our:
            return propose(our.experiments, our.lake, name, day, report_sha256=digest).as_dict()

    @task
    def questions(proposal: dict[str, Any]) -> list[dict[str, Any]]:
        from kenshin.experiments.proposal import Proposal

        return [] if run_params(set(PARAMS))["dry_run"] else Proposal.from_dict(proposal).asked()

    @task(trigger_rule="none_failed")
    def conclude(proposal: dict[str, Any], responses: list[dict[str, Any]] | None) -> dict[str, Any]:
        from kenshin.experiments.promotion import Answer, settle
        from kenshin.experiments.proposal import Proposal

        dry, occasion = run_params(set(PARAMS))["dry_run"], get_current_context()["dag_run"].run_id
        asked, answer = Proposal.from_dict(proposal), Answer.from_airflow(list(responses or ()))
        with runtime() as our:
            ports = our.experiments, our.ledger, our.lake
            at = our.clock()
            return settle(*ports, asked, answer, occasion=occasion, at=at, dry_run=dry).as_dict()

    proposal = propose()
    asked = HITLOperator.partial(task_id="ask").expand_kwargs(questions(proposal))
    conclude(proposal, asked.output)


promote_experiment()
