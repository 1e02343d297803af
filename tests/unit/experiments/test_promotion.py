from __future__ import annotations

import dataclasses
import json
import tempfile
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from verdicts import publish_verdict

from kenshin.errors import Conflict, InvalidInput, NotFound, PromotionRefused
from kenshin.experiments import registry
from kenshin.experiments.promotion import BY, Answer, settle
from kenshin.experiments.proposal import Proposal, propose, questions_of
from kenshin.experiments.question import KEEP, escaped
from kenshin.runtime import Runtime
from kenshin.settings import Settings

DAY = date(2026, 11, 14)
AT = datetime(2026, 11, 15, 1, 2, 3, 456789, tzinfo=UTC)
LATER = AT + timedelta(minutes=5)
VERA = Answer("Promote", "Vera", "vera", AT)
TWO = {"experiment_id": "e", "prompt_a_version": "v1", "prompt_b_version": "v2", "created_at": 1.79e9}
THREE = {
    **TWO,
    "prompt_b_version": "v2",
    "arms": [
        {"name": "A", "prompt_version": "v1", "share": 0.4},
        {"name": "B", "prompt_version": "v2", "share": 0.3},
        {"name": "C", "prompt_version": "v3", "share": 0.3},
    ],
}


class House:
    """An experiment that runs, its reports, and what is asked about them."""

    def __init__(self, runtime):
        self.store, self.ledger, self.lake = runtime.experiments, runtime.ledger, runtime.lake

    def start(self, definition=TWO, **promotion):
        body = {**definition, "policy": {"promotion": promotion}}
        return registry.create(self.store, self.ledger, body, start=True, at=AT, by="api").value

    @property
    def now(self):
        return self.store.get("e")

    def report(self, verdict="promote", arm="B", day=DAY, **decided):
        return publish_verdict(self.lake, self.now.value, day, verdict, arm, **decided)

    def propose(self, day=DAY, **rest):
        return propose(self.store, self.lake, "e", day, **rest)

    def settle(self, proposal, answer=VERA, *, at=LATER, occasion="run-1", **rest):
        return settle(self.store, self.ledger, self.lake, proposal, answer, occasion=occasion, at=at, **rest)

    def change(self, **changes):
        registry.change(self.store, self.ledger, "e", changes, at=AT, by="api")

    def entries(self, *kinds):
        return [each.value for each in self.ledger.read("experiment:e") if each.value.kind in kinds]


ANSWERS = ("answer", "refusal", "concluded", "withdrawn")


@pytest.fixture
def house(runtime):
    return House(runtime)


def test_a_permitted_person_promotes_and_the_ledger_says_who_when_and_which_report(house):
    house.start()
    report = house.report()
    proposal = house.propose()
    outcome = house.settle(proposal)
    assert (outcome.outcome, outcome.version) == ("concluded", 2)
    assert house.now.value.winner == "B"
    assert house.now.value.concluded_at == AT.timestamp()
    answer, concluded = house.entries(*ANSWERS)
    assert (answer.kind, answer.by, answer.at, answer.body["choice"]) == ("answer", "Vera", AT, "Promote")
    assert (concluded.kind, concluded.by, concluded.body["report_key"]) == (
        "concluded",
        "Vera",
        report.report_key,
    )
    assert concluded.body["report_sha256"] == proposal.report_sha256
    assert concluded.body["definition"]["winner"] == "B"


def test_every_retry_does_it_once(house):
    house.start()
    house.report()
    proposal = house.propose()
    first = house.settle(proposal)
    assert house.settle(proposal, at=LATER + timedelta(hours=1)) == first
    assert [each.kind for each in house.entries(*ANSWERS)] == ["answer", "concluded"]


@pytest.mark.parametrize("dies_at", [1, 2])
@pytest.mark.parametrize("automatic", [False, True])
def test_a_death_before_any_of_the_ledgers_entries_loses_nothing(house, dies_at, automatic, monkeypatch):
    house.start(auto_roll_back=automatic)
    house.report("roll_back" if automatic else "promote", automatic_allowed=True)
    proposal = house.propose()
    answer = None if automatic else VERA
    append, calls = house.ledger.append, []

    def dying(entry, **rest):
        calls.append(entry)
        if len(calls) == dies_at:
            raise ConnectionError("killed")
        return append(entry, **rest)

    class Dying:
        append = staticmethod(dying)

    with pytest.raises(ConnectionError):
        settle(house.store, Dying, house.lake, proposal, answer, occasion="run-1", at=AT)
    outcome = house.settle(proposal, answer)
    assert outcome.version == 2
    assert house.now.version == 2
    assert [each.kind for each in house.entries(*ANSWERS)] == ["answer", "concluded"]
    answered, concluded = house.entries(*ANSWERS)
    assert house.now.value.concluded_at == concluded.at.timestamp() == answered.at.timestamp()


def test_a_rejection_leaves_it_running_and_is_recorded(house):
    house.start()
    house.report()
    outcome = house.settle(house.propose(), dataclasses.replace(VERA, choice=KEEP))
    assert outcome.outcome == "kept_running"
    assert (house.now.value.status, house.now.version) == ("running", 1)
    [answer] = house.entries(*ANSWERS)
    assert (answer.body["choice"], answer.body["how"], answer.by) == (KEEP, "answered", "Vera")


def test_after_a_rejection_the_same_person_may_think_again(house):
    house.start()
    house.report()
    house.settle(house.propose(), dataclasses.replace(VERA, choice=KEEP))
    again = dataclasses.replace(VERA, at=LATER)
    assert house.settle(house.propose(), again).outcome == "concluded"
    assert [each.kind for each in house.entries(*ANSWERS)] == ["answer", "answer", "concluded"]


def newer(house):
    house.report("continue", None, day=DAY + timedelta(days=1))


def replaced(house):
    house.report(words="Other words.")


def changed(house):
    house.change(traffic_split=0.25)


def cancelled(house):
    registry.stop(house.store, house.ledger, "e", winner=None, at=AT, by="api")


def won_by_hand(house):
    registry.stop(house.store, house.ledger, "e", winner="B", at=LATER, by="api")


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (newer, "there is a newer report, of 2026-11-15"),
        (replaced, "the report was replaced since"),
        (changed, r"version 1 was asked about, and 2 \(running\)"),
        (cancelled, r"version 1 was asked about, and 2 \(cancelled\)"),
        (won_by_hand, r"version 1 was asked about, and 2 \(concluded\)"),
    ],
)
def test_what_is_stale_is_refused_with_its_reason_and_recorded(house, happens, reason):
    house.start()
    house.report()
    proposal = house.propose()
    happens(house)
    before = house.now
    for _ in range(2):
        with pytest.raises(PromotionRefused, match=reason):
            house.settle(proposal)
        assert house.now == before
    answer, refusal = house.entries(*ANSWERS)
    assert (answer.kind, refusal.kind, refusal.by) == ("answer", "refusal", "Vera")
    assert refusal.body["report_sha256"] == proposal.report_sha256


def test_a_rejection_needs_no_fresh_report(house):
    house.start()
    house.report()
    proposal = house.propose()
    newer(house)
    assert house.settle(proposal, dataclasses.replace(VERA, choice=KEEP)).outcome == "kept_running"


def test_a_run_about_another_report_than_it_was_started_for_asks_nobody(house):
    house.start()
    house.report()
    meant = house.propose().report_sha256
    replaced(house)
    proposal = house.propose(report_sha256=meant)
    assert proposal.stale == "the report was replaced since"
    assert proposal.asked() == []
    with pytest.raises(PromotionRefused, match="replaced"):
        house.settle(proposal, None)
    assert [each.kind for each in house.entries(*ANSWERS)] == ["refusal"]


def test_a_prompt_that_was_changed_after_the_report_is_not_promoted(house):
    house.start()
    house.report()
    house.change(prompt_b_version="v2-hotfix")
    assert house.propose().stale == "arm B had prompt version 'v2', and has 'v2-hotfix' since"


def test_only_those_whom_the_policy_names_may_act(house):
    house.start(approvers=["paula", "otto"])
    house.report()
    proposal = house.propose()
    assert proposal.asked()[0]["assigned_users"] == [
        {"id": "paula", "name": "paula"},
        {"id": "otto", "name": "otto"},
    ]
    with pytest.raises(PromotionRefused, match="vera is none of those who may answer: paula, otto"):
        house.settle(proposal)
    assert house.now.value.status == "running"
    assert house.settle(proposal, Answer("Promote", "Paula", "paula", LATER)).outcome == "concluded"


def test_silence_keeps_it_running_unless_policy_and_figures_allow_more(house):
    house.start(on_timeout="promote", answer_within_hours=2)
    house.report(automatic_allowed=False)
    [asked] = house.propose().asked()
    assert (asked["defaults"], asked["response_timeout"]) == ([KEEP], timedelta(hours=2))
    house.report(automatic_allowed=True)
    [asked] = house.propose().asked()
    assert asked["defaults"] == ["Promote"]
    house.report("roll_back", automatic_allowed=True)
    assert house.propose().default == KEEP


def test_a_timeout_is_no_persons_answer(house):
    house.start(approvers=["paula"], on_timeout="promote")
    house.report(automatic_allowed=True)
    answer = Answer.from_airflow(
        [{"chosen_options": ["Promote"], "responded_by_user": None, "responded_at": AT, "params_input": {}}]
    )
    assert house.settle(house.propose(), answer).outcome == "concluded"
    told = house.entries("answer")[0]
    assert (told.by, told.body["how"]) == (BY, "timed_out")


def test_airflows_answer_is_read():
    user = {"id": "7", "name": "vera"}
    answer = Answer.from_airflow(
        [{"chosen_options": [KEEP], "responded_by_user": user, "responded_at": AT, "params_input": {}}]
    )
    assert answer == Answer(KEEP, "vera", "7", AT, "answered")
    assert Answer.from_airflow([]) is None


@pytest.mark.parametrize("allowed", [True, False])
def test_harm_is_rolled_back_without_asking_where_the_policy_says_so(house, allowed):
    house.start(auto_roll_back=True)
    house.report("roll_back", automatic_allowed=allowed)
    proposal = house.propose()
    if not allowed:
        assert proposal.asked()[0]["options"] == ["Roll back", KEEP]
        return
    assert proposal.asked() == []
    assert house.settle(proposal, None).outcome == "concluded"
    assert house.now.value.winner == "A"
    assert house.entries("answer")[0].body["how"] == "automatic"


def test_nothing_is_promoted_without_an_answer(house):
    house.start(auto_roll_back=True)
    house.report(automatic_allowed=True)
    with pytest.raises(InvalidInput, match="nobody answered"):
        house.settle(house.propose(), None)
    assert house.entries(*ANSWERS) == []


@pytest.mark.parametrize(
    ("verdict", "act", "winner"),
    [("promote", "Promote", "B"), ("roll_back", "Roll back", "A"), ("reject", "End with control", "A")],
)
def test_each_verdict_has_its_answer_and_winner(house, verdict, act, winner):
    house.start()
    house.report(verdict, "B")
    proposal = house.propose()
    assert (proposal.act, proposal.winner) == (act, winner)
    assert proposal.asked()[0]["options"] == [act, KEEP]
    assert act in proposal.body
    house.settle(proposal, dataclasses.replace(VERA, choice=act))
    assert house.now.value.winner == winner


def test_one_harmful_arm_of_several_is_taken_back_and_the_others_go_on(house):
    house.start(THREE)
    house.report("roll_back", "B")
    proposal = house.propose()
    assert proposal.winner is None
    assert "Take arm B of e back?" in proposal.subject
    roll_back = dataclasses.replace(VERA, choice="Roll back")
    outcome = house.settle(proposal, roll_back)
    assert house.settle(proposal, roll_back) == outcome
    assert outcome.outcome == "withdrawn"
    now = house.now.value
    assert {arm.name: arm.share for arm in now.all_arms()} == {"A": 0.7, "B": 0.0, "C": 0.3}
    assert (now.status, now.phase, house.now.version) == ("running", 2, 2)
    assert [each.kind for each in house.entries(*ANSWERS)] == ["answer", "withdrawn"]


def test_the_last_harmful_arm_ends_the_experiment(house):
    house.start(THREE)
    house.report("roll_back", "B")
    house.settle(house.propose(), dataclasses.replace(VERA, choice="Roll back"))
    house.report("roll_back", "C", day=DAY + timedelta(days=1))
    proposal = house.propose(DAY + timedelta(days=1))
    assert proposal.winner == "A"


@pytest.mark.parametrize("verdict", ["hold", "inconclusive", "extend", "continue"])
def test_other_verdicts_ask_nobody(house, verdict):
    house.start()
    house.report(verdict, None)
    with pytest.raises(InvalidInput, match="asks for no answer"):
        house.propose()


def test_there_is_nothing_to_ask_about_what_has_ended_or_has_no_report(house):
    house.start()
    with pytest.raises(NotFound, match="no report yet"):
        house.propose(None)
    with pytest.raises(NotFound, match="no report of this day"):
        house.propose()
    house.report()
    cancelled(house)
    with pytest.raises(InvalidInput, match="is cancelled"):
        house.propose()


def test_a_dry_run_says_what_would_happen_and_writes_nothing(house):
    house.start(approvers=["paula"])
    house.report()
    proposal, entries = house.propose(), len(house.ledger.read("experiment:e"))
    outcome = house.settle(proposal, None, dry_run=True)
    assert outcome.outcome == "dry_run"
    assert outcome.words.startswith("It would ask paula: Promote arm B of e? Report of 2026-11-14.")
    newer(house)
    assert "would be refused: there is a newer" in house.settle(house.propose(), None, dry_run=True).words
    assert house.now.version == 1
    assert len(house.ledger.read("experiment:e")) == entries


def night(day=DAY, *, published=True):
    return {"experiment_id": "e", "day": day.isoformat(), "published": published}


def test_a_night_asks_once_a_report_and_content(house):
    house.start()
    house.report()
    [asked] = questions_of(house.store, house.lake, [night()])
    assert questions_of(house.store, house.lake, [night()]) == [asked]
    proposal = house.propose(report_sha256=asked["conf"]["report_sha256"])
    assert asked["trigger_run_id"] == proposal.run_id
    assert asked["conf"]["report_day"] == "2026-11-14"
    replaced(house)
    [other] = questions_of(house.store, house.lake, [night()])
    assert other["trigger_run_id"] != asked["trigger_run_id"]


def test_a_night_asks_nothing_where_nothing_can_be_done(house):
    house.start()
    house.report("continue", None)
    house.report(day=DAY - timedelta(days=1))
    older = night(DAY - timedelta(days=1))
    assert questions_of(house.store, house.lake, [night(), older, night(published=False)]) == []
    house.report()
    assert len(questions_of(house.store, house.lake, [night()])) == 1
    cancelled(house)
    assert questions_of(house.store, house.lake, [night()]) == []


def test_a_proposal_crosses_a_task_boundary(house):
    house.start(approvers=["paula"], answer_within_hours=0.5)
    house.report()
    proposal = house.propose()
    assert Proposal.from_dict(json.loads(json.dumps(proposal.as_dict()))) == proposal


def test_the_question_shows_what_people_wrote_literally(house):
    hostile = "[v2](https://evil.example) {{ conn.aws_default }} | <b>*x*</b>"
    house.start({**TWO, "prompt_b_version": hostile})
    house.report()
    body = house.propose().body
    for live in ("{{", "](", "https://", "<b>"):
        assert live not in body
    html = MarkdownIt("commonmark").enable("table").render(body)
    assert "<a" not in html
    assert "evil.example) {{ conn.aws_default }} | &lt;b&gt;*x*&lt;/b&gt;</td>" in html
    assert "0.01235" in html


@trying(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(min_codepoint=9, max_codepoint=0x2FF), max_size=60))
def test_escaped_text_renders_as_itself(text):
    tokens = MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(f"x{escaped(text)}x")
    [inline] = [each for each in tokens if each.type == "inline"]
    kinds = {each.type for each in inline.children}
    assert kinds <= {"text", "text_special"}
    assert "".join(each.content for each in inline.children) == f"x{' '.join(text.split())}x"
    assert not any(mark in escaped(text) for mark in ("{{", "{%", "{#"))


@trying(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["newer", "replaced", "changed", "retry", "keep", "act"]), max_size=6))
def test_whatever_happens_in_whatever_order_only_a_fresh_answer_acts(steps):
    """A model of the rules beside the real thing: fresh until something happens, and ended once."""
    with tempfile.TemporaryDirectory() as home:
        runtime = Runtime(Settings.from_env({"KENSHIN_HOME": home}))
        try:
            _play(House(runtime), steps)
        finally:
            runtime.close()


def _play(house, steps):
    house.start()
    house.report()
    proposal = house.propose()
    fresh, ended = True, False
    for number, step in enumerate(steps):
        if step in ("newer", "replaced"):
            {"newer": newer, "replaced": replaced}[step](house)
            fresh = False
        elif step == "changed":
            if not ended:
                house.change(description=f"another {number}")
                fresh = False
        elif step == "keep":
            house.settle(proposal, Answer(KEEP, "v", "v", AT + timedelta(seconds=number + 1)))
        else:
            instant = AT if step == "retry" else AT + timedelta(seconds=number + 1)
            try:
                house.settle(proposal, Answer("Promote", "v", "v", instant))
            except PromotionRefused:
                assert not fresh or ended
            else:
                assert fresh or ended
                ended = True
        assert (house.now.value.winner == "B") is ended
    assert len(house.entries("concluded")) == int(ended)


def test_somebody_elses_write_at_the_same_instant_is_a_refusal(house, monkeypatch):
    house.start()
    house.report()
    proposal = house.propose()

    class Racing:
        get = staticmethod(house.store.get)

        @staticmethod
        def put(experiment, *, expected):
            raise Conflict(value="e", reason="version 2 is in force", mend="")

    with pytest.raises(PromotionRefused, match="version 2 is in force"):
        settle(Racing, house.ledger, house.lake, proposal, VERA, occasion="run-1", at=AT)
    assert [each.kind for each in house.entries(*ANSWERS)] == ["answer", "refusal"]
