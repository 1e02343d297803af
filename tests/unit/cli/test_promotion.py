from __future__ import annotations

from datetime import date, timedelta

import pytest
from verdicts import publish_verdict

from kenshin.experiments import get_prompt_version
from kenshin.experiments.proposal import propose

DAY = date(2026, 11, 14)


@pytest.fixture
def running(kenshin, runtime):
    """An experiment that runs, with a report whose verdict is to promote B."""

    def start(**promotion):
        kenshin("experiments", "create", "greeting", "--a", "v1", "--b", "v2", "--start")
        found = runtime.experiments.get("greeting")
        policy = found.value.policy
        changed = found.value.changed(
            policy=type(policy).from_dict({**policy.as_dict(), "promotion": promotion})
        )
        runtime.experiments.put(changed, expected=found.version)
        publish_verdict(runtime.lake, changed, DAY, "promote")

    return start


def test_a_verdict_is_carried_out_and_the_ledger_tells(kenshin, running):
    running()
    done = kenshin("experiments", "promote", "greeting", "--report", DAY, "--by", "vera", "--yes", "--json")
    assert (done.code, done.json["outcome"]) == (0, "concluded")
    assert get_prompt_version("greeting", "s-1") == "v2"
    told = kenshin("experiments", "ledger", "greeting", "--json").json
    assert [each["kind"] for each in told] == ["created", "started", "answer", "concluded"]
    assert [(each["by"], each["words"]) for each in told[2:]] == [
        ("vera", "Promote (reports/experiment=greeting/day=2026-11-14)"),
        ("vera", "arm B wins; version 3"),
    ]
    assert "arm B wins" in kenshin("experiments", "ledger", "greeting").out


def test_a_dry_run_says_what_would_happen(kenshin, running, runtime):
    running(approvers=["paula"])
    said = kenshin("experiments", "promote", "greeting", "--dry-run")
    assert said.code == 0
    assert "Promote arm B of greeting?" in said.out
    assert "paula" in said.out
    proposed = kenshin("experiments", "promote", "greeting", "--dry-run", "--json").json
    assert proposed["report_sha256"] == propose(runtime.experiments, runtime.lake, "greeting").report_sha256
    assert runtime.experiments.get("greeting").value.status == "running"


def test_the_same_checks_refuse(kenshin, running, runtime):
    running(approvers=["paula"])
    other = kenshin("experiments", "promote", "greeting", "--by", "vera", "--yes", "--json")
    assert (other.code, other.json["type"]) == (2, "PromotionRefused")
    assert "none of those who may answer: paula" in other.json["reason"]
    experiment = runtime.experiments.get("greeting").value
    publish_verdict(runtime.lake, experiment, DAY + timedelta(days=1), "continue", None)
    stale = kenshin("experiments", "promote", "greeting", "--report", DAY, "--by", "paula", "--yes")
    assert stale.code == 2
    assert "there is a newer report" in stale.err
    assert runtime.experiments.get("greeting").value.status == "running"
    told = kenshin("experiments", "ledger", "greeting", "--json").json
    assert [each["kind"] for each in told][2:] == ["answer", "refusal", "answer", "refusal"]
    assert "refused: there is a newer report" in told[-1]["words"]


def test_a_person_is_asked_and_a_program_has_to_say_yes(kenshin, running, runtime, monkeypatch):
    running()
    program = kenshin("experiments", "promote", "greeting", "--json")
    assert (program.code, program.json["mend"]) == (2, "Give --yes as well.")
    monkeypatch.setattr("typer.confirm", lambda *words, **options: (_ for _ in ()).throw(KeyboardInterrupt))
    assert kenshin("experiments", "promote", "greeting").code == 130
    assert runtime.experiments.get("greeting").value.status == "running"


def test_the_ledger_of_nobody_is_refused(kenshin):
    assert kenshin("experiments", "ledger", "nobody").code == 2
