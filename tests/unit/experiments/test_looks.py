from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest
from unit.experiments.judged import DAYS, look, nights

from kenshin.errors import Conflict
from kenshin.experiments.decision import Decision
from kenshin.experiments.looks import (
    History,
    Look,
    Night,
    export_looks,
    history_of,
    looks_of,
    record_night,
    signed,
    subject_of,
)
from kenshin.ledger import LedgerEntry
from kenshin.parquet import check_schema
from kenshin.publishing import local_parts

AT = datetime(2026, 11, 14, 17, tzinfo=UTC)
GO_ON = Decision("continue", None, ("nothing yet",), "Go on.", rule="undecided")
STOP = Decision("promote", "B", ("z",), "Promote B.", True, True, "crossed_up")


def recorded(ledger, number, *looks, decision=GO_ON, after=None, day=None):
    known = history_of(ledger, "exp")
    return record_night(
        ledger,
        "exp",
        looks or (look(number),),
        decision,
        day=day or DAYS[number - 1],
        number=known.next_look,
        after=known.last if after is None else after,
        at=AT,
    )


class TestLook:
    HELD = look(1, boundary=None, ci_low=None, ci_high=None, outcome="held")
    FULL = look(
        2,
        outcome="crossed_up",
        decision="promote",
        report_key="k",
        code_version="1",
        sessions_a=9,
        sessions_b=8,
    )

    @pytest.mark.parametrize("each", [HELD, FULL])
    def test_json_and_back(self, each):
        assert Look.from_dict(json.loads(json.dumps({**each.as_dict(), "df": 30.0}))) == type(each)(
            **{**{name.name: getattr(each, name.name) for name in fields(each)}, "df": 30.0}
        )

    def test_a_look_of_before_the_sessions_were_told_apart_is_read(self):
        old = {
            k: v
            for k, v in self.FULL.as_dict().items()
            if k not in ("sessions_a", "sessions_b", "expected_b")
        }
        assert Look.from_dict(old).sessions_a is None

    def test_only_a_look_with_a_boundary_has_spent(self):
        assert (self.HELD.spent, self.FULL.spent) == (False, True)

    def test_signing_changes_who_looked_and_nothing_that_was_seen(self):
        (made,) = signed([self.FULL], number=7, decision=STOP, report_key="there", code_version="2.0")
        assert (made.look, made.decision, made.report_key, made.code_version) == (
            7,
            "promote",
            "there",
            "2.0",
        )
        changed = {"look", "decision", "report_key", "code_version"}
        assert {k: v for k, v in made.as_dict().items() if k not in changed} == {
            k: v for k, v in self.FULL.as_dict().items() if k not in changed
        }


class TestHistory:
    NIGHTS = tuple(
        Night(number, place, DAYS[number - 1], tuple(nights([number])), GO_ON)
        for place, number in enumerate((2, 3, 6), start=1)
    )

    def test_looks_are_those_of_the_days_before(self):
        history = History(self.NIGHTS, 3)
        assert [each.night for each in history.looks()] == [2, 3, 6]
        assert [each.night for each in history.looks(before=DAYS[5])] == [2, 3]
        assert [each.night for each in history.looks(before=DAYS[1])] == []

    @pytest.mark.parametrize(
        ("day", "retrospective"), [(1, True), (2, False), (4, True), (6, False), (7, False)]
    )
    def test_a_day_that_was_passed_over_is_retrospective(self, day, retrospective):
        assert History(self.NIGHTS, 3).is_retrospective(DAYS[day - 1]) is retrospective

    def test_numbers_go_on(self):
        assert (History().next_look, History(self.NIGHTS).next_look) == (1, 4)
        assert History(self.NIGHTS).of(DAYS[2]).look == 2
        assert History(self.NIGHTS).of(DAYS[3]) is None


class TestLedger:
    def test_a_night_is_kept_as_it_was(self, runtime):
        made = recorded(runtime.ledger, 1, look(1, df=30.0), look(1, df=30.0, arm="C"), decision=STOP)
        (kept,) = history_of(runtime.ledger, "exp").nights
        assert kept == made
        assert (kept.decision, kept.day, kept.look) == (STOP, DAYS[0], 1)
        assert looks_of(runtime.ledger, "exp") == (look(1, df=30.0), look(1, df=30.0, arm="C"))

    def test_the_same_day_again_answers_what_was_recorded(self, runtime):
        first = recorded(runtime.ledger, 1, look(1, df=30.0))
        again = recorded(runtime.ledger, 1, look(1, df=31.0, z=9.0), decision=STOP)
        assert again == first
        assert len(runtime.ledger.read(subject_of("exp"))) == 1

    def test_the_other_entries_are_no_nights_but_count_as_the_last(self, runtime):
        recorded(runtime.ledger, 1)
        runtime.ledger.append(LedgerEntry(subject_of("exp"), "answer:1", "answer", AT, "hana", {}))
        history = history_of(runtime.ledger, "exp")
        assert (len(history.nights), history.last, history.next_look) == (1, 2, 2)
        assert history_of(runtime.ledger, "other") == History()

    def test_what_happened_since_is_a_conflict_and_adds_nothing(self, runtime):
        recorded(runtime.ledger, 1)
        runtime.ledger.append(LedgerEntry(subject_of("exp"), "change:1", "change", AT, "hana", {}))
        with pytest.raises(Conflict):
            recorded(runtime.ledger, 2, after=1)
        assert len(history_of(runtime.ledger, "exp").nights) == 1

    def test_a_night_without_a_comparison_is_recorded_too(self, runtime):
        made = record_night(
            runtime.ledger, "exp", (), GO_ON, day=DAYS[0], number=1, after=0, at=AT + timedelta(hours=1)
        )
        assert made.looks == ()
        assert history_of(runtime.ledger, "exp").next_look == 2

    def test_the_export_has_every_field_and_none_where_nothing_is(self, runtime):
        import pyarrow.parquet as pq

        looks = [TestLook.HELD, TestLook.FULL]
        with local_parts(runtime.lake, [export_looks(runtime.lake, "exp", looks)]) as (path,):
            check_schema(str(path), schema="looks/1")
            rows = pq.read_table(path).to_pylist()
        assert [{**row, "day": row["day"].isoformat()} for row in rows] == [each.as_dict() for each in looks]
