from __future__ import annotations

from types import SimpleNamespace

import pytest


@pytest.fixture
def report_like():
    """What planning reads of a report: two equal arms over some days."""

    def make(*, se, sessions, days):
        arm = SimpleNamespace(sessions=sessions, score=SimpleNamespace(se=se, sessions=sessions))
        return SimpleNamespace(analysis=SimpleNamespace(arms=(arm, arm)), days=tuple(range(days)))

    return make
