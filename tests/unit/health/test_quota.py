from __future__ import annotations

import pytest

from kenshin.errors import InvalidPolicy
from kenshin.health.quota import Headroom, QuotaPolicy, Quotas


@pytest.fixture
def quotas(clock):
    return Quotas({"m": QuotaPolicy(10, 1000), "n": QuotaPolicy(tokens_per_minute=100)}, clock=clock)


def test_a_call_takes_its_prompt_and_the_whole_of_max_tokens(quotas):
    booking = quotas.book("arn:aws:bedrock:x:1:inference-profile/m", 90, 200)
    assert booking.settle(100, 0) == Headroom(90.0, 70.0)


def test_calls_on_their_way_count(quotas):
    quotas.book("m", 100, 400)
    assert quotas.book("m", 0, 0).settle(None, 0) == Headroom(80.0, 50.0)


def test_retries_are_requests_too(quotas):
    assert quotas.book("m", 0, 0).settle(0, 2) == Headroom(70.0, 100.0)


def test_after_a_minute_it_is_given_back(quotas, clock):
    quotas.book("m", 100, 400).settle(100, 0)
    clock.pass_(59)
    assert quotas.book("m", 0, 0).settle(0, 0).requests_pct == 80.0
    clock.pass_(1)
    assert quotas.book("m", 0, 0).settle(0, 0) == Headroom(80.0, 100.0)


def test_a_call_longer_than_a_minute_changes_nothing_any_more(quotas, clock):
    long = quotas.book("m", 100, 400)
    clock.pass_(61)
    assert long.settle(5000, 3) == Headroom(100.0, 100.0)


def test_more_than_the_quota_is_below_zero(quotas):
    assert quotas.book("n", 150, 0).settle(150, 0) == Headroom(None, -50.0)


def test_what_is_not_declared_has_no_headroom(quotas):
    assert not quotas.covers("other")
    assert quotas.book("other", 1, 1) is None


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "10"])
def test_a_quota_is_a_whole_number(wrong):
    with pytest.raises(InvalidPolicy):
        QuotaPolicy(requests_per_minute=wrong)
