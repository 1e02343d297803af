"""What all of Kenshin's DAGs share: defaults, timetables, days, checked parameters, the runtime of a task.

The only place where Airflow and the library meet. AWS sessions come from the Airflow Connection named by
``KENSHIN_AWS_CONN_ID``, its endpoint and botocore configuration included.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, CronTriggerTimetable, get_current_context

from kenshin.current import use
from kenshin.days import day_of, parse_day
from kenshin.errors import (
    BackendUnavailable,
    ExperimentNotFound,
    InvalidExperiment,
    InvalidInput,
    InvalidName,
    PromotionRefused,
    SettingError,
)
from kenshin.settings import Settings

if TYPE_CHECKING:
    from kenshin.runtime import Runtime

SETTINGS = Settings.from_env()

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "kenshin",
    "retries": 2,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(hours=1),
}

DRIFTED = Asset(name="kenshin_embedding_drifted", group="kenshin")
"""An index was observed to drift today; re-embedding follows it. A URI would make Airflow import every provider."""


def nightly(cron: str) -> CronTriggerTimetable:
    """A timetable in the configured zone without data intervals: a run's logical date is its run time."""
    return CronTriggerTimetable(cron, timezone=SETTINGS.zone.key)


def run_params(known: set[str]) -> dict[str, Any]:
    """The current run's parameters.

    Raises:
        AirflowFailException: the run's conf has a key that the DAG does not know; Airflow itself would ignore it.
    """
    context = get_current_context()
    unknown = sorted(set(context["dag_run"].conf or {}) - known)
    if unknown:
        with refusing():
            raise InvalidInput(
                value=", ".join(unknown),
                reason="unknown conf keys",
                mend=f"Known: {', '.join(sorted(known))}.",
            )
    return {name: context["params"].get(name) for name in known}


def run_day(param: str | None) -> date:
    """The day a run is about: the parameter, else the date of its logical date, else that of its creation."""
    if param:
        return parse_day(param)
    run = get_current_context()["dag_run"]
    return day_of(run.logical_date or run.run_after, SETTINGS.zone)


def last_complete_day(param: str | None) -> date:
    """The day up to which a run works: the parameter, else the day before the run's own."""
    return parse_day(param) if param else run_day(None) - timedelta(days=1)


def is_backfill() -> bool:
    """Whether the current run fills in history."""
    return str(get_current_context()["dag_run"].run_type).endswith("backfill")


@contextmanager
def refusing() -> Iterator[None]:
    """Fail a task at once where trying again cannot help: a value that is wrong stays wrong."""
    try:
        yield
    except (
        SettingError,
        InvalidName,
        InvalidInput,
        InvalidExperiment,
        ExperimentNotFound,
        PromotionRefused,
    ) as error:
        from airflow.sdk.exceptions import AirflowFailException

        raise AirflowFailException(str(error)) from error


@contextmanager
def runtime() -> Iterator[Runtime]:
    """The runtime of one task: in force while the task works, flushed and closed when it ends."""
    from kenshin.runtime import Runtime

    with refusing():
        made = Runtime(Settings.from_env(), clients=ConnectionClients(SETTINGS.aws_conn_id))
        try:
            with use(made):
                yield made
        finally:
            made.close()


class ConnectionClients:
    """AWS clients from an Airflow Connection; a missing Connection fails instead of reaching a real account.

    Args:
        conn_id: the Connection's id.
    """

    def __init__(self, conn_id: str) -> None:
        self._conn_id = conn_id

    def client(self, service: str, region: str | None = None) -> Any:
        """A boto3 client with the Connection's credentials, endpoint and configuration; a region given here wins."""
        return self._hook(region, service).get_conn()

    def credentials(self, region: str | None = None) -> Any:
        """Frozen credentials of the Connection."""
        return self._hook(region, "sts").get_credentials(region_name=region)

    def _hook(self, region: str | None, service: str) -> Any:
        from airflow.exceptions import AirflowNotFoundException
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

        try:
            AwsBaseHook.get_connection(self._conn_id)
        except AirflowNotFoundException as error:
            raise BackendUnavailable(
                value=self._conn_id,
                reason="no such Airflow Connection",
                mend="Create it (type aws), or name another by KENSHIN_AWS_CONN_ID.",
            ) from error
        return AwsBaseHook(aws_conn_id=self._conn_id, region_name=region, client_type=service)
