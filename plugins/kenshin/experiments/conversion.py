"""A row of a file as an observation: how text becomes a value, and which instants are plausible.

What a value must be is the business of `ABObservation`, and what belongs to an experiment that of `admit`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from kenshin.days import start_of
from kenshin.errors import InvalidName, InvalidObservation
from kenshin.experiments.admission import Admission
from kenshin.experiments.collect import first_day
from kenshin.experiments.columns import GROUPS, SAME, ColumnMap
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.observation import ABObservation, content_id, observation
from kenshin.experiments.reading import Row, Unreadable

EARLIER = timedelta(days=366)
"""Observations so much older than the experiment's first day are taken for mistakes."""

LATER = timedelta(days=1)
"""Clocks may differ; observations further in the future are taken for mistakes."""

MOST_COLUMNS = 1_000
"""What so many columns mean is remembered; lines of JSON may have any number."""


class BadRow(Exception):
    """A row is no observation: which column, which value, why."""

    def __init__(self, column: str | None, value: object, reason: str) -> None:
        self.column = column
        self.value = value
        self.reason = reason
        super().__init__(reason)


class Converter:
    """Makes observations of one experiment.

    Args:
        experiment: whose they are.
        zone: whose dates the days are.
        recorded_at: when they are recorded, where a row does not say.
        columns: which column fills which field.
    """

    def __init__(
        self, experiment: Experiment, *, zone: tzinfo, recorded_at: datetime, columns: ColumnMap = SAME
    ) -> None:
        self.columns = columns
        self.experiment = experiment
        self.admission = Admission(experiment)
        self.zone = zone
        self.recorded_at = recorded_at
        self.earliest = start_of(first_day(experiment, zone), zone) - EARLIER
        self.latest = recorded_at + LATER
        self.versions = {arm.name: arm.prompt_version for arm in experiment.all_arms()}
        self._fields: dict[str, str | None] = {}
        self.figures: dict[str, dict[str, str]] = {group: {} for group in GROUPS}
        """By group, the name of each figure by its field, in the order in which the file has them."""

    def observation(self, row: Row) -> ABObservation:
        """The row as an observation.

        Raises:
            BadRow: it is none, or not the experiment's.
        """
        if row.problem is not None:
            raise BadRow(None, None, row.problem)
        try:
            return self.admission.check(self._observation(self._by_field(row.cells)))
        except InvalidObservation as error:
            column, equals, _ = str(error.value).partition("=")
            value = row.cells.get(column, error.value) if equals else error.value
            raise BadRow(column if equals else None, value, error.reason) from error
        except InvalidName as error:
            raise BadRow(None, error.value, error.reason) from error

    def fields(self, columns: Iterable[str]) -> dict[str, str] | None:
        """By field, the column that fills it; None where only a row can tell."""
        by_field: dict[str, str] = {}
        for column in columns:
            try:
                field = self.columns.field_of(column)
            except InvalidName:
                return None
            if field in by_field:
                return None
            if field is not None:
                by_field[field] = column
        for column in columns:
            if column not in self._fields:
                self._remember(column)
        return by_field if len(self._fields) < MOST_COLUMNS else None

    def _by_field(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        known: dict[str, Any] = {}
        for column, value in cells.items():
            field = self._fields[column] if column in self._fields else self._remember(column)
            if field is None or value is None or value == "":
                continue
            if isinstance(value, Unreadable):
                raise BadRow(column, None, value.reason)
            if field in known:
                raise BadRow(column, value, f"'{field}' is there twice, under two names")
            known[field] = self.columns.value(field, value) if field in self.columns.values else value
        return known

    def _remember(self, column: str) -> str | None:
        field = self.columns.field_of(column)
        if len(self._fields) < MOST_COLUMNS:
            self._fields[column] = field
            group, dot, figure = (field or "").partition(".")
            if dot:
                self.figures[group][str(field)] = figure
        return field

    def _observation(self, cells: dict[str, Any]) -> ABObservation:
        arm = _text(cells, "arm")
        if arm not in self.versions:
            raise BadRow("arm", arm, f"the arms are {', '.join(self.versions)}")
        observed_at = _instant(cells, "observed_at")
        if not self.earliest <= observed_at <= self.latest:
            raise BadRow("observed_at", cells["observed_at"], self._implausible(observed_at))
        phase = _whole(cells, "phase", self.experiment.phase)
        if phase < self.experiment.phase and "prompt_version" not in cells:
            raise BadRow(
                "prompt_version", None, f"it is missing, and phase {phase} may have had another prompt"
            )
        said: dict[str, Any] = {
            "session_id": _text(cells, "session_id"),
            "arm": arm,
            "observed_at": observed_at,
            **{
                name: _text(cells, name) for name in ("prompt_version", "intent", "trace_id") if name in cells
            },
            **{name: _number(name, cells[name]) for name in ("quality_score", "latency_ms") if name in cells},
            **({"phase": phase} if "phase" in cells else {}),
            "metrics": self._group(cells, "metrics"),
            "covariates": self._group(cells, "covariates"),
        }
        experiment_id = _text(cells, "experiment_id", self.experiment.experiment_id)
        identity = (
            _text(cells, "observation_id") if "observation_id" in cells else content_id(experiment_id, said)
        )
        return observation(
            observation_id=identity,
            experiment_id=experiment_id,
            recorded_at=_instant(cells, "recorded_at") if "recorded_at" in cells else self.recorded_at,
            zone=self.zone,
            **{"prompt_version": self.versions[arm], "phase": self.experiment.phase, **said},
        )

    def _group(self, cells: Mapping[str, Any], group: str) -> dict[str, float]:
        figures = pairs_of(group, cells[group]) if group in cells else {}
        if len(self._fields) < MOST_COLUMNS:
            fields = self.figures[group]
        else:
            prefix = f"{group}."
            fields = {field: field.removeprefix(prefix) for field in cells if field.startswith(prefix)}
        for field, figure in fields.items():
            if field in cells:
                figures[figure] = _number(field, cells[field])
        return figures

    def _implausible(self, observed_at: datetime) -> str:
        if observed_at > self.latest:
            return (
                f"it lies in the future ({observed_at.isoformat()}); "
                "seconds since the epoch are meant, not milliseconds"
            )
        first: date = first_day(self.experiment, self.zone)
        return (
            f"it lies more than {EARLIER.days} days before the experiment's first day ({first}); "
            "set 'created_at' in its definition if that is right"
        )


def _text(cells: Mapping[str, Any], field: str, default: str | None = None) -> str:
    value = cells.get(field, default)
    if value is None:
        raise BadRow(field, None, "it is missing")
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRow(field, value, "neither a text nor a whole number")
    return str(value)


def _number(field: str, value: Any) -> float:
    if isinstance(value, bool):
        raise BadRow(field, value, "not a number")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadRow(field, value, "not a number") from error


def _whole(cells: Mapping[str, Any], field: str, default: int) -> int:
    if field not in cells:
        return default
    value = _number(field, cells[field])
    if not value.is_integer():
        raise BadRow(field, cells[field], "not a whole number")
    return int(value)


def _instant(cells: Mapping[str, Any], field: str) -> datetime:
    value = cells.get(field)
    if value is None:
        raise BadRow(field, None, "it is missing")
    try:
        instant = parsed(value)
    except (ValueError, OverflowError, OSError, TypeError) as error:
        reason = "neither seconds since the epoch nor an instant like 2026-11-05T10:00:00+09:00"
        raise BadRow(field, value, reason) from error
    if instant.tzinfo is None:
        raise BadRow(field, value, "it has no time zone; write an offset, as in 2026-11-05T10:00:00+09:00")
    try:
        # In one zone for all, instants are compared several times faster.
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise BadRow(field, value, "it lies outside the years 1 to 9999") from error


def parsed(value: Any) -> datetime:
    """An instant: ISO 8601, or seconds since the epoch.

    Raises:
        ValueError, TypeError, OverflowError, OSError: it is none.
    """
    if isinstance(value, datetime):
        return value
    if isinstance(value, bool):
        raise TypeError(value)
    if isinstance(value, str):
        # Most instants are ISO 8601, and those hold a hyphen after the year.
        if value[4:5] == "-":
            return datetime.fromisoformat(value)
        value = float(value)
    return datetime.fromtimestamp(float(value), UTC)


def pairs_of(group: str, whole: Any) -> dict[str, float]:
    """The figures of a group that is written in one cell; raises BadRow."""
    if isinstance(whole, str):
        try:
            whole = json.loads(whole)
        except ValueError as error:
            raise BadRow(group, whole, "not a JSON object of numbers") from error
    try:
        pairs = dict(whole)
    except (TypeError, ValueError) as error:
        raise BadRow(group, whole, "not a map of numbers") from error
    return {
        str(name): _number(f"{group}.{name}", value) for name, value in pairs.items() if value is not None
    }
