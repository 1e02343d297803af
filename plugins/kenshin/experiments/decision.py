"""The decision of a night: one table, read from the top; the first row that holds gives the verdict.

``docs/decisions.md`` shows the same table (`as_markdown`), and a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from kenshin.experiments.situation import Situation

if TYPE_CHECKING:
    from kenshin.experiments.assessment import ArmAssessment, Assessment
    from kenshin.experiments.experiment import Experiment
    from kenshin.experiments.looks import Look
    from kenshin.experiments.validity import Problem

Verdict = Literal["hold", "roll_back", "promote", "reject", "inconclusive", "extend", "continue"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a night decides.

    Args:
        verdict: hold, roll_back, promote, reject, inconclusive, extend or continue.
        arm: which candidate it is about; None where it is about no single one.
        reasons: why, one sentence each.
        words: the verdict in one or two plain sentences.
        automatic_allowed: whether nothing in the figures stands against carrying it out without a person; only ever
            true of promote and roll_back. Whether the policy wants that is another question.
        biased_upward: whether the estimate is of an early stop, and so on average further from zero than the truth.
        rule: name of the table's row.
    """

    verdict: Verdict
    arm: str | None
    reasons: tuple[str, ...]
    words: str
    automatic_allowed: bool = False
    biased_upward: bool = False
    rule: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The decision at a JSON edge."""
        return {**asdict(self), "reasons": list(self.reasons)}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Decision:
        """Read back what `as_dict` wrote."""
        return cls(**{**raw, "reasons": tuple(raw["reasons"])})


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table.

    Args:
        name: of the row.
        when: the condition in words.
        verdict: what follows.
        then: the verdict in words, for the documentation.
        holds: the condition.
        about: which arm it concerns.
        words: what is said of it.
    """

    name: str
    when: str
    verdict: Verdict
    then: str
    holds: Callable[[Situation], bool]
    words: Callable[[Situation], str]
    about: Callable[[Situation], str | None] = lambda _: None


def _hold(problem: Problem, when: str, words: Callable[[Situation], str]) -> Rule:
    return Rule(
        name=problem,
        when=when,
        verdict="hold",
        then="Nothing is decided tonight; the reason is said.",
        holds=lambda s: problem in s.night.validity.problems,
        words=words,
    )


TABLE: tuple[Rule, ...] = (
    _hold(
        "ended",
        "the experiment is not running",
        lambda s: f"The experiment is {s.experiment.status}; its outcome stays as it was.",
    ),
    _hold(
        "retrospective",
        "the day lies before the last look",
        lambda s: f"{s.night.day} lies before the last look; it is shown and decides nothing.",
    ),
    _hold(
        "missing_night",
        "a night in the range was not collected whole",
        lambda s: (
            "Observations are missing: "
            + ", ".join(day.isoformat() for day in s.night.validity.missing_days)
            + " was not collected whole."
        ),
    ),
    _hold(
        "crossing_sessions",
        "more sessions than `crossing_share` were seen in several arms",
        lambda s: (
            f"{s.night.validity.crossing_share:.2%} of the sessions were seen in several arms; "
            f"at most {s.experiment.policy.crossing_share:.2%} may be."
        ),
    ),
    _hold(
        "sample_ratio",
        "the sessions are not divided as assigned: the e-value reaches 1/`srm_alpha`",
        lambda s: (
            "The sessions are not divided among the arms as assigned "
            f"(e-value {s.night.mismatch.e_value:.3g}): something loses or adds sessions of one arm."
        ),
    ),
    _hold(
        "too_few_nights",
        "fewer nights with observations than `minimum_nights`",
        lambda s: (
            f"{s.night.validity.nights} nights with observations; "
            f"{s.experiment.policy.minimum_nights} are needed."
        ),
    ),
    _hold(
        "no_candidate",
        "no candidate gets sessions any more",
        lambda s: "No candidate gets sessions any more.",
    ),
    _hold(
        "too_few_sessions",
        "an arm has fewer scored sessions than `minimum_sessions`",
        lambda s: (
            f"An arm has {s.night.validity.least_sessions} scored sessions; "
            f"{s.experiment.policy.minimum_sessions} are needed."
        ),
    ),
    _hold(
        "no_variance",
        "the scores of a candidate and of control do not vary",
        lambda s: "The scores do not vary, so no difference can be judged.",
    ),
    Rule(
        "guardrail_harmed",
        "a candidate is worse on a guardrail than its margin allows",
        "roll_back",
        "Take the arm back, however good its score; the worst is named.",
        lambda s: bool(s.harmed),
        lambda s: (
            f"Take {s.name(s.harmed[0].arm)} back: it is worse than the guardrail allows on "
            + ", ".join(g.metric for g in s.harmed[0].guards if g.outcome == "harmed")
            + "."
        ),
        lambda s: s.harmed[0].arm,
    ),
    Rule(
        "crossed_up",
        "a candidate's score has crossed the boundary upwards, and it passes every guardrail",
        "promote",
        "Promote the candidate with the highest estimate among them.",
        lambda s: bool(s.winners),
        lambda s: f"Promote {s.name(s.winners[0].arm)}: its score is higher by {s.winners[0].interval()}.",
        lambda s: s.winners[0].arm,
    ),
    Rule(
        "crossed_down",
        "every candidate has crossed the boundary downwards or is futile, one at least downwards",
        "reject",
        "Keep control: the candidates are worse.",
        lambda s: bool(s.found("crossed_down")) and not s.undecided,
        lambda s: (
            f"Keep {s.name(s.experiment.arm_names()[0])}: "
            + "; ".join(
                f"{s.name(each.arm)} is worse by {each.interval()}" for each in s.found("crossed_down")
            )
            + "."
        ),
        lambda s: s.found("crossed_down")[0].arm if len(s.candidates) == 1 else None,
    ),
    Rule(
        "futile",
        "every candidate is futile: its conditional power is below `futility`",
        "reject",
        "Keep control: no candidate is likely to cross the boundary any more.",
        lambda s: not s.undecided,
        lambda s: (
            f"Keep {s.name(s.experiment.arm_names()[0])}: a difference that matters is not likely "
            "to be shown any more."
        ),
        lambda s: s.candidates[0].arm if len(s.candidates) == 1 else None,
    ),
    Rule(
        "extended",
        "the horizon is reached, and the policy extends",
        "extend",
        "Go on, on the alpha that was kept back.",
        lambda s: s.night.time >= 1 and s.experiment.policy.extend,
        lambda s: (
            f"Undecided after {s.night.night} nights; the experiment goes on, on the alpha that was "
            "kept back for it."
        ),
    ),
    Rule(
        "horizon",
        "the horizon is reached",
        "inconclusive",
        "Alpha is spent: a person decides by other reasons, or declares a tie.",
        lambda s: s.night.time >= 1,
        lambda s: (
            f"Undecided after {s.night.night} nights, and alpha is spent: no difference was shown "
            "that could be acted on."
        ),
    ),
    Rule(
        "guardrail_undecided",
        "a candidate has crossed upwards, while a guardrail is neither passed nor harmed",
        "continue",
        "Wait for the guardrail: a candidate is not promoted on hope.",
        lambda s: bool(s.unclear),
        lambda s: (
            f"The score of {s.name(s.unclear[0].arm)} is higher, but "
            + ", ".join(g.metric for g in s.unclear[0].guards if g.outcome == "undecided")
            + " is not yet known well enough; go on."
        ),
        lambda s: s.unclear[0].arm,
    ),
    Rule(
        "undecided",
        "none of these",
        "continue",
        "Go on.",
        lambda _: True,
        lambda s: (
            f"Go on: nothing is decided after {s.night.night} of {s.experiment.policy.horizon_nights} nights."
        ),
    ),
)
"""Read from the top; the last row always holds."""


def decide(experiment: Experiment, assessment: Assessment, looks: Sequence[Look]) -> Decision:
    """The night's decision: the first row of `TABLE` that holds.

    Args:
        experiment: by whose policy.
        assessment: what the night sees.
        looks: of the nights before, oldest first.
    """
    situation = Situation.of(experiment, assessment, looks)
    rule = next(rule for rule in TABLE if rule.holds(situation))
    arm = rule.about(situation)
    words = rule.words(situation)
    crossed = {"crossed_up": situation.winners[:1], "crossed_down": situation.found("crossed_down")}
    early = any(situation.crossed[each.arm][1] < 1 for each in crossed.get(rule.name, ()))
    disputed = [each for each in assessment.arms if each.arm == arm and each.disagreement]
    return Decision(
        verdict=rule.verdict,
        arm=arm,
        reasons=_reasons(situation, rule, early=early, disputed=bool(disputed)),
        words=words,
        automatic_allowed=rule.verdict == "roll_back" or (rule.verdict == "promote" and not disputed),
        biased_upward=early,
        rule=rule.name,
    )


def as_markdown() -> str:
    """The table for the documentation."""
    lines = ["| | when | verdict | then | row |", "|---|---|---|---|---|"]
    lines += [
        f"| {number} | {rule.when} | **{rule.verdict}** | {rule.then} | `{rule.name}` |"
        for number, rule in enumerate(TABLE, start=1)
    ]
    return "\n".join(lines) + "\n"


def written_into(page: str) -> str:
    """A page of the documentation with the table between its marks."""
    before, _, rest = page.partition("<!-- table -->\n")
    _, _, after = rest.partition("<!-- end of table -->\n")
    return f"{before}<!-- table -->\n{as_markdown()}<!-- end of table -->\n{after}"


def _reasons(situation: Situation, rule: Rule, *, early: bool, disputed: bool) -> tuple[str, ...]:
    if rule.verdict == "hold":
        return tuple(
            each.words(situation) for each in TABLE if each.verdict == "hold" and each.holds(situation)
        )
    reasons = []
    for each in situation.candidates:
        reasons += _of_arm(situation, each)
    if early:
        reasons.append("It was stopped early, so the estimate is on average too far from zero.")
    if disputed:
        reasons.append(
            "The ratio of sums and the mean of session means disagree, so it is not carried out without a person."
        )
    return tuple(reasons)


def _of_arm(situation: Situation, each: ArmAssessment) -> list[str]:
    look, name = each.look, situation.name(each.arm)
    reasons = []
    if look is not None:
        how, _ = situation.crossed.get(each.arm, (look.outcome, look.time))
        bound = "no boundary tonight" if look.boundary is None else f"boundary {look.boundary:.4g}"
        reasons.append(f"{name}: z {look.z:.4g}, {bound}, {SAID[how]}.")
    reasons += [
        f"{name}: guardrail {guard.metric} is {guard.outcome}."
        for guard in each.guards
        if guard.outcome != "passes"
    ]
    return reasons


SAID: Mapping[str, str] = {
    "held": "held",
    "undecided": "undecided",
    "crossed_up": "crossed upwards",
    "crossed_down": "crossed downwards",
    "futile": "futile",
}
"""Outcomes in words."""
