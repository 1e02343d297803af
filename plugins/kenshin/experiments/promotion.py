"""Promotion: an answer becomes the experiment's outcome.

An answer that acts is carried out only while the report and the registry's version are those that were asked about,
there is no newer report, and the policy lets this person answer; else it is refused, and the ledger says why. The
answer goes to the ledger first, then the outcome to the registry, so that a retry finds its own traces and nothing
happens twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal, NoReturn

from kenshin.errors import Conflict, InvalidInput, PromotionRefused
from kenshin.experiments.conclusion import Grounds, conclude, withdraw
from kenshin.experiments.looks import subject_of
from kenshin.experiments.proposal import Proposal, staleness
from kenshin.experiments.question import KEEP, consequence
from kenshin.experiments.registry import find_version
from kenshin.experiments.store import ExperimentStore
from kenshin.lake import Lake
from kenshin.ledger import Ledger, LedgerEntry

BY = "promote_experiment"
"""Who the ledger says it was, where nobody answered."""

How = Literal["answered", "timed_out", "automatic"]
Result = Literal["concluded", "withdrawn", "kept_running", "dry_run"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Args:
        choice: the chosen option.
        by: the name of who chose it, for the ledger.
        user: the id under which the policy may name them.
        at: when.
        how: answered by a person, timed out, or automatic by the policy.
    """

    choice: str
    by: str
    user: str
    at: datetime
    how: How = "answered"

    @classmethod
    def from_airflow(cls, responses: Sequence[Mapping[str, Any]]) -> Answer | None:
        """What ``HITLOperator`` returned; None where it asked nobody. Without a responder, the time ran out."""
        if not responses:
            return None
        response = responses[0]
        user = response["responded_by_user"]
        return cls(
            choice=response["chosen_options"][0],
            by=BY if user is None else user["name"],
            user=BY if user is None else user["id"],
            at=response["responded_at"],
            how="timed_out" if user is None else "answered",
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an answer, the same in words, and the registry's version after it."""

    outcome: Result
    words: str
    version: int

    def as_dict(self) -> dict[str, Any]:
        """The outcome at a JSON edge."""
        return asdict(self)


def settle(
    store: ExperimentStore,
    ledger: Ledger,
    lake: Lake,
    proposal: Proposal,
    answer: Answer | None,
    *,
    occasion: str,
    at: datetime,
    dry_run: bool = False,
) -> Outcome:
    """Carry an answer out, and write down what was answered and what came of it.

    Args:
        store: the registry.
        ledger: gets the entries ``answer``, and ``concluded``, ``withdrawn`` or ``refusal``.
        lake: where the reports are.
        proposal: what was asked.
        answer: what came back; None where nobody was asked.
        occasion: what makes this the same answer when it is told twice, e.g. the DAG run's id.
        at: the present instant.
        dry_run: say what would happen, and write nothing.

    Raises:
        PromotionRefused: the answer would act, and is stale or another person has to give it.
        InvalidInput: nobody answered, and the policy does not decide by itself.
    """
    if dry_run:
        return Outcome("dry_run", proposal.in_words(), proposal.version)
    if answer is None:
        answer = Answer(proposal.act, BY, BY, at, "automatic")
        if proposal.stale:
            _refuse(ledger, proposal, answer, proposal.stale, occasion=occasion)
        if not proposal.automatic:
            raise InvalidInput(
                value=occasion, reason="nobody answered", mend="Clear the task 'ask', so that it asks again."
            )
    answer = _tell(ledger, proposal, answer, occasion=occasion)
    if answer.choice == KEEP:
        why = "nobody answered in time" if answer.how == "timed_out" else f"{answer.by} lets it run"
        return Outcome("kept_running", f"{proposal.experiment_id} keeps running: {why}.", proposal.version)
    reason = _forbidden(proposal, answer)
    # A version that has moved on may be this answer's own work, before a retry; the registry tells.
    if reason is None and find_version(store, proposal.experiment_id).version == proposal.version:
        reason = staleness(lake, proposal)
    if reason is not None:
        _refuse(ledger, proposal, answer, reason, occasion=occasion)
    grounds = Grounds(proposal.version, _about(proposal), answer.at, answer.by)
    try:
        if proposal.winner is None:
            after = withdraw(store, ledger, proposal.experiment_id, str(proposal.arm), grounds)
        else:
            after = conclude(store, ledger, proposal.experiment_id, proposal.winner, grounds)
    except Conflict as error:
        _refuse(ledger, proposal, answer, error.reason, occasion=occasion)
    outcome: Result = "withdrawn" if proposal.winner is None else "concluded"
    return Outcome(outcome, consequence(proposal), after.version)


def _tell(ledger: Ledger, proposal: Proposal, answer: Answer, *, occasion: str) -> Answer:
    """Write an answer down; what was written first stands, and a retry goes by it."""
    body = {**_about(proposal), "choice": answer.choice, "user": answer.user, "how": answer.how}
    first = _append(ledger, proposal, "answer", answer, body, occasion=occasion)
    return replace(answer, choice=str(first.body["choice"]), by=first.by, at=first.at)


def _refuse(ledger: Ledger, proposal: Proposal, answer: Answer, reason: str, *, occasion: str) -> NoReturn:
    body = {**_about(proposal), "choice": answer.choice, "user": answer.user, "reason": reason}
    _append(ledger, proposal, "refusal", answer, body, occasion=occasion)
    raise PromotionRefused(
        value=f"{answer.choice}, {proposal.experiment_id}, report of {proposal.day}",
        reason=reason,
        mend="The question about the newest report stands; those may answer whom the experiment's policy names.",
    )


def _append(
    ledger: Ledger,
    proposal: Proposal,
    kind: str,
    answer: Answer,
    body: Mapping[str, object],
    *,
    occasion: str,
) -> LedgerEntry:
    # A task that is cleared asks again in the same run: another answer, at another instant. A retry of an automatic
    # one has another instant, and is the same answer.
    event = occasion if answer.how == "automatic" else f"{occasion}:{answer.at.isoformat()}"
    entry = LedgerEntry(
        subject_of(proposal.experiment_id), f"{kind}:{event}", kind, answer.at, answer.by, body
    )
    return ledger.append(entry).value


def _about(proposal: Proposal) -> dict[str, object]:
    return {
        "verdict": proposal.verdict,
        "arm": proposal.arm,
        "winner": proposal.winner,
        "report_key": proposal.report_key,
        "report_sha256": proposal.report_sha256,
        "asked_about": proposal.version,
    }


def _forbidden(proposal: Proposal, answer: Answer) -> str | None:
    if answer.how != "answered" or not proposal.approvers or answer.user in proposal.approvers:
        return None
    return f"{answer.user} is none of those who may answer: {', '.join(proposal.approvers)}"
