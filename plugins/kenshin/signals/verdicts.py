"""The verdicts of a night as numbers, for a metric."""

from __future__ import annotations

from collections.abc import Mapping

DECISION_CODES: Mapping[str, int] = {
    "continue": 0,
    "extend": 1,
    "inconclusive": 2,
    "promote": 3,
    "reject": 4,
    "roll_back": 5,
    "hold": 6,
}
"""A night's verdict as a number, for graphs."""
