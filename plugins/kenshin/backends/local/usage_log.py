"""Recorded usage from the files that an ``emf:///folder`` sink writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kenshin.backends import Opening
from kenshin.budget.calibration import MOST_TOKENS
from kenshin.budget.usage_log import UsageLog
from kenshin.errors import BackendUnavailable
from kenshin.signals.usage import UsageObserved
from kenshin.urls import PortURL

_MARK = b'"log_type":"usage_observed"'
_HOUR = timedelta(hours=1)
_COUNTS = (
    "estimated_tokens",
    "estimated_upper",
    "corrected_tokens",
    "corrected_upper",
    "actual_tokens",
)
_TEXTS = ("model_id", "script")
_NAMES = {field.name for field in fields(UsageObserved)} - {"at"}


class EmfUsageLog:
    """Reads the files of every process, hour by hour and line by line.

    Args:
        folder: where the sink writes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, since: datetime, until: datetime) -> Iterator[UsageObserved | None]:
        """The records of a span of time; see `UsageLog.read`.

        Raises:
            BackendUnavailable: a file cannot be read.
        """
        hour = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        while hour < until:
            folder = self._folder / f"date={hour:%Y-%m-%d}" / f"hour={hour:%H}"
            for path in sorted(folder.glob("*.jsonl")):
                for found in _of_file(path):
                    if found is None or since <= found.at < until:
                        yield found
            hour += _HOUR


def _of_file(path: Path) -> Iterator[UsageObserved | None]:
    try:
        with path.open("rb") as lines:
            for line in lines:
                if _MARK in line:
                    yield _parsed(line)
    except FileNotFoundError:
        # Somebody has tidied up since the folder was listed.
        return
    except OSError as error:
        raise BackendUnavailable(
            value=str(path), reason=f"the file of signals cannot be read ({error})", mend="Check its rights."
        ) from error


def _parsed(line: bytes) -> UsageObserved | None:
    try:
        body = json.loads(line)
        at = datetime.fromtimestamp(body["_aws"]["Timestamp"] / 1000, UTC)
        values = {name: body[name] for name in _NAMES if name in body}
        record = UsageObserved(at=at, **values)
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
        return None
    counts = [getattr(record, name) for name in _COUNTS]
    if any(
        isinstance(each, bool) or not isinstance(each, int) or not 0 <= each <= MOST_TOKENS for each in counts
    ):
        return None
    if not isinstance(record.overflowed, bool):
        return None
    texts = [getattr(record, name) for name in _TEXTS]
    return record if all(isinstance(each, str) and each.isprintable() for each in texts) else None


def open_usage_log(url: PortURL, opening: Opening) -> UsageLog:
    """The backend of ``emf:///folder``."""
    return EmfUsageLog(url.file())
