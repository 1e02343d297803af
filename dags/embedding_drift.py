"""### Embedding drift: has the index moved away from the embedding model?

Every night at 03:00 (Asia/Tokyo unless `KENSHIN_ZONE` says otherwise), by hand, or as a backfill, one row a day: draws
a sample that index and day decide, embeds it anew in chunks (mapped), measures the cosine distance between stored and
fresh vectors, publishes a report, a row of history and a row per document, and sends out the figures.

**Parameters**: see below. A past `day` is *reconstructed*: documents embedded after it are left out, no metric is sent,
nothing is re-embedded for it. Example conf: `{"sample_size": 300, "threshold": 0.15, "day": "2026-11-05"}`

**Recovery**: clear the failed task, or run the day again. A finished snapshot of a day is kept, whatever size or model
is asked for later: a rerun asks neither index nor model and gives the same figures; only the threshold may change.
A week: `kenshin drift backfill --from 2026-11-05 --to 2026-11-11`, both days included.

**Triage**: *draw* fails: the index (`KENSHIN_INDEX`) does not exist or answer, or the day lies in the future. *embed*
fails: the model (`KENSHIN_EMBEDDER`) gives no vector, or the sample was drawn for another; see `kenshin doctor`; it is
skipped: the snapshot was reused. *compare* misses a chunk: clear *embed*. *drifted* skipped: no drift, or no news.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Param, TriggerRule, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from kenshin_airflow import DEFAULT_ARGS, DRIFTED, is_backfill, nightly, run_day, run_params, runtime

SIZE = "Documents to draw; a day that has a snapshot keeps its own."
ABOVE = "Cosine distance, 0 to 2, above which a document has drifted."
WHICH, DAY = "Its name; blank: the configured one.", "Day to measure; blank: the run's own."
PARAMS = {
    "sample_size": Param(300, type="integer", minimum=1, maximum=50_000, title="Sample", description=SIZE),
    "threshold": Param(0.15, type="number", minimum=0, maximum=2, title="Threshold", description=ABOVE),
    "index": Param(None, type=["null", "string"], maxLength=64, title="Index", description=WHICH),
    "day": Param(None, type=["null", "string"], format="date", title="Day", description=DAY),
}


def subject(our: Any) -> dict[str, Any]:
    """Which index and day the run is about."""
    params = run_params(set(PARAMS))
    return {"index_name": params["index"] or our.index_name, "day": run_day(params["day"])}


@dag(
    dag_id="embedding_drift",
    schedule=nightly("0 3 * * *"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=2,
    default_args=DEFAULT_ARGS,
    params=PARAMS,
    doc_md=__doc__,
    tags=["kenshin", "drift"],
)
def embedding_drift() -> None:
    """Draw, embed by chunks, compare, send out, and say so if something drifted."""

    @task
    def draw() -> list[int]:
        from kenshin.drift.checkup import draw, viewpoint

        with runtime() as our:
            about, size = subject(our), run_params(set(PARAMS))["sample_size"]
            view = viewpoint(about["day"], now=our.clock(), zone=our.settings.zone)
            index, model = our.index(about["index_name"]), str(our.embedder.fingerprint)
            return draw(index, our.lake, **about, **view, sample_size=size, fingerprint=model)["chunks"]

    @task
    def embed(chunk: int) -> dict[str, Any]:
        from kenshin.drift.checkup import embed_chunk

        with runtime() as our:
            return embed_chunk(our.lake, our.embedder, our.embeddings, **subject(our), chunk=chunk)

    @task(trigger_rule=TriggerRule.NONE_FAILED)
    def compare() -> dict[str, Any]:
        from kenshin.drift.checkup import compare

        with runtime() as our:
            return compare(our.lake, **subject(our), threshold=run_params(set(PARAMS))["threshold"])

    @task
    def emit() -> dict[str, Any]:
        from kenshin.drift.announcement import emit

        with runtime() as our:
            at = {"now": our.clock(), "zone": our.settings.zone}
            return emit(our.lake, our.recorder, **subject(our), **at, backfill=is_backfill())

    @task(outlets=[DRIFTED])
    def drifted(news: dict[str, Any]) -> None:
        if not (news["drifted"] and news["news"]):
            raise AirflowSkipException("No document drifted, or that is no news.")
        about = {name: news[name] for name in ("index", "day", "report_key")}
        get_current_context()["outlet_events"][DRIFTED].extra = about

    emitted = emit()
    embed.expand(chunk=draw()) >> compare() >> emitted
    drifted(emitted)


embedding_drift()
