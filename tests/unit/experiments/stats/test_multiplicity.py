from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from kenshin.errors import InvalidInput
from kenshin.experiments.stats.multiplicity import benjamini_hochberg, bonferroni, holm

families = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@given(families)
def test_adjusted_p_values_are_those_of_statsmodels_and_scipy(p):
    for ours, name in ((bonferroni, "bonferroni"), (holm, "holm"), (benjamini_hochberg, "fdr_bh")):
        assert ours(p) == pytest.approx(multipletests(p, method=name)[1], rel=1e-9, abs=1e-12)
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p), rel=1e-9, abs=1e-12)


@given(families)
def test_each_adjustment_is_no_stricter_than_the_one_before(p):
    for raw, rate, stepwise, plain in zip(p, benjamini_hochberg(p), holm(p), bonferroni(p), strict=True):
        assert raw <= rate * (1 + 1e-12)
        assert rate <= stepwise * (1 + 1e-12)
        assert stepwise <= plain


def test_an_empty_family_stays_empty_and_nonsense_is_refused():
    for adjust in (bonferroni, holm, benjamini_hochberg):
        assert adjust([]) == ()
        with pytest.raises(InvalidInput, match="p-value"):
            adjust([0.5, float("nan")])
