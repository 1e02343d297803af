from __future__ import annotations

import pytest

from kenshin.errors import InvalidPolicy
from kenshin.health.surroundings import CallOptions


@pytest.mark.parametrize(
    "wrong",
    [
        {"deadline": 0},
        {"deadline": -1.0},
        {"deadline": "5"},
        {"deadline": True},
        {"fallbacks": "m"},
        {"fallbacks": [1]},
        {"fallbacks": [""]},
        {"fallbacks": None},
        {"fallback_least_s": -1},
    ],
    ids=str,
)
def test_options_that_mean_nothing_are_refused(wrong):
    with pytest.raises(InvalidPolicy, match=next(iter(wrong))):
        CallOptions(**wrong)


def test_fallbacks_may_come_as_a_list():
    assert CallOptions(fallbacks=["a", "b"], deadline=5).fallbacks == ("a", "b")
