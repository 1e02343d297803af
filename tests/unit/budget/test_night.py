from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kenshin.budget.night import fit_night, place, put_in_force
from kenshin.budget.weights import KEY, read_weights
from kenshin.errors import Conflict, InvalidInput, NotFound
from kenshin.publishing import read_json
from kenshin.runtime import Runtime
from kenshin.settings import Settings
from kenshin.signals.usage import UsageObserved

DAY = date(2026, 11, 14)
AT = datetime(2026, 11, 14, 16, 30, tzinfo=UTC)


class Log:
    """Recorded usage in memory."""

    def __init__(self) -> None:
        self.records: list[UsageObserved | None] = []

    def read(self, since: datetime, until: datetime) -> Iterator[UsageObserved | None]:
        return (each for each in self.records if each is None or since <= each.at < until)

    def add(self, day: date, count: int, shift: float, model: str = "m") -> None:
        rng = random.Random(f"{day}{count}{shift}{model}")
        for number in range(count):
            tokens = rng.randrange(500, 4_000)
            actual = round(tokens * math.exp(rng.gauss(shift, 0.03)))
            at = datetime(day.year, day.month, day.day, 3, tzinfo=UTC) + timedelta(seconds=number)
            upper = round(1.1 * tokens)
            self.records.append(UsageObserved(at, model, "latin", tokens, upper, tokens, upper, actual))


class Night:
    """The steps on the embedded stores."""

    def __init__(self, our: Runtime) -> None:
        self.our, self.log = our, Log()

    def fit(self, day: date = DAY, **asked: Any) -> dict[str, Any]:
        zone = self.our.settings.zone
        ports = (self.log, self.our.documents, self.our.lake)
        return fit_night(*ports, through_day=day, zone=zone, **asked)

    def put(self, day: date = DAY) -> dict[str, Any]:
        ports = (self.our.documents, self.our.ledger, self.our.lake)
        return put_in_force(*ports, through_day=day, at=AT, by="test")

    def shift(self, model: str = "m") -> float:
        return read_weights(self.our.documents)[0].corrections[model, "latin"].shift


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    our = Runtime(Settings.from_env({"KENSHIN_HOME": str(tmp_path)}))
    yield Night(our)
    our.close()


def test_a_night_puts_in_force_what_it_fitted_and_tells_the_ledger(night: Night) -> None:
    night.log.add(DAY, 300, 0.3)
    night.log.records.append(None)
    fitted = night.fit()
    (verdict,) = fitted["verdicts"]
    assert {name: value for name, value in fitted.items() if name != "verdicts"} == {
        "through_day": "2026-11-14",
        "days": 7,
        "calls": 300,
        "unreadable": 1,
        "accepted": 1,
        "refused": 0,
        "too_few": 0,
    }
    assert (verdict["script"], verdict["calls"], verdict["outcome"]) == ("latin", 300, "accepted")
    assert verdict["reason"].startswith("median error 0.")
    assert read_weights(night.our.documents) == (read_weights(night.our.documents)[0], None)
    assert night.put() == {**fitted, "version": 1, "changed": True}
    assert night.shift() == pytest.approx(0.3, abs=0.01)
    (entry,) = night.our.ledger.read(KEY)
    body: Any = entry.value.body
    assert entry.value.key == "fit:2026-11-14:v1"
    assert (body["version"], body["replaced_version"], body["calls"]) == (1, None, 300)
    assert body["rows"][0]["judged_fitted"]["error"] < body["rows"][0]["judged_before"]["error"]


def test_a_rerun_changes_nothing(night: Night) -> None:
    night.log.add(DAY, 300, 0.3)
    first = (night.fit(), night.put(), read_json(night.our.lake, place(DAY)))
    again = (night.fit(), night.put(), read_json(night.our.lake, place(DAY)))
    assert again == (first[0], {**first[1], "changed": False}, first[2])
    assert len(night.our.ledger.read(KEY)) == 1


def test_a_rerun_of_one_model_leaves_the_others(night: Night) -> None:
    night.log.add(DAY, 300, 0.3)
    night.log.add(DAY, 300, -0.2, model="n")
    night.fit()
    night.put()
    night.fit(model="n")
    assert night.put()["changed"] is False
    assert (night.shift("m"), night.shift("n")) == (
        pytest.approx(0.3, abs=0.01),
        pytest.approx(-0.2, abs=0.01),
    )


def test_late_records_make_a_new_version_judged_against_the_same(night: Night) -> None:
    night.log.add(DAY, 300, 0.3)
    night.fit()
    night.put()
    night.log.add(DAY, 900, 0.35)
    night.fit()
    assert night.put()["version"] == 2
    keys = [entry.value.key for entry in night.our.ledger.read(KEY)]
    assert keys == ["fit:2026-11-14:v1", "fit:2026-11-14:v2"]
    assert read_weights(night.our.documents)[0].replaced == {}


def test_an_earlier_day_is_reported_and_changes_nothing(night: Night) -> None:
    earlier = DAY - timedelta(days=3)
    night.log.add(DAY, 300, 0.3)
    night.log.add(earlier, 300, 0.9)
    night.fit(days=1)
    night.put()
    night.fit(earlier, days=1)
    told = night.put(earlier)
    assert (told["changed"], told["note"]) == (False, "a later day is in force")
    assert night.shift() == pytest.approx(0.3, abs=0.01)
    assert read_json(night.our.lake, place(earlier))["calls"] == 300


def test_a_fit_of_other_numbers_than_those_in_force_is_a_conflict(night: Night) -> None:
    night.log.add(DAY, 300, 0.3)
    night.fit()
    later = DAY + timedelta(days=1)
    night.log.add(later, 300, 0.5)
    night.fit(later, days=1)
    night.put()
    with pytest.raises(Conflict, match="judged against"):
        night.put(later)
    night.fit(later, days=1)
    assert night.put(later)["version"] == 2


def test_days_are_days_of_the_zone(night: Night) -> None:
    night.log.add(DAY, 100, 0.3)
    night.log.records = [
        UsageObserved(datetime(2026, 11, 13, 14, 59, tzinfo=UTC), "m", "latin", 1, 1, 1, 1, 1),
        UsageObserved(datetime(2026, 11, 13, 15, 0, tzinfo=UTC), "m", "latin", 1, 1, 1, 1, 1),
        UsageObserved(datetime(2026, 11, 14, 15, 0, tzinfo=UTC), "m", "latin", 1, 1, 1, 1, 1),
    ]
    assert night.fit(days=1)["calls"] == 1


def test_a_dry_run_leaves_nothing(night: Night) -> None:
    night.log.add(DAY, 300, 0.3)
    assert night.fit(dry_run=True)["accepted"] == 1
    with pytest.raises(NotFound):
        night.put()
    assert read_weights(night.our.documents)[1] is None


def test_no_usage_is_an_answer(night: Night) -> None:
    assert night.fit()["calls"] == 0
    assert night.put()["changed"] is False


@pytest.mark.parametrize("day", [date.min, date.max])
def test_a_span_beyond_the_calendar_is_refused(night: Night, day: date) -> None:
    with pytest.raises(InvalidInput, match="calendar"):
        night.fit(day, days=90)


@pytest.mark.parametrize("days", [0, -1, 10**9])
def test_no_days_are_refused(night: Night, days: int) -> None:
    with pytest.raises(InvalidInput):
        night.fit(days=days)


def test_a_writer_between_is_a_conflict(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    night.log.add(DAY, 300, 0.3)
    night.fit()
    put: Callable[..., int] = night.our.documents.put

    def raced(key: str, body: Any, *, expected: int | None) -> int:
        put(key, {"through_day": None, "corrections": [], "replaced": []}, expected=expected)
        return put(key, body, expected=expected)

    monkeypatch.setattr(night.our.documents, "put", raced)
    with pytest.raises(Conflict):
        night.put()
    assert night.our.ledger.read(KEY) == []
