from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from unit.experiments.judged import DAYS, by_phase, drawn, level, look, sufficient

from kenshin.experiments.assessment import assess
from kenshin.experiments.decision import decide
from kenshin.experiments.estimates import estimate
from kenshin.experiments.experiment import Experiment
from kenshin.experiments.guardrails import guarded
from kenshin.experiments.policy import Guardrail, Policy
from kenshin.experiments.stats.noninferiority import Guard
from kenshin.experiments.stats.quantile import ClusteredValues, QuantileEstimate, quantile
from kenshin.experiments.stats.ratio import RatioStatistics
from kenshin.experiments.stats.sequential import bounds
from kenshin.experiments.stats.winsorise import winsorised
from kenshin.experiments.stopping import Limit

TONIGHT = Limit(3.0, 3.1, 0.01)
KINDS = ("latency_ms", "latency_ms.p95", "cost", "error", "turns", "tail")


def policy(metric, margin=0.05, worse="higher"):
    return Policy(guardrails=(Guardrail(metric, margin, worse),))


def judged(rules, statistics, *, quantiles=None, cut=None, limit=TONIGHT, looks=()):
    (found,) = guarded(
        rules, statistics, quantiles or {}, cut or {}, control="A", arm="B", limit=limit, looks=looks
    )
    return found


def observed(factor, *, n=6_000, seed=3, score=0.5):
    """Control and a candidate that is so many times control in everything that may be guarded."""
    rng = np.random.default_rng(seed)
    cells, quantiles, samples = {}, {}, {}
    for arm, times, mean in (("A", 1.0, 0.5), ("B", factor, score)):
        longer = (5 * times - 3) / 4
        sizes = rng.choice([3, 7], n, p=[1 - longer, longer])
        starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        latency = rng.gamma(40.0, 10.0, sizes.sum()) * times
        failed = rng.random(sizes.sum()) < 0.3 * times
        tail = rng.gamma(40.0, 1.0, sizes.sum()) * times
        tail[rng.choice(len(tail), 20, replace=False)] = 1e6
        for metric, values in (
            ("latency_ms", latency),
            ("cost", latency / 100),
            ("error", failed),
            ("tail", tail),
        ):
            sums = np.add.reduceat(values.astype(float), starts)
            cells[arm, metric] = RatioStatistics.of_sessions(zip(sums.tolist(), sizes.tolist(), strict=True))
        cells[arm, "observations"] = RatioStatistics.of_sessions((float(k), k) for k in sizes.tolist())
        cells[arm, "quality_score"] = level(mean, n)
        quantiles[arm] = quantile(ClusteredValues(latency, sizes), 0.95)
        samples[arm] = ClusteredValues(tail, sizes)
    return sufficient(cells), quantiles, {"tail": winsorised(samples, 99).statistics}


@pytest.mark.parametrize("metric", KINDS)
class TestEveryKind:
    @pytest.mark.parametrize(("factor", "outcome"), [(1.0, "passes"), (1.05, "undecided"), (1.15, "harmed")])
    def test_it_is_judged_against_its_margin(self, metric, factor, outcome):
        statistics, quantiles, cut = observed(factor)
        found = judged(policy(metric), statistics, quantiles=quantiles, cut=cut)
        assert found.outcome == outcome
        assert found.delta_relative == pytest.approx(factor - 1, abs=0.03)
        assert found.excess == pytest.approx(found.delta_relative - 0.05, abs=1e-9)
        assert (found.metric, found.margin, found.worse, found.arm) == (metric, 0.05, "higher", "B")

    def test_what_grows_is_good_where_lower_is_worse(self, metric):
        statistics, quantiles, cut = observed(1.15)
        found = judged(policy(metric, worse="lower"), statistics, quantiles=quantiles, cut=cut)
        assert (found.outcome, found.excess < -0.05) == ("passes", True)

    def test_ten_per_cent_worse_is_rolled_back_however_good_the_score(self, metric):
        statistics, quantiles, cut = observed(1.10, n=12_000, score=0.95)
        experiment = Experiment("exp", "v1", "v2", policy=policy(metric, 0.03))
        night = assess(experiment, statistics, quantiles, cut, (), days=DAYS[:10])
        found = decide(experiment, night, ())
        assert night.arms[0].look.outcome == "crossed_up"
        assert (found.verdict, found.arm, found.automatic_allowed) == ("roll_back", "B", True)
        assert metric in found.words
        calm = decide(
            experiment, assess(experiment, *observed(1.0, n=12_000, score=0.95), (), days=DAYS[:10]), ()
        )
        assert (calm.verdict, calm.arm) == ("promote", "B")


def test_the_interval_leaves_the_margin_out_exactly_where_it_is_harmed_or_passes():
    rng = np.random.default_rng(8)
    seen = set()
    for factor in np.linspace(0.95, 1.2, 60):
        arms = [drawn(rng, 300, mean)[0] for mean in (2.0, 2.0 * factor)]
        cost = {
            (arm, "cost"): RatioStatistics.of_sessions(each) for arm, each in zip("AB", arms, strict=True)
        }
        found = judged(policy("cost"), sufficient(cost))
        assert (found.outcome == "harmed") == (found.ci_low > 0.05)
        assert (found.outcome == "passes") == (found.ci_high < 0.05)
        seen.add(found.outcome)
    assert seen == {"harmed", "passes", "undecided"}


def test_it_is_as_far_out_as_the_score_s_boundary_of_the_night():
    statistics = sufficient({("A", "cost"): level(1.0, 200), ("B", "cost"): level(1.02, 200)})
    difference = estimate(statistics, "A", "B", metric="cost").difference
    widths = []
    for z in (2.0, 3.0, 5.0):
        found = judged(policy("cost"), statistics, limit=Limit(z, z + 1, 0.01))
        told = Guard(0.05).judge(difference, alpha=float(stats.norm.sf(z)))
        assert (found.ci_low, found.ci_high) == pytest.approx((told.ci_low, told.ci_high), rel=1e-11)
        widths.append(found.ci_high - found.ci_low)
    assert widths == sorted(widths)


def test_without_a_boundary_nothing_is_sure():
    statistics, quantiles, cut = observed(1.3)
    for metric in KINDS:
        found = judged(policy(metric), statistics, quantiles=quantiles, cut=cut, limit=None)
        assert (found.outcome, found.ci_low) == ("undecided", None)
        assert found.delta_relative > 0.25


def test_after_the_horizon_the_last_boundary_serves():
    statistics = sufficient({("A", "cost"): level(1.0), ("B", "cost"): level(1.2)})
    known = {"df": 50.0, "horizon": 5}
    boundaries = {4: 9.0, 5: 60.0, 6: 2.2, 7: None}
    looks = [look(night, boundary=each, **known) for night, each in boundaries.items()]
    found = judged(policy("cost"), statistics, limit=None, looks=looks)
    difference = estimate(statistics, "A", "B", metric="cost").difference
    told = Guard(0.05).judge(difference, alpha=float(stats.t.sf(2.2, 50)))
    assert found.outcome == "harmed"
    assert found.ci_low == pytest.approx(told.ci_low, rel=1e-11)
    assert judged(policy("cost"), statistics, limit=None, looks=looks[:1]).outcome == "undecided"


def test_a_few_huge_values_hide_a_harm_that_cutting_shows():
    statistics, _, cut = observed(1.15)
    assert judged(policy("tail"), statistics).outcome == "undecided"
    assert judged(policy("tail"), statistics, cut=cut).outcome == "harmed"


def test_what_is_cut_away_whole_is_no_pass():
    rare = {arm: RatioStatistics.of_sessions((float(n < 3), 1) for n in range(2_000)) for arm in "AB"}
    nothing = {"error": {arm: level(0.0, 2_000, 0.0) for arm in "AB"}}
    statistics = sufficient({(arm, "error"): each for arm, each in rare.items()})
    assert judged(policy("error"), statistics, cut=nothing).outcome == "undecided"


def test_a_ramp_while_prices_rise_harms_nobody():
    """Control had its sessions when a call was cheap, the candidate when it was dear."""
    statistics = by_phase(
        {
            ("A", 1, "cost"): level(1.0, 900),
            ("B", 1, "cost"): level(1.0, 100),
            ("A", 2, "cost"): level(2.0, 500),
            ("B", 2, "cost"): level(2.0, 500),
        }
    )
    found = judged(policy("cost"), statistics)
    assert (found.outcome, found.delta) == ("passes", pytest.approx(0.0, abs=1e-12))
    pooled = replace(
        statistics, cells={cell: each for cell, each in statistics.cells.items() if cell.phase == 0}
    )
    assert judged(policy("cost"), pooled).outcome == "harmed"


@pytest.mark.parametrize("quantiles", [{}, {"A": QuantileEstimate(100.0, 30, 90, 2.0)}])
def test_a_percentile_that_is_not_known_is_undecided(quantiles):
    statistics = sufficient({(arm, "latency_ms"): level(100.0) for arm in "AB"})
    assert judged(policy("latency_ms.p95"), statistics, quantiles=quantiles).outcome == "undecided"
    few = {arm: QuantileEstimate(100.0, 3, 3) for arm in "AB"}
    assert judged(policy("latency_ms.p95"), statistics, quantiles=few).outcome == "undecided"


def test_a_percentile_s_difference_has_the_error_of_both():
    statistics = sufficient({(arm, "latency_ms"): level(100.0) for arm in "AB"})
    quantiles = {"A": QuantileEstimate(200.0, 400, 900, 3.0), "B": QuantileEstimate(212.0, 400, 900, 4.0)}
    found = judged(policy("latency_ms.p95"), statistics, quantiles=quantiles, limit=Limit(2.0, 2.0, 0.01))
    assert (found.delta, found.delta_relative) == (12.0, 0.06)
    # Fieller's limits r of 212 - 200r: |212 - 200r| = 2·√(4² + 3²r²).
    roots = np.roots([200.0**2 - 36, -2 * 212 * 200.0, 212.0**2 - 64])
    assert sorted([found.ci_low + 1, found.ci_high + 1]) == pytest.approx(sorted(roots), rel=1e-9)


class TestAFigureThatNeverVaries:
    def test_the_same_in_both_arms_passes(self):
        statistics = sufficient({(arm, "cost"): level(2.0, spread=0.0) for arm in "AB"})
        found = judged(policy("cost"), statistics)
        assert (found.outcome, found.delta_relative, found.excess) == ("passes", 0.0, -0.05)

    @pytest.mark.parametrize(("cost", "outcome"), [(2.2, "harmed"), (2.06, "passes"), (1.0, "passes")])
    def test_another_one_is_compared_with_the_margin(self, cost, outcome):
        statistics = sufficient(
            {("A", "cost"): level(2.0, spread=0.0), ("B", "cost"): level(cost, spread=0.0)}
        )
        found = judged(policy("cost"), statistics)
        assert (found.outcome, found.delta_relative) == (outcome, pytest.approx(cost / 2 - 1))

    def test_an_error_of_every_session_beside_none_is_harm(self):
        statistics = sufficient(
            {("A", "error"): level(0.0, spread=0.0), ("B", "error"): level(1.0, spread=0.0)}
        )
        found = judged(policy("error"), statistics)
        assert (found.outcome, found.delta, found.delta_relative, found.excess) == ("harmed", 1.0, None, None)

    def test_one_turn_in_every_session_passes(self):
        statistics = sufficient({(arm, "quality_score"): level(0.5) for arm in "AB"})
        assert judged(policy("turns"), statistics).outcome == "passes"

    def test_twice_as_many_turns_in_every_session_are_harm(self):
        twice = RatioStatistics.of_sessions((2.0, 2) for _ in range(400))
        statistics = sufficient({("A", "observations"): level(1.0, spread=0.0), ("B", "observations"): twice})
        assert judged(policy("turns"), statistics).outcome == "harmed"

    def test_a_latency_that_is_always_the_same_passes_at_its_percentile(self):
        statistics = sufficient({(arm, "latency_ms"): level(100.0, spread=0.0) for arm in "AB"})
        quantiles = {arm: QuantileEstimate(100.0, 400, 400, 0.0, 100.0, 100.0) for arm in "AB"}
        assert judged(policy("latency_ms.p95"), statistics, quantiles=quantiles).outcome == "passes"

    def test_of_one_session_nothing_is_known(self):
        statistics = sufficient({(arm, "cost"): level(2.0, 1, 0.0) for arm in "AB"})
        assert judged(policy("cost"), statistics).outcome == "undecided"

    def test_nor_of_none(self):
        statistics = sufficient({(arm, "quality_score"): level(0.5) for arm in "AB"})
        for metric in ("cost", "latency_ms", "latency_ms.p95"):
            found = judged(policy(metric), statistics)
            assert (found.outcome, found.delta, found.excess) == ("undecided", None, None)

    def test_while_nothing_may_be_decided_a_difference_is_only_shown(self):
        statistics = sufficient(
            {("A", "cost"): level(2.0, spread=0.0), ("B", "cost"): level(2.2, spread=0.0)}
        )
        found = judged(policy("cost"), statistics, limit=None)
        assert (found.outcome, found.ci_low) == ("undecided", None)
        assert found.delta_relative == pytest.approx(0.1)


def test_each_guardrail_is_judged_by_itself_in_the_order_declared():
    cells = {
        ("A", "cost"): level(1.0),
        ("B", "cost"): level(1.3),
        ("A", "error"): level(1.0),
        ("B", "error"): level(0.5),
    }
    rails = (Guardrail("error", 0.05), Guardrail("cost", 0.05), Guardrail("error2", 0.05))
    found = guarded(
        Policy(guardrails=rails), sufficient(cells), {}, {}, control="A", arm="B", limit=TONIGHT, looks=()
    )
    assert [(each.metric, each.outcome) for each in found] == [
        ("error", "passes"),
        ("cost", "harmed"),
        ("error2", "undecided"),
    ]
    assert not guarded(Policy(), sufficient(cells), {}, {}, control="A", arm="B", limit=TONIGHT, looks=())


def test_seen_every_night_a_candidate_on_the_margin_is_rarely_taken_back():
    """At the score's boundaries a true difference of the margin itself is called harm by chance, 2.5 % of the time."""
    rng = np.random.default_rng(4)
    steps = [(float(night), night / 7) for night in range(1, 8)]
    found = [Limit(each.z, each.z, 0.0) for each in bounds(steps, 0.05, "obrien_fleming")]
    worlds, harmed = 600, 0
    for _ in range(worlds):
        sums = rng.normal((1.0, 1.05), 0.3, (7, 60, 2))
        for night, limit in enumerate(found, start=1):
            flat = sums[:night].reshape(-1, 2)
            cells = {}
            for place, arm in enumerate("AB"):
                values = flat[:, place]
                total, squares, n = float(values.sum()), float((values * values).sum()), len(values)
                cells[arm, "cost"] = RatioStatistics(n, total, n, squares, total, n, total, squares)
            if judged(policy("cost"), sufficient(cells), limit=limit).outcome == "harmed":
                harmed += 1
                break
    assert harmed / worlds < 0.025 + 2 * math.sqrt(0.025 * 0.975 / worlds)
    assert harmed > 0
