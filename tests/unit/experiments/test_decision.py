from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kenshin.experiments.assessment import assess
from kenshin.experiments.decision import TABLE, Decision, as_markdown, decide, written_into
from kenshin.experiments.experiment import Arm, Experiment
from kenshin.experiments.looks import signed
from kenshin.experiments.policy import Guardrail, Policy
from kenshin.experiments.stats.ratio import RatioStatistics
from kenshin.experiments.sufficient import Cell, Statistics

PAGE = Path(__file__).resolve().parents[3] / "docs" / "decisions.md"
DAYS = [date(2026, 11, 1) + timedelta(days=each) for each in range(20)]
PLAIN = Experiment("exp", "v1", "v2", policy=Policy(guardrails=(Guardrail("cost", 0.05),)))
THREE = PLAIN.changed(arms=(Arm("A", "v1", 0.4), Arm("B", "v2", 0.3), Arm("C", "v3", 0.3)))


def cell(mean: float, n: int = 400, spread: float = 0.1) -> RatioStatistics:
    """Sessions of one observation each, half of them `spread` above the mean, half below."""
    return RatioStatistics.of_sessions((mean + spread * (place % 2 * 2 - 1), 1) for place in range(n))


def night(experiment, number, *, scores, costs=None, n=400, looks=(), spread=0.1, cost_spread=0.1, **changes):
    """Decide a night of an experiment whose arms have these mean scores and costs."""
    days = DAYS[:number]
    cells = {}
    for arm, score in scores.items():
        count = n[arm] if isinstance(n, dict) else n
        cells[Cell(arm, 0, "*", "quality_score")] = cell(score, count, spread)
        cells[Cell(arm, 0, "*", "observations")] = cell(1.0, count, 0.0)
        cells[Cell(arm, 0, "*", "cost")] = cell((costs or {}).get(arm, 1.0), count, cost_spread)
    known = {"days": tuple(days), "filled_days": tuple(days), **changes}
    retrospective = known.pop("retrospective", False)
    assessment = assess(
        experiment, Statistics(cells=cells, **known), {}, {}, looks, days=days, retrospective=retrospective
    )
    decision = decide(experiment, assessment, looks)
    tonight = [each.look for each in assessment.arms if each.look is not None]
    number = looks[-1].look + 1 if looks else 1
    return (
        assessment,
        decision,
        signed(tonight, number=number, decision=decision, report_key="", code_version=""),
    )


EQUAL, BETTER, WORSE = {"A": 0.5, "B": 0.5}, {"A": 0.5, "B": 0.56}, {"A": 0.5, "B": 0.44}
MANY = {f"s{place}": ("A", "B") for place in range(50)}
EXTENDED = PLAIN.changed(policy=replace(PLAIN.policy, extend=True))

ROWS = {
    "ended": (PLAIN.changed(status="concluded"), 10, {"scores": BETTER}, None),
    "retrospective": (PLAIN, 10, {"scores": BETTER, "retrospective": True}, None),
    "missing_night": (PLAIN, 10, {"scores": BETTER, "days": (*DAYS[:4], *DAYS[5:10])}, None),
    "crossing_sessions": (PLAIN, 10, {"scores": BETTER, "crossing": MANY}, None),
    "sample_ratio": (PLAIN, 10, {"scores": BETTER, "n": {"A": 20_800, "B": 19_200}}, None),
    "too_few_nights": (PLAIN, 10, {"scores": BETTER, "filled_days": (DAYS[0],)}, None),
    "no_candidate": (PLAIN.changed(traffic_split=0.0), 10, {"scores": BETTER, "n": {"A": 400, "B": 0}}, None),
    "too_few_sessions": (PLAIN, 10, {"scores": BETTER, "n": 29}, None),
    "no_variance": (PLAIN, 10, {"scores": BETTER, "spread": 0.0}, None),
    "guardrail_harmed": (PLAIN, 10, {"scores": BETTER, "costs": {"B": 1.1}}, "B"),
    "crossed_up": (PLAIN, 10, {"scores": BETTER}, "B"),
    "crossed_down": (PLAIN, 10, {"scores": WORSE}, "B"),
    "futile": (PLAIN, 12, {"scores": {"A": 0.5, "B": 0.4985}}, "B"),
    "extended": (EXTENDED, 14, {"scores": EQUAL}, None),
    "horizon": (PLAIN, 14, {"scores": EQUAL}, None),
    "guardrail_undecided": (PLAIN, 10, {"scores": BETTER, "costs": {"B": 1.05}}, "B"),
    "undecided": (PLAIN, 3, {"scores": EQUAL}, None),
}


@pytest.mark.parametrize("rule", TABLE, ids=lambda rule: rule.name)
def test_every_row_of_the_table_is_reached(rule):
    experiment, number, given_, arm = ROWS[rule.name]
    _assessment, decision, looks = night(experiment, number, **given_)
    assert (decision.rule, decision.verdict, decision.arm) == (rule.name, rule.verdict, arm)
    assert decision.words.endswith(".")
    if rule.verdict == "hold":
        assert decision.words in decision.reasons
        assert not decision.automatic_allowed
        assert all(look.boundary is None and look.alpha_spent == 0 for look in looks)
        assert all(look.outcome == "held" for look in looks)
    assert Decision.from_dict(decision.as_dict()) == decision


def test_the_page_shows_the_very_table():
    page = PAGE.read_text(encoding="utf-8")
    assert as_markdown() in page
    assert written_into(page) == page, "run: make decisions"


def test_all_reasons_to_hold_are_said():
    _, decision, _ = night(PLAIN, 10, scores=BETTER, n=29, crossing=MANY, days=tuple(DAYS[1:10]))
    assert decision.rule == "missing_night"
    assert next(each.split()[0] for each in decision.reasons) == "Observations"
    assert len(decision.reasons) == 3
    assert "2026-11-01" in decision.words


def test_an_early_stop_is_said_to_be_biased_and_one_at_the_horizon_is_not():
    _, early, _ = night(PLAIN, 10, scores=BETTER)
    _, late, _ = night(PLAIN, 14, scores=BETTER)
    assert (early.biased_upward, late.biased_upward) == (True, False)
    assert any("too far from zero" in reason for reason in early.reasons)
    assert early.automatic_allowed


def test_however_good_the_score_a_harmed_guardrail_takes_the_arm_back():
    _, decision, _ = night(PLAIN, 10, scores={"A": 0.1, "B": 0.9}, costs={"B": 1.1}, cost_spread=0.01)
    assert (decision.verdict, decision.arm, decision.automatic_allowed) == ("roll_back", "B", True)


def test_a_metric_that_nobody_observed_is_no_pass():
    experiment = PLAIN.changed(policy=Policy(guardrails=(Guardrail("latency_ms", 0.05),)))
    _, decision, _ = night(experiment, 10, scores=BETTER)
    assert decision.rule == "guardrail_undecided"


def test_an_error_that_never_happens_passes():
    _, decision, _ = night(PLAIN, 10, scores=BETTER, costs={"A": 0.0, "B": 0.0}, cost_spread=0.0)
    assert decision.verdict == "promote"


def test_what_crossed_once_stays_decided_unless_it_turns():
    _, first, looks = night(PLAIN, 10, scores=BETTER)
    assert first.verdict == "promote"
    _, still, _ = night(PLAIN, 11, scores={"A": 0.5, "B": 0.505}, looks=looks)
    assert (still.verdict, still.biased_upward) == ("promote", True)
    _, turned, _ = night(PLAIN, 11, scores={"A": 0.5, "B": 0.495}, looks=looks)
    assert turned.verdict != "promote"


def test_the_best_of_several_promoted_arms_is_named():
    _, decision, _ = night(
        THREE, 10, scores={"A": 0.5, "B": 0.55, "C": 0.57}, n={"A": 400, "B": 300, "C": 300}
    )
    assert (decision.verdict, decision.arm) == ("promote", "C")


def test_one_bad_arm_of_several_does_not_end_the_rest():
    counts = {"A": 400, "B": 300, "C": 300}
    _, decision, _ = night(THREE, 4, scores={"A": 0.5, "B": 0.4, "C": 0.505}, n=counts)
    assert decision.verdict == "continue"
    assert any("crossed downwards" in reason for reason in decision.reasons)


def test_sums_and_session_means_that_disagree_need_a_person():
    def sessions(short, long):
        """Sessions of one observation, and as many of twenty."""
        short_ones = [(short + 0.05 * (place % 2 * 2 - 1), 1) for place in range(200)]
        return RatioStatistics.of_sessions(
            short_ones + [(20 * (long + 0.05 * (place % 2 * 2 - 1)), 20) for place in range(200)]
        )

    cells = {}
    for arm, (short, long) in {"A": (0.6, 0.4), "B": (0.4, 0.5)}.items():
        cells[Cell(arm, 0, "*", "quality_score")] = sessions(short, long)
        cells[Cell(arm, 0, "*", "observations")] = sessions(1.0, 1.0)
    experiment = Experiment("exp", "v1", "v2")
    days = tuple(DAYS[:10])
    statistics = Statistics(cells=cells, days=days, filled_days=days)
    assessment = assess(experiment, statistics, {}, {}, (), days=days)
    decision = decide(experiment, assessment, ())
    assert assessment.arms[0].disagreement
    assert (decision.verdict, decision.automatic_allowed) == ("promote", False)
    assert any("without a person" in reason for reason in decision.reasons)


@settings(max_examples=60, deadline=None)
@given(
    number=st.integers(1, 20),
    score=st.floats(0.3, 0.7),
    cost=st.floats(0.8, 1.3),
    n=st.integers(2, 600),
    extend=st.booleans(),
    missing=st.booleans(),
)
def test_whatever_happens_a_decision_is_safe(number, score, cost, n, extend, missing):
    experiment = EXTENDED if extend else PLAIN
    days = tuple(DAYS[1:number] if missing else DAYS[:number])
    assessment, decision, looks = night(
        experiment, number, scores={"A": 0.5, "B": score}, costs={"B": cost}, n=n, days=days
    )
    if decision.verdict == "promote":
        assert looks[0].ci_low > 0
        assert all(guard.outcome == "passes" for guard in assessment.arms[0].guards)
    if assessment.validity.problems:
        assert decision.verdict == "hold"
    if decision.automatic_allowed:
        assert decision.verdict in ("promote", "roll_back")
    assert [rule.name for rule in TABLE].count(decision.rule) == 1
