from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.signals.plain import UNREADABLE, plain


class Unreadable:
    def __str__(self) -> str:
        raise RuntimeError


class UnreadableMapping(dict):
    def items(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (0.5, 0.5),
        (float("inf"), "inf"),
        ("x", "x"),
        ({1: (2, {3})}, {"1": [2, "{3}"]}),
        (datetime(2026, 11, 5, tzinfo=UTC), "2026-11-05 00:00:00+00:00"),
        (b"x", "b'x'"),
        ([Unreadable()], [UNREADABLE]),
        (2**63 - 1, 2**63 - 1),
        (2**63, "9223372036854775808"),
        ([10**5000], [UNREADABLE]),
        ([UnreadableMapping(x=1)], [UNREADABLE]),
    ],
)
def test_a_value_in_jsons_words(value, told):
    assert plain(value) == told


def test_nothing_goes_deeper_than_asked_for():
    endless: list[object] = []
    endless.append(endless)
    assert plain(endless, depth=2) == [["…"]]


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-9, 9)
        | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=10,
    )
)
def test_what_json_has_words_for_stays(value):
    assert json.loads(json.dumps(plain(value, depth=20))) == value
