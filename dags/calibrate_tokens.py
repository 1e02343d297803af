"""### Calibration: what models reported corrects the estimates of tokens

Every night at 01:30 (Asia/Tokyo unless `KENSHIN_ZONE` says otherwise), or by hand: reads the usage that services
recorded beside their estimates, fits shift and bound anew by model and script, judges each fit on calls that it has not
seen, publishes a report, and puts in force what is no worse than what was. Services take it over within ten minutes.

**Parameters**: `through_day`: the last day to fit; blank: the last complete day before the run. `days`: how many days,
counted back from it. `model`: one model by its name in the registry; blank: all. `dry_run`: judge, but publish nothing
and put nothing in force.

Example conf: `{"through_day": "2026-11-14", "days": 14, "model": "claude-3-5-sonnet", "dry_run": true}`

**Recovery**: clear the failed task, or run the day again: a fit of the same records is the same, and is judged against
what was in force before the day's first run. A day before the one in force is fitted and reported, and changes nothing.
Every change is in the ledger (`token-calibration`). `kenshin budget calibration` shows what is in force, `kenshin
budget reset` drops it.

**Triage**: *fit* fails with "cannot be read back": `KENSHIN_SIGNALS` names no folder of EMF files (`emf:///folder`).
*fit* finds no calls: services observe no usage, or write elsewhere. *put_in_force* fails with a conflict: somebody else
wrote meanwhile; clear *fit*. It is skipped: dry run. A model is refused night after night: its prompts have changed in
kind; look at the report's errors, and at `TokenEstimateError`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Param, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from kenshin_airflow import DEFAULT_ARGS, last_complete_day, nightly, run_params, runtime

THROUGH = "Last day to fit; blank: the last complete day before the run."
DAYS, WHICH = "Days whose usage is fitted.", "Its name in the registry; blank: all."
DRY = "Publish no report and put nothing in force."
PARAMS = {
    "through_day": Param(None, type=["null", "string"], format="date", title="Day", description=THROUGH),
    "days": Param(7, type="integer", minimum=1, maximum=90, title="Days", description=DAYS),
    "model": Param(None, type=["null", "string"], maxLength=200, title="Model", description=WHICH),
    "dry_run": Param(False, type="boolean", title="Dry run", description=DRY),
}


@dag(
    dag_id="calibrate_tokens",
    schedule=nightly("30 1 * * *"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params=PARAMS,
    doc_md=__doc__,
    tags=["kenshin", "budget"],
)
def calibrate_tokens() -> None:
    """Fit and judge, then put in force."""

    @task
    def fit() -> dict[str, Any]:
        from kenshin.budget.night import fit_night

        params = run_params(set(PARAMS))
        asked = {name: params[name] for name in ("days", "model", "dry_run")}
        day = last_complete_day(params["through_day"])
        with runtime() as our:
            ports, zone = (our.usage_log, our.documents, our.lake), our.settings.zone
            return fit_night(*ports, through_day=day, zone=zone, **asked)

    @task
    def put_in_force(fitted: dict[str, Any]) -> dict[str, Any]:
        from kenshin.budget.night import put_in_force
        from kenshin.days import parse_day

        if run_params(set(PARAMS))["dry_run"]:
            raise AirflowSkipException("Dry run.")
        day = parse_day(fitted["through_day"])
        with runtime() as our:
            ports = (our.documents, our.ledger, our.lake)
            return put_in_force(*ports, through_day=day, at=our.clock(), by="calibrate_tokens")

    put_in_force(fit())


calibrate_tokens()
