"""Proposals: the verdict of a report, made a question to a person.

A proposal fixes what is asked: the report's content, the registry's version, the winner. `promotion.settle` carries an
answer out only while all three are as they were.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

from kenshin.days import parse_day
from kenshin.errors import InvalidInput, NotFound
from kenshin.experiments.decision import Decision, Verdict
from kenshin.experiments.experiment import CONTROL, Experiment
from kenshin.experiments.question import ACTS, KEEP, body_of, consequence, subject_of
from kenshin.experiments.registry import find_version
from kenshin.experiments.report import ExperimentReport, report_days, report_partition
from kenshin.experiments.store import ExperimentStore
from kenshin.lake import Lake
from kenshin.publishing import read_manifest


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a person is asked, fixed to the report and the registry's version that it speaks of.

    Args:
        experiment_id: whose verdict it is.
        day: of the report.
        verdict: promote, roll_back or reject.
        arm: the candidate that the verdict is about; None where it is about no single one.
        winner: the arm with which the experiment would end; None where only `arm` is taken back, since sessions
            are assigned to other candidates as well.
        prompt_version: the winner's, or that of the arm that is taken back.
        report_key: the report's place in the lake.
        report_sha256: of the report's JSON.
        version: the registry's, of the experiment as it is now.
        act: the answer that carries the verdict out.
        default: what silence means.
        approvers: who may answer; empty: whoever may in Airflow.
        answer_within: how long the question stands.
        automatic: whether the policy carries the verdict out without asking.
        stale: why it cannot be carried out any more; None while it can.
        body: what is known, in markdown.
    """

    experiment_id: str
    day: date
    verdict: Verdict
    arm: str | None
    winner: str | None
    prompt_version: str
    report_key: str
    report_sha256: str
    version: int
    act: str
    default: str
    approvers: tuple[str, ...]
    answer_within: timedelta
    automatic: bool
    stale: str | None
    body: str = ""

    @property
    def run_id(self) -> str:
        """The run that asks about this report; another content of the same day's report is another question."""
        return run_id_of(self.experiment_id, self.day, self.report_sha256)

    @property
    def subject(self) -> str:
        """The question's headline."""
        return subject_of(self)

    def asked(self) -> list[dict[str, Any]]:
        """What Airflow's ``HITLOperator`` is to ask; empty where nobody need be asked."""
        if self.automatic or self.stale:
            return []
        users = [{"id": name, "name": name} for name in self.approvers]
        return [
            {
                "subject": self.subject,
                "body": self.body,
                "options": [self.act, KEEP],
                "defaults": [self.default],
                "assigned_users": users or None,
                "response_timeout": self.answer_within,
            }
        ]

    def in_words(self) -> str:
        """What would happen now, for a dry run."""
        if self.stale:
            return f"It would be refused: {self.stale}."
        if self.automatic:
            return f"The policy would carry it out without asking: {consequence(self)}"
        whom = ", ".join(self.approvers) or "whoever may answer in Airflow"
        hours = self.answer_within.total_seconds() / 3600
        return (
            f"It would ask {whom}: {self.subject}. {self.act}: {consequence(self)} "
            f"Without an answer within {hours:g} hours: {self.default}."
        )

    def as_dict(self) -> dict[str, Any]:
        """The proposal at a JSON edge."""
        return {
            **asdict(self),
            "day": self.day.isoformat(),
            "approvers": list(self.approvers),
            "answer_within": self.answer_within.total_seconds(),
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Proposal:
        """Read back what `as_dict` wrote."""
        return cls(
            **{
                **raw,
                "day": parse_day(raw["day"]),
                "approvers": tuple(raw["approvers"]),
                "answer_within": timedelta(seconds=raw["answer_within"]),
            }
        )


def run_id_of(experiment_id: str, day: date, report_sha256: str) -> str:
    """The id of the DAG run that asks about a report."""
    return f"{experiment_id}__{day.isoformat()}__{report_sha256[:12]}"


def questions_of(
    store: ExperimentStore, lake: Lake, analysed: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The runs of ``promote_experiment`` that a night has to start, as keywords of ``TriggerDagRunOperator``.

    Args:
        store: the registry.
        lake: where the reports are.
        analysed: ``{"experiment_id", "day", "published", …}``, what the night's analyses answered.
    """
    asked = []
    for item in analysed:
        experiment_id, day = item["experiment_id"], parse_day(item["day"])
        if not item["published"] or find_version(store, experiment_id).value.status != "running":
            continue
        digest, report = _read(lake, experiment_id, day)
        if report.decision.verdict in ACTS and _newest(lake, experiment_id) == day:
            conf = {"experiment_id": experiment_id, "report_day": item["day"], "report_sha256": digest}
            asked.append({"trigger_run_id": run_id_of(experiment_id, day, digest), "conf": conf})
    return asked


def propose(
    store: ExperimentStore,
    lake: Lake,
    experiment_id: str,
    day: date | None = None,
    *,
    report_sha256: str | None = None,
) -> Proposal:
    """What is to be asked about an experiment's report.

    Args:
        store: the registry.
        lake: where the report is.
        experiment_id: which experiment.
        day: of the report; the newest unless given.
        report_sha256: the content that is meant; whatever is there unless given.

    Raises:
        ExperimentNotFound: the registry does not know it.
        NotFound: there is no such report.
        InvalidInput: its verdict asks for no answer, or the experiment does not run.
    """
    found = find_version(store, experiment_id)
    day = day or _newest(lake, experiment_id)
    if day is None:
        raise NotFound(
            value=experiment_id, reason="there is no report yet", mend="Run the DAG experiment_analysis."
        )
    digest, report = _read(lake, experiment_id, day)
    decision = report.decision
    if decision.verdict not in ACTS or found.value.status != "running":
        running = found.value.status == "running"
        raise InvalidInput(
            value=f"{experiment_id}, {day}",
            reason=f"its verdict is '{decision.verdict}', which asks for no answer"
            if running
            else f"the experiment is {found.value.status}",
            mend=f"To end it all the same: kenshin experiments stop {experiment_id} --winner ARM."
            if running
            else "Nothing is left to decide.",
        )
    winner = _winner(found.value, decision)
    policy = found.value.policy.promotion
    silent = decision.verdict == "promote" and decision.automatic_allowed and policy.on_timeout == "promote"
    act = ACTS[decision.verdict]
    proposal = Proposal(
        experiment_id=experiment_id,
        day=day,
        verdict=decision.verdict,
        arm=decision.arm,
        winner=winner,
        prompt_version=found.value.version_of(winner or str(decision.arm)),
        report_key=report_partition(experiment_id, day),
        report_sha256=report_sha256 or digest,
        version=found.version,
        act=act,
        default=act if silent else KEEP,
        approvers=policy.approvers,
        answer_within=timedelta(hours=policy.answer_within_hours),
        automatic=decision.verdict == "roll_back" and decision.automatic_allowed and policy.auto_roll_back,
        stale=None,
    )
    return replace(proposal, stale=staleness(lake, proposal), body=body_of(proposal, report))


def staleness(lake: Lake, proposal: Proposal) -> str | None:
    """Why a proposal's report no longer counts; None while it does."""
    newest = _newest(lake, proposal.experiment_id)
    if newest is not None and newest > proposal.day:
        return f"there is a newer report, of {newest}"
    try:
        digest, report = _read(lake, proposal.experiment_id, proposal.day)
    except NotFound:
        return "the report is gone"
    if digest != proposal.report_sha256:
        return "the report was replaced since"
    name = proposal.winner or proposal.arm
    seen = next((arm.prompt_version for arm in report.analysis.arms if arm.arm == name), None)
    if seen != proposal.prompt_version:
        return f"arm {name} had prompt version {seen!r}, and has {proposal.prompt_version!r} since"
    return None


def _winner(experiment: Experiment, decision: Decision) -> str | None:
    if decision.verdict == "promote":
        return decision.arm
    others = [each.name for each in experiment.all_arms()[1:] if each.share and each.name != decision.arm]
    return None if decision.verdict == "roll_back" and others else CONTROL


def _newest(lake: Lake, experiment_id: str) -> date | None:
    return next(reversed(report_days(lake, experiment_id)), None)


def _read(lake: Lake, experiment_id: str, day: date) -> tuple[str, ExperimentReport]:
    """The SHA-256 of a report's JSON, and the report."""
    manifest = read_manifest(lake, report_partition(experiment_id, day))
    if manifest is None:
        raise NotFound(
            value=f"{experiment_id}, {day}",
            reason="there is no report of this day",
            mend="Run the DAG experiment_analysis with this experiment_id and through_day.",
        )
    part = next(each for each in manifest.parts if each.key.endswith(".json"))
    with lake.local(part.key) as path:
        body = path.read_bytes()
    return sha256(body).hexdigest(), ExperimentReport.from_dict(json.loads(body))
